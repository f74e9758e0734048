import type { Connection } from '../../adapters/contract.ts';
import { sameValues } from '../../mappings/convert/inverse.ts';
import type { CompiledPoint, Converted } from '../../mappings/equipment.ts';
import { GatewayError } from '../../model/error.ts';
import type { Value } from '../../model/value.ts';
import { pause } from '../pause.ts';
import type { WriteTarget } from './contract.ts';

/** When it is looked again: a confirmation says "received", and some machines take a moment to show it. */
const confirmedMs = [0, 50, 150, 400] as const;
/** After an unknown outcome the link may have to come back first. */
const unknownMs = [0, 200, 800, 2_000] as const;

export interface ReadBack {
  /** Undefined: nothing good came. */
  readonly value: Value | undefined;
  /** It shows what was written, within the tolerance. */
  readonly matches: boolean;
  /** Why there is no value. */
  readonly reason: string | undefined;
}

/** Reads the point until it shows `wanted`, or, after an unknown outcome, until it shows anything. Never rejects. */
export async function readBack(
  target: WriteTarget,
  point: CompiledPoint,
  wanted: Value,
  outcome: 'done' | 'unknown',
  signal: AbortSignal,
): Promise<ReadBack> {
  let last: ReadBack = { value: undefined, matches: false, reason: 'the gateway is stopping' };
  for (const waitMs of outcome === 'done' ? confirmedMs : unknownMs) {
    if (waitMs > 0) await pause(waitMs, signal);
    if (signal.aborted) return last;
    last = await readOnce(target, point, wanted, signal);
    if (last.matches || (outcome === 'unknown' && last.value !== undefined)) return last;
  }
  return last;
}

async function readOnce(target: WriteTarget, point: CompiledPoint, wanted: Value, signal: AbortSignal): Promise<ReadBack> {
  try {
    const shows = await target.withConnection((connection) => readValue(connection, point, signal));
    if (shows.value === undefined) return { value: undefined, matches: false, reason: shows.reason };
    return { value: shows.value, matches: sameValues(shows.value, wanted, toleranceOf(point)), reason: undefined };
  } catch (error) {
    if (!(error instanceof GatewayError) && !signal.aborted)
      return { value: undefined, matches: false, reason: `reading failed (${String(error)})` };
    return { value: undefined, matches: false, reason: (error as Error).message };
  }
}

async function readValue(
  connection: Connection,
  point: CompiledPoint,
  signal: AbortSignal,
): Promise<{ value: Value | undefined; reason?: string }> {
  for (const batch of await connection.read([point], signal)) {
    for (let k = 0; k < batch.points.length; k++) {
      if (batch.points[k] !== 0) continue;
      const raw = batch.values[k];
      const state = batch.states?.[k];
      if (raw === undefined) return { value: undefined, reason: state?.reason ?? 'the machine gave no value' };
      const out: Converted = { value: undefined, type: undefined, quality: 'bad', state: undefined };
      const { value, state: found } = point.convert(raw, batch.types?.[k] ?? point.rawType, state, out);
      return value === undefined ? { value, reason: found?.reason ?? 'the value is bad' } : { value };
    }
  }
  return { value: undefined, reason: 'the machine gave no value' };
}

/** The deadband, or half of what the machine can hold between two values. */
export function toleranceOf({ deadband, inverse }: CompiledPoint): number {
  return Math.max(deadband?.width ?? 0, (inverse?.step ?? 0) / 2);
}
