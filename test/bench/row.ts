/** What a benchmark tells: a figure beside its floor or peer, from the same run. */

/** One line of the table. */
export interface Row {
  readonly work: string;
  /** The figure that is judged, and its unit. */
  readonly figure: number;
  readonly unit: string;
  /** The floor or peer that was measured in turn with it. */
  readonly beside: string;
  readonly floor: number;
  /** The figure over the floor. */
  readonly ratio: number;
  /** What is aimed at, in words. */
  readonly goal: string;
  readonly met: boolean;
  /** Further figures. */
  readonly more: Readonly<Record<string, number>>;
}

/** How long and how often everything is measured. */
export interface Effort {
  readonly seconds: number;
  readonly rounds: number;
  /** How long a long chain is. */
  readonly blocks: number;
}

/** A group of rows, by the name that asks for it. */
export interface Benchmark {
  readonly name: string;
  rows(effort: Effort): AsyncGenerator<Row, void>;
}
