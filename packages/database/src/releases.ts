/** Whether a text is a release, such as `0.2.0`. */
export function isRelease(version: string): boolean {
  return /^\d+\.\d+\.\d+$/.test(version);
}

/** Whether a process of release `version` is older than `needed`. What is no release, such as `unknown`, counts as older. */
export function isOlderRelease(version: string, needed: string): boolean {
  if (!isRelease(version)) return true;
  const [have, want] = [version, needed].map((text) => text.split(".").map(Number));
  for (let index = 0; index < 3; index += 1) {
    const difference = (have?.[index] ?? 0) - (want?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
