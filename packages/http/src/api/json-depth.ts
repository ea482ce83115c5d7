/** The most lists and objects around a value of a body. */
export const BODY_DEPTH_MAX = 50;

/** Whether a JSON value is nested deeper than `depthMax`. Takes no stack, whatever the depth. */
export function isDeeperThan(value: unknown, depthMax: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    const containers = level.filter((item): item is object => typeof item === "object" && item !== null);
    if (containers.length > 0 && depth >= depthMax) return true;
    level = containers.flatMap((item) => Object.values(item) as unknown[]);
  }
  return false;
}
