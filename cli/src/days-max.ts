/** How far back silos remember uses (packages/fleet/src/limits.ts): the most days that they can be asked about. */
export const DAYS_MAX = 90;
