/** The hub allows 10 levels; a document far beyond is not from a hub, and would overflow the stack of whoever walks it. */
export const deepest = 64;

/** Whether objects and arrays stand in each other more than `levels` deep. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels <= 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
