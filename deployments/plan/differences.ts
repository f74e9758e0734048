import type { ModuleSpec } from '../contract.ts';

/**
 * Why a module has to be made anew, for people: what changed, with old and new where that is short and no secret. Status and startupOrder
 * are not among it; they change nothing about a container.
 */
export function differences(before: ModuleSpec, after: ModuleSpec): readonly string[] {
  const said: string[] = [];
  for (const key of ['image', 'version', 'digest', 'restartPolicy', 'imagePullPolicy'] as const) {
    const [old, now] = [before[key], after[key]];
    if (old !== now) said.push(`${key} ${shown(old)} -> ${shown(now)}`);
  }
  const names = changedNames(before.env, after.env);
  // What a variable holds may be a password.
  if (names.length > 0) said.push(`env ${names.join(', ')}`);
  const options = changedNames(before.createOptions, after.createOptions);
  if (options.length > 0) said.push(`createOptions ${options.join(', ')}`);
  return said;
}

const shown = (value: string | undefined): string => (value === undefined || value === '' ? 'none' : value);

function changedNames(before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !equal(before[name], after[name])).sort();
}

/** Order of keys means nothing in JSON. */
function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => Object.hasOwn(right, key) && equal(left[key], right[key]));
}
