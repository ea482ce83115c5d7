/** One environment variable. */
export interface SettingDefinition {
  readonly name: string;
  /** What holds when it is not set; `required` or `none` when nothing does. */
  readonly fallback: string;
  /** The unit or form of its value. */
  readonly unit: string;
  /** A sentence for people. */
  readonly meaning: string;
  /** Whether its value must never be printed or logged. */
  readonly isSecret: boolean;
}

/** A setting, of which the name is known to the compiler. */
export function setting<N extends string>(name: N, fallback: string, unit: string, meaning: string) {
  return { name, fallback, unit, meaning, isSecret: false };
}

/** The same, of a value that must never be printed or logged. */
export function secret<N extends string>(name: N, fallback: string, unit: string, meaning: string) {
  return { name, fallback, unit, meaning, isSecret: true };
}
