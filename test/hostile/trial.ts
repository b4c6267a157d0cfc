/** One attack on a validator of its own: what holds meanwhile, and afterwards. */

import { setTimeout as sleep } from 'node:timers/promises';
import { footprint } from '../support/footprint.js';
import { type RunningValidator, temporaryFolder } from '../support/programs.js';
import { makeCertificates } from '../support/tls.js';
import type { Attack, Effort, Figures } from './attack.js';
import { BOUNDS, type Holds, holdsAtMost, inWords, type Measured, mayHold, problemsOf, slownessOf } from './bounds.js';
import { type Asked, askDuring, Miners, newcomer, since, WIRES, type Wire } from './honest.js';
import { Attacker } from './orders.js';
import { endVictim, holds, listening, makeLargeBlocks, startVictim, victimOf } from './victim.js';

/** What came of an attack. */
export interface Outcome {
  /** What did not hold. */
  readonly problems: readonly string[];
  /** Where honest clients waited for too long. */
  readonly slowness: readonly string[];
  /** What was measured, in words. */
  readonly measured: string;
  /** What the attacker has done. */
  readonly figures: Figures;
}

/** How long is asked before anything is measured, so that what is asked often is compiled, milliseconds. */
const WARM_UP_MS = 250;

/** How long the quiet is measured, milliseconds. */
const QUIET_MS = 500;

/** Attacks a validator. Rejects where the trial could not be held, or is stopped; nothing is left running, nor on the disk. */
export async function trial(attack: Attack, effort: Effort, stop: AbortSignal): Promise<Outcome> {
  const tls = attack.needsTls ? await makeCertificates() : undefined;
  const folder = temporaryFolder();
  const program = startVictim(folder.path, attack, tls);
  const kill = (): void => void program.process.kill('SIGKILL');
  stop.addEventListener('abort', kill);
  try {
    stop.throwIfAborted();
    const validator = await listening(program);
    await makeLargeBlocks(validator, attack.largeBlocks ?? 0);
    const { measured, figures } = await measure(validator, attack, effort);
    const problems = [...problemsOf(measured), ...(await endVictim(validator, folder.path, attack))];
    return { problems, slowness: slownessOf(measured), measured: inWords(measured), figures };
  } catch (error) {
    const { exitCode, signalCode } = program.process;
    if (exitCode === null && signalCode === null) throw error;
    // Whatever else went wrong went wrong because of that.
    throw new Error(`the validator has ended with ${exitCode ?? signalCode}:\n${program.stderr()}`);
  } finally {
    stop.removeEventListener('abort', kill);
    kill();
    await program.ended;
    folder.remove();
    tls?.remove();
  }
}

/** Measures the quiet, the attack and what is left of it. Rejects where the validator is not there any more, or not for newcomers. */
async function measure(
  validator: RunningValidator,
  attack: Attack,
  effort: Effort,
): Promise<{ measured: Measured; figures: Figures }> {
  const clients = { 'JSON/TCP': newcomer(validator, 'JSON/TCP'), gRPC: newcomer(validator, 'gRPC') };
  const askAll = (work: Promise<unknown>): Promise<Asked[]> =>
    Promise.all(WIRES.map((wire) => askDuring(work, clients[wire], wire)));
  const attacker = new Attacker({ name: attack.name, victim: victimOf(validator, attack), effort });
  // Whoever waits for the attacker hears of the validator's end.
  void validator.ended.then(() => attacker.end());
  let miners: Miners | undefined;
  try {
    await attacker.ready();
    await askAll(sleep(WARM_UP_MS));
    const quiet = await askAll(sleep(QUIET_MS));
    const before = await holds(validator);

    // Connections that a library has given up are closed later, which the long form waits for.
    const { lingering = 0 } = attack;
    const most = mayHold(before, effort.isShort ? lingering : 0);
    const patience = lingering > 0 && !effort.isShort ? BOUNDS.lingersMs : BOUNDS.recoversMs;

    // Where there is no place for newcomers, those mine who were there before.
    miners = new Miners(validator, attack.takesAllPlaces ? clients : undefined);
    const attacking = attacker.attack();
    const all = await askAll(attacking);
    await miners.stop();
    const { peak } = footprint(validator);
    await attacker.end();

    const { after, ms: recoveredMs } = await recovered(validator, most, patience);
    for (const wire of WIRES) await served(validator, wire);
    const { from, to } = attacker.inPlace;
    return {
      measured: {
        asked: quiet.map((one, wire) => ({ quiet: one, under: since(from, all[wire] as Asked) })),
        slowest: Math.max(...all.flatMap(({ answers }) => answers.map(({ ms }) => ms))),
        won: miners.won.filter(({ begun, ms }) => begun > from && begun + ms < to),
        most,
        after,
        recoveredMs,
        peak,
        last: footprint(validator).memory,
      },
      figures: await attacking,
    };
  } finally {
    await attacker.end();
    for (const wire of WIRES) clients[wire].close();
    await miners?.stop();
  }
}

/** Waits until it holds on to no more than it may, or for as long as that may take, milliseconds. */
async function recovered(
  validator: RunningValidator,
  most: Holds,
  patience: number,
): Promise<{ after: Holds; ms: number }> {
  const begun = performance.now();
  for (;;) {
    const after = await holds(validator);
    const ms = performance.now() - begun;
    if (holdsAtMost(most, after) || ms > patience) return { after, ms };
    await sleep(100);
  }
}

/** A newcomer is answered, at the latest when the validator has recovered. */
async function served(validator: RunningValidator, wire: Wire): Promise<void> {
  const last = performance.now() + BOUNDS.recoversMs;
  for (;;) {
    const client = newcomer(validator, wire);
    try {
      return void (await client.checkLockout('newcomer'));
    } catch (error) {
      if (performance.now() > last) throw error;
      await sleep(100);
    } finally {
      client.close();
    }
  }
}
