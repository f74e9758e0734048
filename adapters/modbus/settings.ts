import { z } from 'zod';
import { duration } from '../../mappings/connection-keys.ts';
import { maxBitsPerRead, maxRegistersPerRead } from './types.ts';

export const framings = ['tcp', 'rtu', 'rtu-over-tcp', 'ascii'] as const;
export type Framing = (typeof framings)[number];

export const addressings = ['protocol', 'one-based', 'modicon'] as const;
export type Addressing = (typeof addressings)[number];

const refuse = (context: z.RefinementCtx, rule: string, message: string, hint?: string, path?: string[]): void =>
  context.addIssue({ code: 'custom', message, params: { rule, hint }, ...(path && { path }) });

/** A whole number between two limits, whose breach has its own rule. */
function whole(rule: string, min: number, max: number, what: string, hint?: string) {
  return z
    .int()
    .superRefine((n, context) => {
      if (n < min || n > max) refuse(context, rule, `${n} is not ${what}; it must be ${min} to ${max}`, hint);
    })
    .meta({ minimum: min, maximum: max });
}

export const unitId = whole('unit-id', 0, 255, 'a unit id', 'Unit ids of machines on a serial line are 1 to 247');

const serial = z.strictObject({
  path: z.string().min(1).describe('Device of the serial line: /dev/ttyUSB0, or better a path under /dev/serial/by-id'),
  baudRate: whole('baud-rate', 110, 4_000_000, 'a baud rate')
    .default(19200)
    .describe('Bits per second; the standard says 19200, many machines have 9600'),
  parity: z.enum(['none', 'even', 'odd']).default('even').describe('The standard says even; many machines have none'),
  dataBits: z
    .union([z.literal(7), z.literal(8)])
    .default(8)
    .describe('8, or 7 for ASCII'),
  stopBits: z
    .union([z.literal(1), z.literal(2)])
    .default(1)
    .describe('1; the standard asks for 2 where parity is none'),
});

const functionCodes = z
  .strictObject({
    coil: z
      .union([z.literal(1), z.literal(2)])
      .default(1)
      .describe('Reads coils: 1'),
    discrete: z
      .union([z.literal(2), z.literal(1)])
      .default(2)
      .describe('Reads discrete inputs: 2'),
    holding: z
      .union([z.literal(3), z.literal(4)])
      .default(3)
      .describe('Reads holding registers: 3, or 4 for machines that mirror them'),
    input: z
      .union([z.literal(4), z.literal(3)])
      .default(4)
      .describe('Reads input registers: 4, or 3 for machines that mirror them'),
    write: z
      .enum(['auto', 'single', 'multiple'])
      .default('auto')
      .describe('auto: 5 and 6 for one, 15 and 16 for several; single or multiple forces one kind'),
  })
  .prefault({});

const written = z.strictObject({
  host: z.string().min(1).optional().describe('Host name or IP address of the machine or serial gateway'),
  port: whole('port', 1, 65535, 'a TCP port').default(502).describe('TCP port'),
  serial: serial.optional().describe('The serial line, in place of host'),
  framing: z.enum(framings).optional().describe('How requests travel; tcp with host, rtu with serial unless said'),
  unitId: unitId.default(1).describe('Unit id of the machine; behind a gateway its address on the serial line'),
  timeout: duration(10, 300_000).prefault('1s').describe('Time for one answer; longer than the one a serial gateway allows its machines'),
  addressing: z.enum(addressings).optional().describe('How numbers in at are meant: protocol (zero-based, default), one-based, modicon'),
  maxRegisters: whole('quantity-limit', 1, maxRegistersPerRead, 'a number of registers that one request can carry')
    .default(maxRegistersPerRead)
    .describe('Most registers in one request, where the machine allows less than 125'),
  maxBits: whole('quantity-limit', 1, maxBitsPerRead, 'a number of bits that one request can carry')
    .default(maxBitsPerRead)
    .describe('Most coils or discrete inputs in one request'),
  maxGap: whole('quantity-limit', 0, maxRegistersPerRead - 1, 'a gap that fits a request')
    .default(0)
    .describe('Unwanted registers that may be read over to save a request; many machines refuse a request that touches an unmapped one'),
  maxInFlight: whole('quantity-limit', 1, 16, 'a number of requests in flight')
    .default(1)
    .describe('Requests that may wait for their answers at once; only over tcp, and only if the machine allows it'),
  pauseBetweenRequests: duration(0, 60_000).prefault('0ms').describe('Rest between an answer and the next request'),
  pauseAfterConnect: duration(0, 60_000).prefault('0ms').describe('Rest between connecting and the first request'),
  oneRequestPerPoint: z.boolean().default(false).describe('Never joins points into one request'),
  functionCodes: functionCodes.describe('Function codes where the machine wants others'),
  unitIdCheck: z
    .enum(['strict', 'ignore'])
    .default('strict')
    .describe('ignore: takes answers that carry another unit id than was asked (tcp only)'),
});

type Written = z.output<typeof written>;

/** The connection block, decided: exactly one of `host` and `serial`, durations in milliseconds. */
export interface ModbusSettings extends Omit<Written, 'framing'> {
  readonly framing: Framing;
}

export const modbusConnection: z.ZodType<ModbusSettings> = written
  .superRefine(contradictions)
  .transform((settings): ModbusSettings => ({ ...settings, framing: framingOf(settings) }));

function framingOf(settings: Written): Framing {
  return settings.framing ?? (settings.serial ? 'rtu' : 'tcp');
}

function contradictions(settings: Written, context: z.RefinementCtx): void {
  const { host, serial: line } = settings;
  const framing = framingOf(settings);
  if (host !== undefined && line) {
    refuse(context, 'host-or-serial', 'host and serial are both given', 'Keep the one that the machine is wired to', ['host']);
  }
  if (host === undefined && !line) {
    refuse(context, 'host-or-serial', 'neither host nor serial is given', 'Write host: 10.20.0.31, or serial: { path: /dev/ttyUSB0 }');
  }
  if (line && (framing === 'tcp' || framing === 'rtu-over-tcp')) {
    refuse(context, 'framing', `framing ${framing} does not travel over a serial line`, 'Write rtu or ascii, or leave framing out', [
      'framing',
    ]);
  }
  if (!line && framing === 'rtu') {
    refuse(context, 'framing', 'framing rtu needs a serial line', 'Through a transparent serial server write framing: rtu-over-tcp', [
      'framing',
    ]);
  }
  if (line && framing === 'rtu' && line.dataBits === 7) {
    refuse(context, 'framing', 'RTU needs 8 data bits', 'Write dataBits: 8, or framing: ascii', ['serial', 'dataBits']);
  }
  if (framing !== 'tcp' && (settings.unitId < 1 || settings.unitId > 247)) {
    const why = settings.unitId === 0 ? 'is the broadcast, which nobody answers' : 'is reserved on a serial line';
    refuse(context, 'unit-id', `unit id ${settings.unitId} ${why}`, 'Write the address set at the machine, 1 to 247', ['unitId']);
  }
  if (framing !== 'tcp' && settings.maxInFlight > 1) {
    refuse(
      context,
      'framing',
      `maxInFlight ${settings.maxInFlight} with framing ${framing}: a serial line carries one request at a time`,
      'Leave maxInFlight out',
      ['maxInFlight'],
    );
  }
  if (framing !== 'tcp' && settings.unitIdCheck === 'ignore') {
    refuse(
      context,
      'framing',
      `unitIdCheck: ignore with framing ${framing} would take the answers of other machines`,
      'Leave unitIdCheck out',
      ['unitIdCheck'],
    );
  }
}

/** `10.20.0.31:502` or `/dev/ttyUSB0`: the wire, and where people look for the machine. */
export function wireName(settings: Pick<ModbusSettings, 'host' | 'port' | 'serial'>): string {
  if (settings.serial) return settings.serial.path;
  const host = settings.host ?? '';
  return host.includes(':') ? `[${host}]:${settings.port}` : `${host}:${settings.port}`;
}
