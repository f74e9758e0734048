import type { Connection, WriteResult } from '../../../adapters/contract.ts';
import type { CompiledPoint } from '../../../mappings/equipment.ts';
import { compileMapping } from '../../../mappings/load.ts';
import { NotConnectedError } from '../../../model/error.ts';
import type { Reading } from '../../../model/reading.ts';
import type { RawValue, Value } from '../../../model/value.ts';
import { testLanguage } from '../../../test/support/test-language.ts';
import type { AuditRecord } from '../../audit/entry.ts';
import type { WriteTargets } from '../contract.ts';

const mapping = `
equipment: cooker-1
connection: { adapter: test, host: a }
points:
  jacket: { at: cell 1, type: float32 }
  state: { at: cell 2, type: uint16, enum: { 0: stopped, 1: running } }
  setpoint:
    at: cell 3
    type: int16
    scale: 0.1
    write: { min: 40, max: 120, maxStep: 10, atMostEvery: 5s, onlyWhen: state == "running" and jacket < 130, readBack: true, expires: 30s }
  free: { at: cell 4, type: int16, scale: 0.1, write: { } }
  shown: { at: cell 5, type: int16, deadband: 2, write: { readBack: true } }
  mode: { at: cell 6, type: uint16, enum: { 0: manual, 1: auto }, write: { } }
  batch: { at: cell 7, type: uint64, write: { } }
  steps: { at: cell 8, type: float32, write: { maxStep: 10 } }
`;

/** A machine in memory whose readings, answers and failures a test sets. */
export class FakeMachine implements WriteTargets {
  readonly points: readonly CompiledPoint[];
  readonly readings = new Map<string, Reading>();
  /** What the machine holds, raw. */
  readonly cells = new Map<string, RawValue>();
  readonly sent: [point: string, raw: RawValue][] = [];
  readonly audited: AuditRecord[] = [];
  connected = true;
  /** Instead of taking the value and confirming. */
  behave: ((point: string, raw: RawValue, signal: AbortSignal) => Promise<WriteResult>) | undefined;
  auditFails = false;

  constructor() {
    const { equipment, problems } = compileMapping('cooker.yaml', mapping, [testLanguage]);
    if (!equipment[0]) throw new Error(JSON.stringify(problems));
    this.points = equipment[0].points;
    this.show('state', 'running');
    this.show('jacket', 93.2);
    this.show('setpoint', 80);
    this.show('steps', 50);
  }

  show(point: string, value: Value | undefined, over: Partial<Reading> = {}): void {
    const now = Date.now();
    const bad = { quality: 'bad', status: 'BadTimeout', reason: 'no answer within 1 s' } as const;
    this.readings.set(point, {
      point,
      ...(value === undefined ? bad : { value, quality: 'good', status: 'Good' }),
      sourceTimeMs: now,
      receivedMs: now,
      ...over,
    });
  }

  ids(): readonly string[] {
    return ['cooker-1'];
  }

  find(equipment: string) {
    if (equipment !== 'cooker-1') return undefined;
    return {
      points: this.points,
      reading: (point: string) => this.readings.get(point),
      withConnection: async <T>(use: (connection: Connection) => Promise<T>): Promise<T> => {
        if (!this.connected) throw new NotConnectedError('gone', 'cooker-1 is not connected', { retry: 'with-backoff' });
        return use(this.#connection());
      },
    };
  }

  get audit() {
    return {
      append: async (record: AuditRecord): Promise<void> => {
        if (this.auditFails) throw new Error('disk full');
        this.audited.push(record);
      },
    };
  }

  #connection(): Connection {
    return {
      observe: () => {
        throw new Error('not here');
      },
      read: async ([point]) => {
        const raw = this.cells.get(point!.name);
        return [{ receivedMs: Date.now(), points: [0], values: [raw] }];
      },
      write: async ({ name }, raw, signal) => {
        this.sent.push([name, raw]);
        if (this.behave) return this.behave(name, raw, signal);
        this.cells.set(name, raw);
        return { outcome: 'done' };
      },
      counters: () => ({}),
      [Symbol.asyncDispose]: async () => {},
    };
  }
}
