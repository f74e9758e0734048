import type { z } from 'zod';
import { findingsOf } from '../../mappings/yaml/issues.ts';
import type { ManifestProblem } from '../contract.ts';
import type { DeploymentRule } from '../rules.ts';

export type Keys = readonly (string | number)[];

/** Everything that is wrong with one manifest, in the order in which it was found. */
export class Findings {
  readonly all: ManifestProblem[] = [];

  error(keys: Keys, rule: DeploymentRule, message: string, hint?: string, which?: 'key' | 'value'): void {
    this.#add('error', keys, rule, message, hint, which);
  }

  warn(keys: Keys, rule: DeploymentRule, message: string, hint?: string, which?: 'key' | 'value'): void {
    this.#add('warn', keys, rule, message, hint, which);
  }

  get failed(): boolean {
    return this.all.some(({ severity }) => severity === 'error');
  }

  /** Holds a value against a schema; undefined when it does not fit. */
  check<T>(value: unknown, schema: z.ZodType<T>, keys: Keys): T | undefined {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    for (const { path, which, rule, message, hint } of findingsOf(result.error.issues, value, schema, keys))
      this.#add('error', [...keys, ...(path as Keys)], rule, message, hint, which);
    return undefined;
  }

  #add(severity: 'error' | 'warn', keys: Keys, rule: string, message: string, hint?: string, which?: 'key' | 'value'): void {
    this.all.push({ severity, path: jsonPath(keys), keys, rule, message, ...(hint !== undefined && { hint }), ...(which && { which }) });
  }
}

/** `modulesContent.$edgeAgent['properties.desired'].modules.filter.settings.image`; `$` for the manifest as a whole. */
export function jsonPath(keys: Keys): string {
  let path = '';
  for (const key of keys) {
    if (typeof key === 'number') path += `[${key}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(key)) path += path === '' ? key : `.${key}`;
    else path += `['${key.replaceAll("'", "\\'")}']`;
  }
  return path === '' ? '$' : path;
}
