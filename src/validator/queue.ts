/** What waits to be judged: bounded, in order, taken a batch at a time. */

import { Fault } from '../engine/fault.js';
import { LIMITS } from '../engine/limits.js';
import type { Change } from '../engine/state.js';

/** Something that waits to be judged. */
export interface Input {
  readonly signal: AbortSignal | undefined;
  /** Roughly what it costs to judge: its inputs and outputs. */
  readonly weight: number;
  /** Judges it, and returns what answers it once that is durable. */
  run(now: bigint, changes: Change[]): () => void;
  refuse(fault: Fault): void;
}

export class Queue {
  private inputs: Input[] = [];
  /** The inputs and outputs of the blocks that wait. */
  private weight = 0;

  get length(): number {
    return this.inputs.length;
  }

  /** Throws a Fault, OVERLOADED, where too much waits already. */
  push(input: Input): void {
    const tooMuch = input.weight > 0 && this.weight + input.weight > LIMITS.queuedOutputs;
    if (this.inputs.length >= LIMITS.queuedInputs || tooMuch) {
      throw new Fault('OVERLOADED', 'too many requests are waiting');
    }
    this.weight += input.weight;
    this.inputs.push(input);
  }

  takeBatch(): Input[] {
    let weight = 0;
    let count = 0;
    while (count < Math.min(this.inputs.length, LIMITS.batchInputs) && weight <= LIMITS.batchOutputs) {
      weight += (this.inputs[count] as Input).weight;
      count++;
    }
    this.weight -= weight;
    return this.inputs.splice(0, count);
  }

  /** Refuses everything that waits. */
  refuse(fault: Fault): void {
    const refused = this.inputs;
    this.inputs = [];
    this.weight = 0;
    for (const input of refused) input.refuse(fault);
  }
}
