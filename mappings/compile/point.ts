import { hash } from 'node:crypto';
import { converterOf } from '../convert/converter.ts';
import { inverseOf } from '../convert/inverse.ts';
import type { Meaning } from '../convert/meaning.ts';
import { meaningKey } from '../convert/meaning.ts';
import type { CompiledPoint } from '../equipment.ts';
import type { PointKeys } from '../keys.ts';
import type { AdapterLanguage, Finding } from '../language.ts';
import { nearest } from '../nearest.ts';
import { placeholdersOf } from '../patterns.ts';
import { compileDeadband } from './deadband.ts';
import { integerLimits, rawKind } from './kinds.ts';
import { compileMeaning } from './meaning.ts';
import type { PointContext } from './point-source.ts';
import { compileTimes } from './times.ts';
import { compileWrite } from './write-guard.ts';

/** A point and what its samples need to explain themselves. */
export interface PointDraft {
  readonly point: CompiledPoint;
  readonly meaning: Meaning;
  readonly keys: PointKeys;
  /** Placeholders that its samples come with. */
  readonly captures: readonly string[];
}

/** One point. Undefined when it has no address; other problems are reported and the point is still made, so that more can be found. */
export function compilePoint(
  source: PointContext,
  own: Readonly<Record<string, unknown>>,
  language: AdapterLanguage,
  settings: unknown,
): PointDraft | undefined {
  const { name, keys } = source;
  const times = compileTimes(source, language.pushes === true);
  const address = language.compilePoint(
    {
      name,
      at: keys.at,
      own,
      settings,
      everyMs: times.everyMs,
      write: keys.write !== undefined,
      bits: keys.bit !== undefined || keys.bits !== undefined,
    },
    (key, finding) => source.report(key as 'at', finding),
  );
  if (!address) return undefined;
  const { rawType } = address;
  const pattern = placeholdersOf(name);
  for (const placeholder of pattern) {
    if (address.captures?.includes(placeholder)) continue;
    source.report('at', unknownPlaceholder(`${name}:`, placeholder, address.captures ?? []));
  }
  const compiled = compileMeaning(source, rawType);
  const { meaning, unit, numeric, valueType } = compiled;
  const deadband = compileDeadband(source, numeric);
  const write = compileWrite(source, compiled, rawType);
  const { description } = keys;
  const convert = converterOf(meaning);
  const shape = { type: rawType, kind: rawKind(rawType), limits: integerLimits(rawType) };
  const point = {
    name,
    ...(pattern.length > 0 && { pattern: true as const }),
    address: address.address,
    rawType,
    ...times,
    unit,
    valueType,
    description,
    convert,
    deadband,
    write,
    ...(write && { inverse: inverseOf(meaning, shape, convert) }),
    hash: hashOf([
      name,
      address.address,
      rawType,
      times.everyMs,
      times.staleAfterMs,
      times.atLeastEveryMs,
      unit,
      description,
      meaningKey(meaning),
      deadband?.width,
      write,
    ]),
  };
  return { point, meaning, keys, captures: address.captures ?? [] };
}

/** A name that nothing fills would stay as it is written. */
export function unknownPlaceholder(where: string, placeholder: string, known: readonly string[]): Finding {
  const list = known.length > 0 ? `it has ${known.map((name) => `{${name}}`).join(', ')}` : 'it has none';
  return {
    rule: 'unknown-placeholder',
    message: `${where} {${placeholder}} is filled by nothing; ${list}`,
    hint:
      known.length > 0
        ? `write {${nearest(placeholder, known) ?? known[0]}}, or put {${placeholder}} into the topic`
        : `put {${placeholder}} into the topic, or write a plain name`,
  };
}

/** Short, stable over restarts, equal for equal content. Objects must be built in one order, as the schemas do. */
export function hashOf(parts: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(parts, exactly), 'base64url');
}

const exactly = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
