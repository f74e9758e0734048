import type { Connection } from '../../adapters/contract.ts';
import type { CompiledEquipment } from '../../mappings/equipment.ts';
import { GatewayError } from '../../model/error.ts';
import type { Reading } from '../../model/reading.ts';
import type { SampleBatch } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { RawValue } from '../../model/value.ts';
import { onInterrupt } from '../interrupt.ts';
import { isoTime, isoTimeTicks } from '../iso-time.ts';
import { Pipeline } from '../pipeline.ts';
import { valueText } from '../reading-text.ts';
import { commandContext, quietLog, type Selected, type Selection, selectEquipment } from './selection.ts';
import { table } from './table.ts';

interface ReadPoint {
  readonly reading: Reading;
  readonly raw: RawValue | undefined;
  /** The reading as in the message, without `raw`. */
  readonly text: string;
}

/** `dragoman read`: exit code 1 when a machine did not answer at all. */
export async function read(paths: readonly string[], options: Selection): Promise<number> {
  const chosen = await selectEquipment(paths, options);
  if (!chosen) return 1;
  const signal = onInterrupt();
  const results = await Promise.all(chosen.map((one) => readOnce(one, options.data, signal)));
  if (options.json)
    process.stdout.write(
      `[${results.flatMap((result, n) => result.points.map((point) => withRaw(point, chosen.length > 1 ? chosen[n]!.equipment.id : undefined))).join(',\n')}]\n`,
    );
  else for (const [n, result] of results.entries()) print(chosen[n]!.equipment, result.points);
  for (const { failure } of results) if (failure) process.stderr.write(`${failure}\n`);
  return results.every((result) => result.answered) ? 0 : 1;
}

async function readOnce(
  { equipment, adapter }: Selected,
  data: string,
  signal: AbortSignal,
): Promise<{ points: ReadPoint[]; answered: boolean; failure: string | undefined }> {
  const texts = new Map<number, string>();
  const pipeline = new Pipeline(equipment, { add: (text, _, index) => texts.set(index, text), settle() {}, lost() {} });
  const raws: (RawValue | undefined)[] = [];
  let failure: string | undefined;
  try {
    const runtime = await adapter.load();
    await using connection: Connection = await runtime.connect(equipment.settings, commandContext(equipment, data, quietLog), signal);
    for (const batch of await connection.read(equipment.points, signal)) {
      noteRaw(batch, raws);
      pipeline.accept(batch);
    }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    pipeline.linkLost({ status: statuses.BadNotConnected, reason: error.message });
    failure = `${equipment.id}: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`;
  }
  const points = equipment.points.flatMap((_, index) => {
    const reading = pipeline.states.reading(index);
    return reading ? [{ reading, raw: raws[index], text: texts.get(index) ?? '' }] : [];
  });
  // A machine that refuses single points has answered; one that answers none of them has not.
  const answered = failure === undefined && points.some(({ raw }) => raw !== undefined);
  return { points, answered, failure: failure ?? (answered ? undefined : `${equipment.id}: did not answer`) };
}

function noteRaw(batch: SampleBatch, raws: (RawValue | undefined)[]): void {
  for (let k = 0; k < batch.points.length; k++) raws[batch.points[k]!] = batch.values[k];
}

function withRaw({ text, raw }: ReadPoint, equipment: string | undefined): string {
  const extra = `${equipment === undefined ? '' : `,"equipment":${JSON.stringify(equipment)}`}${raw === undefined ? '' : `,"raw":${rawJson(raw)}`}`;
  return `${text.slice(0, -1)}${extra}}`;
}

function rawJson(raw: RawValue): string {
  if (raw instanceof Uint8Array) return JSON.stringify(Buffer.from(raw).toString('hex'));
  // JSON has no word for what a float may be.
  if (typeof raw === 'number' && !Number.isFinite(raw)) return `"${raw}"`;
  return valueText(raw as Exclude<RawValue, Uint8Array>);
}

function print(equipment: CompiledEquipment, points: readonly ReadPoint[]): void {
  process.stdout.write(`${equipment.id}${equipment.path ? `  ${equipment.path}` : ''}\n`);
  if (points.length === 0) return;
  const rows = points.map(({ reading, raw }) => [
    `  ${reading.point}`,
    raw === undefined ? '-' : rawJson(raw),
    reading.value === undefined ? '-' : shown(reading.value),
    reading.unit ?? '',
    reading.quality,
    timeOf(reading),
    reading.quality === 'good' ? '' : `${reading.status}${reading.reason ? `: ${reading.reason}` : ''}`,
  ]);
  process.stdout.write(`${table(['  point', 'raw', 'value', 'unit', 'quality', 'time', ''], rows)}\n\n`);
}

/** Without the quotes that only JSON needs. */
export function shown(value: NonNullable<Reading['value']>): string {
  return typeof value === 'string' || typeof value === 'bigint' ? String(value) : valueText(value);
}

export function timeOf(reading: Reading): string {
  return reading.sourceTicks ? isoTimeTicks(reading.sourceTimeMs, reading.sourceTicks) : isoTime(reading.sourceTimeMs);
}
