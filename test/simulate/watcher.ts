/** Somebody who watches the chain: every block from the first on, once and in order, over whatever happens to the validator and the network. */

import { Problem } from './auditor.js';
import { RpcClient } from './rpc-client.js';
import { Process } from './time.js';
import { begin, RPC, type World } from './world.js';

export class Watcher {
  /** The hashes of the blocks that it was told. */
  private readonly told: string[] = [];

  constructor(private readonly world: World) {}

  start(): void {
    const { network } = this.world;
    const process = new Process('watcher');
    const client = new RpcClient('the validator', () => network.connect(process, '10.4.0.1', RPC));
    begin(this.world, process, async () => {
      for await (const { block } of client.watchBlocks(0)) {
        const expected = this.told.length;
        if (block?.index !== expected)
          throw new Problem('streams', `block #${block?.index} is told where #${expected} was to come`);
        this.told.push(block.hash.toString('hex'));
      }
      throw new Problem('streams', 'a stream of blocks has ended');
    });
  }

  /** Holds what it was told against the chain, of which it must know so many blocks. */
  audit(height: number): void {
    const hashes = this.world.auditor.chain?.hashes ?? [];
    if (this.told.length < height) throw new Problem('streams', `${this.told.length} blocks of ${height} are told`);
    for (const [index, hash] of this.told.entries()) {
      if (hashes[index] !== hash)
        throw new Problem('streams', `block ${hash} was told, and #${index} is ${hashes[index]}`);
    }
  }
}
