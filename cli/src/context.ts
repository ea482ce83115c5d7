/** The environment as it was when the process started. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a command reads and prints. */
export interface Terminal {
  /** Prints a line on standard output: what was asked for, and nothing else. */
  out(line: string): void;
  /** Prints a line on standard error: errors, warnings and progress. */
  err(line: string): void;
  /** All of standard input. */
  readInput(): Promise<string>;
}

/** What a command may do with the process it runs in. */
export interface ProcessControl {
  /** The folder that relative paths start from. */
  readonly cwd: string;
  /** Calls `listener` for each of `signals`, until the function that is given back is called. */
  onSignal(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void;
  /** Calls `listener` when the process that supervises this one has gone. Does nothing when there is none. */
  onOrphaned(listener: () => void): void;
  /** Ends the process now. */
  exit(code: number): never;
}

/** Everything that a command gets from outside. */
export interface CommandContext {
  readonly env: Environment;
  readonly terminal: Terminal;
  readonly process: ProcessControl;
}
