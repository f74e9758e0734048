import { z } from 'zod';
import { type ByteOrder, byteOrders, type ModbusType, modbusTypes } from '../registers/types.ts';
import { type BodyFormat, bodyFormats } from './contract.ts';

/** Types a point may ask for: those of registers (the only ones of a binary body), and what text and JSON can say beside them. */
export const payloadTypes = [...modbusTypes, 'decimal', 'datetime'] as const;
export type PayloadType = ModbusType | 'decimal' | 'datetime';

/** A scalar that `when` compares with. */
export type WhenValue = string | number | boolean | bigint;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.bigint()]).meta({ json: { type: ['string', 'number', 'boolean'] } });

/**
 * The point keys of every adapter whose machines send messages: spread them into the adapter's `point` schema. An adapter may rename or
 * restrict `body`; see `PayloadOptions`. The place within a binary body is `at: byte 4`: `offset` is the common key that is added to a value.
 */
export const payloadPointKeys = {
  body: z.enum(bodyFormats).optional().describe('How the body is written: json (default), text, csv, binary, xml'),
  type: z
    .enum(payloadTypes)
    .optional()
    .describe('Type of the value. Binary needs one; elsewhere it converts and checks: int64 also takes a text of digits'),
  byteOrder: z
    .enum(byteOrders)
    .optional()
    .describe(
      'Binary: order in which the bytes arrive, A the most significant: ABCD (default, big endian), DCBA (little endian), CDAB, BADC',
    ),
  length: z.int().min(1).max(65_536).optional().describe('Binary: bytes of a text or of bytes, elements of an array, registers of mod10k'),
  time: z.string().max(4096).optional().describe('Where the source time is, in the notation of at; left out: what the protocol carries'),
  timeFormat: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe(
      'iso (ISO 8601), s, ms, us, ns (since 1970), a datetime type of registers, or a pattern: dd.MM.yyyy HH:mm:ss. Left out: ISO 8601 or since 1970',
    ),
  timeZone: z.string().max(64).optional().describe('IANA zone of times that name none: Europe/Berlin. Left out: UTC'),
  when: z
    .record(z.string().min(1), z.union([scalar, z.array(scalar).min(1)]))
    .optional()
    .meta({ expects: 'a group such as { kind: temperature }' })
    .describe('Only messages that carry this: property name, or a place as in at, and its value or values; all must match'),
  missing: z.enum(['bad', 'keep']).optional().describe('A message without the place: bad reading that says so (default), or keep what was'),
  separator: z.string().min(1).max(1).optional().describe('csv: between two columns; default a comma, a semicolon with decimal: ","'),
  decimal: z.enum(['.', ',']).optional().describe('csv, text and xml: what stands before the decimals; default a point'),
  header: z.boolean().optional().describe('csv: the first row names the columns; default true where a column is named'),
  match: z.string().min(1).max(200).optional().describe('text: regular expression; its one group ( ) is the value'),
} as const;

/** The keys as parsed. */
export interface PayloadKeys {
  readonly body?: BodyFormat;
  readonly type?: PayloadType;
  readonly byteOrder?: ByteOrder;
  readonly length?: number;
  readonly time?: string;
  readonly timeFormat?: string;
  readonly timeZone?: string;
  readonly when?: Readonly<Record<string, WhenValue | readonly WhenValue[]>>;
  readonly missing?: 'bad' | 'keep';
  readonly separator?: string;
  readonly decimal?: '.' | ',';
  readonly header?: boolean;
  readonly match?: string;
}
