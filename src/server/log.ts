/** Where servers write what an operator may want to know, a line at a time. A pino logger is one. */
export interface Log {
  /** Every request. */
  debug(text: string): void;
  /** Accepted blocks and new rounds. */
  info(text: string): void;
  /** What an operator should look at. */
  warn(text: string): void;
  /** What has failed. */
  error(text: string): void;
}
