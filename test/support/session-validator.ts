/** A validator for one session, in the hand of its tester: clock, store and queue (test/vectors/README.md, "Sessions"). */

import { Timescale } from '../../gen/hourcoin/v1/validator_service.js';
import type { Session, Tester } from '../../src/conformance/session.js';
import { NO_HASH } from '../../src/engine/bytes.js';
import { LIMITS } from '../../src/engine/limits.js';
import type { Change } from '../../src/engine/state.js';
import type { Address } from '../../src/wire/address.js';
import { winning } from './blocks.js';
import type { AtEnd } from './makers.js';
import { NO_LOG } from './nodes.js';
import { listenFor, openDoor } from './servers.js';
import { until } from './wait.js';

/** The modules that a validator is made of: ours, or a copy of them in which a rule is broken. */
export interface Build {
  readonly ValidatorNode: typeof import('../../src/validator/node.js').ValidatorNode;
  readonly MemoryStore: typeof import('../../src/store/memory.js').MemoryStore;
  readonly JsonTcpServer: typeof import('../../src/server/json-tcp.js').JsonTcpServer;
  readonly GrpcServer: typeof import('../../src/server/grpc.js').GrpcServer;
}

/** Loads the modules below a folder as `npm run build` lays it out, `dist/`. */
export async function loadBuild(dist: URL): Promise<Build> {
  const load = (path: string): Promise<Build> => import(new URL(`src/${path}.js`, dist).href) as Promise<Build>;
  const [node, memory, jsonTcp, grpc] = await Promise.all(
    ['validator/node', 'store/memory', 'server/json-tcp', 'server/grpc'].map(load),
  );
  return { ...node, ...memory, ...jsonTcp, ...grpc } as Build;
}

/** Serves what a session asks for at a free port. */
export async function serveSession(
  { ValidatorNode, MemoryStore, JsonTcpServer, GrpcServer }: Build,
  { wire, validator: { difficulty, timescale, start } }: Session,
  atEnd: AtEnd,
): Promise<{ address: Address; tester: Tester }> {
  let commit: 'works' | 'fails' | 'hangs' = 'works';
  let hanging = 0;
  class FaultyStore extends MemoryStore {
    override async commit(changes: readonly Change[], stamp: bigint): Promise<void> {
      if (commit === 'fails') throw new Error('the disk is full');
      if (commit === 'hangs') {
        hanging++;
        await new Promise(() => {});
      }
      return super.commit(changes, stamp);
    }
  }
  const clock = { time: BigInt(start), speed: 1, now: (): bigint => clock.time };
  const store = new FaultyStore();
  const scale = timescale === 'utc' ? Timescale.UTC : Timescale.TAI;
  await store.begin({ difficulty: BigInt(difficulty), timescale: scale, firstRoundStart: clock.time }, clock.speed);
  const node = new ValidatorNode(store, clock);
  atEnd(() => (commit === 'hangs' ? undefined : node.stop()));
  const admission = openDoor();
  const Server = wire === 'grpc' ? GrpcServer : JsonTcpServer;
  const { address, close } = await listenFor(new Server(node, admission, NO_LOG), wire, { admission });
  atEnd(close);
  const tester: Tester = {
    setClock: (time) => {
      clock.time = time;
    },
    bringAbout: async (condition) => {
      const block = { ...winning(await node.getRoundInfo(''), 'queued'), hash: NO_HASH };
      commit = condition === 'store fails' ? 'fails' : 'hangs';
      if (condition === 'store fails') return;
      // An attempt that is being written and never will be: the others wait behind it.
      node.submitBlock('written', block).catch(() => {});
      await until(() => hanging === 1, 'a commit hangs');
      for (let n = 0; n < LIMITS.queuedInputs; n++) node.submitBlock(`queued-${n}`, block).catch(() => {});
    },
  };
  return { address, tester };
}
