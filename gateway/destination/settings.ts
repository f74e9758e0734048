import { z } from 'zod';
import { encodings } from '../../encodings/encodings.ts';
import type { HubClientKind } from '../../hub-client/contract.ts';
import { hubKindNamed, hubKinds } from '../hub-kinds.ts';
import { Selection } from './selection.ts';

const encodingNames = encodings.map(({ name }) => name) as [string, ...string[]];

const servicePort = z.union([z.int().min(0).max(65535), z.literal(false)], { error: 'a port, 0 for a free one, or false' });

/** Settings of the hub that the gateway brings itself. */
export const EmbeddedHub = z.strictObject({
  data: z.string().default('./data/hub').describe('Folder of the embedded hub'),
  port: z.int().min(0).max(65535).default(8883).describe('Its MQTT port; 0 takes a free one'),
  https: servicePort.default(0).describe('Port of its REST API, for dragoman hub twin and for services; 0 takes a free one, false: none'),
  amqp: servicePort.default(false).describe('Port of its AMQP side, for services; 0 takes a free one, false: none'),
  policies: z.string().min(1).optional().describe('File with shared access policies and keys, for set-ups that can be repeated'),
  compression: z.enum(['none', 'zstd']).default('none'),
});
export type EmbeddedHub = z.output<typeof EmbeddedHub>;

/** What every destination may say beside the settings of its kind. */
const common = {
  select: Selection.optional().describe('What it gets; without it everything'),
  encoding: z
    .union([z.enum(encodingNames), z.looseObject({ name: z.enum(encodingNames) })], {
      error: `one of ${encodingNames.join(', ')}, or { name: …, and its settings }`,
    })
    .default('cloudevents')
    .describe('Form in which readings leave'),
  required: z.boolean().default(true).describe('Readings are kept until it has them, within size and age of the outbox'),
  pace: z.int().min(1).max(100_000_000).optional().describe('At most so many readings a second'),
};
const commonKeys = Object.keys(common);
const Common = z.strictObject(common);

export interface DestinationConfig {
  readonly name: string;
  readonly kind: string;
  /** As the kind's schema gives them. */
  readonly settings: unknown;
  readonly select: Selection | undefined;
  readonly encoding: { readonly name: string; readonly settings: unknown };
  readonly required: boolean;
  readonly pace: number | undefined;
}

export type ReportAt = (path: readonly (string | number)[], message: string) => void;

/** Reads one destination as written in dragoman.yaml; undefined after problems were reported, each with its path below the destination. */
export function parseDestination(
  name: string,
  written: Readonly<Record<string, unknown>>,
  report: ReportAt,
): DestinationConfig | undefined {
  const { kind: word, ...rest } = written;
  const names = ['embedded', ...hubKinds.map((kind) => kind.name)];
  const kind = typeof word === 'string' ? (word === 'embedded' ? embedded : hubKindNamed(word)) : undefined;
  if (!kind) {
    report(
      ['kind'],
      `kind: ${word === undefined ? 'it is missing' : `"${String(word)}" is no kind of hub`}; there are ${names.join(', ')}`,
    );
    return undefined;
  }
  const split = (own: boolean): Record<string, unknown> =>
    Object.fromEntries(Object.entries(rest).filter(([key]) => commonKeys.includes(key) === own));
  const shared = parsed(Common, split(true), [], report);
  const settings = parsed(kind.settings, split(false), [], report);
  if (!shared || settings === undefined) return undefined;
  const encoding = parseEncoding(shared.encoding, report);
  if (!encoding) return undefined;
  return { name, kind: kind.name, settings, encoding, select: shared.select, required: shared.required, pace: shared.pace };
}

const embedded: Pick<HubClientKind, 'name' | 'settings'> = { name: 'embedded', settings: EmbeddedHub };

function parseEncoding(written: z.output<typeof Common>['encoding'], report: ReportAt): DestinationConfig['encoding'] | undefined {
  const { name, ...own } = typeof written === 'string' ? { name: written } : written;
  const encoding = encodings.find((one) => one.name === name)!;
  const settings = parsed(encoding.settings, own, ['encoding'], report);
  return settings === undefined ? undefined : { name, settings };
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, at: readonly string[], report: ReportAt): T | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const path = [...at, ...issue.path.filter((key) => typeof key !== 'symbol')];
    report(path, `${path.length > 0 ? `${path.join('.')}: ` : ''}${issue.message}`);
  }
  return undefined;
}
