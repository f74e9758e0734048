import { hash } from 'node:crypto';
import { converterOf } from '../convert/converter.ts';
import type { Meaning } from '../convert/meaning.ts';
import { meaningKey } from '../convert/meaning.ts';
import type { CompiledPoint } from '../equipment.ts';
import type { PointKeys } from '../keys.ts';
import type { AdapterLanguage } from '../language.ts';
import { compileDeadband } from './deadband.ts';
import { compileMeaning } from './meaning.ts';
import type { PointContext } from './point-source.ts';
import { compileTimes } from './times.ts';
import { compileWrite } from './write-guard.ts';

/** A point and what its samples need to explain themselves. */
export interface PointDraft {
  readonly point: CompiledPoint;
  readonly meaning: Meaning;
  readonly keys: PointKeys;
}

/** One point. Undefined when it has no address; other problems are reported and the point is still made, so that more can be found. */
export function compilePoint(
  source: PointContext,
  own: Readonly<Record<string, unknown>>,
  language: AdapterLanguage,
  settings: unknown,
): PointDraft | undefined {
  const { name, keys } = source;
  const times = compileTimes(source);
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
  const compiled = compileMeaning(source, rawType);
  const { meaning, unit, numeric } = compiled;
  const deadband = compileDeadband(source, numeric);
  const write = compileWrite(source, compiled, rawType);
  const { description } = keys;
  const point = {
    name,
    address: address.address,
    rawType,
    ...times,
    unit,
    description,
    convert: converterOf(meaning),
    deadband,
    write,
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
  return { point, meaning, keys };
}

/** Short, stable over restarts, equal for equal content. Objects must be built in one order, as the schemas do. */
export function hashOf(parts: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(parts, exactly), 'base64url');
}

const exactly = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
