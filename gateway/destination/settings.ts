import { z } from 'zod';
import { encodingNamed, encodings } from '../../encodings/encodings.ts';
import type { Claim, HubClientKind } from '../../hub-client/contract.ts';
import { suggestion } from '../../mappings/nearest.ts';
import { findingsOf, keysAt } from '../../mappings/yaml/issues.ts';
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

/** A problem: its place below the destination, `key` where the word itself is wrong. */
export interface DestinationProblem {
  readonly path: readonly (string | number)[];
  readonly which: 'key' | 'value';
  readonly message: string;
  readonly hint?: string;
}
type Report = (problem: DestinationProblem) => void;

/** Reads one destination as written in dragoman.yaml under `title` (`hub`, `destinations.floor`); undefined after problems were reported. */
export function parseDestination(
  name: string,
  title: string,
  written: Readonly<Record<string, unknown>>,
  report: Report,
): DestinationConfig | undefined {
  const { kind: word, ...rest } = written;
  const names = ['embedded', ...hubKinds.map((kind) => kind.name)];
  const kind = typeof word === 'string' ? (word === 'embedded' ? embedded : hubKindNamed(word)) : undefined;
  if (!kind) {
    const what = word === undefined ? 'it is missing' : `"${String(word)}" is no kind of hub`;
    report({ path: ['kind'], which: 'value', message: `${title}.kind: ${what}; there are ${names.join(', ')}` });
    return undefined;
  }
  const split = (own: boolean): Record<string, unknown> =>
    Object.fromEntries(Object.entries(rest).filter(([key]) => commonKeys.includes(key) === own));
  const shared = parsed(Common, split(true), title, [], report);
  const settings = parsed(kind.settings, split(false), title, [], report);
  if (!shared || settings === undefined) return undefined;
  const encoding = parseEncoding(shared.encoding, title, report);
  if (!encoding) return undefined;
  const refused = kind.refuses?.(settings, encodingNamed(encoding.name)!);
  if (refused !== undefined) {
    report({ path: ['encoding'], which: 'value', message: `${title}.encoding: ${refused}` });
    return undefined;
  }
  return { name, kind: kind.name, settings, encoding, select: shared.select, required: shared.required, pace: shared.pace };
}

const embedded: Pick<HubClientKind, 'name' | 'settings' | 'refuses'> = { name: 'embedded', settings: EmbeddedHub };

function parseEncoding(
  written: z.output<typeof Common>['encoding'],
  title: string,
  report: Report,
): DestinationConfig['encoding'] | undefined {
  const { name, ...own } = typeof written === 'string' ? { name: written } : written;
  const encoding = encodingNamed(name)!;
  const settings = parsed(encoding.settings, own, title, ['encoding'], report);
  return settings === undefined ? undefined : { name, settings };
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, title: string, at: readonly string[], report: Report): T | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => (says(issue) ? ({ ...issue, code: 'custom' } as z.core.$ZodIssue) : issue));
  for (const { path, which, rule, message, hint: own } of findingsOf(issues, value, schema, [title, ...at])) {
    const whole = [...at, ...path.filter((step) => typeof step !== 'symbol')];
    const unknown = rule === 'unknown-key';
    // A message begins with the last word of its path; an unknown key says itself what it is not a key of.
    const above = [title, ...whole.filter((step) => typeof step === 'string').slice(0, -1)].join('.');
    const hint = unknown && whole.length === 1 ? suggestion(String(whole[0]), [...keysAt(schema, []), ...commonKeys]) : own;
    report({
      path: whole,
      which,
      message: whole.length === 0 || unknown ? message : `${above}.${message}`,
      ...(hint !== undefined && { hint }),
    });
  }
  return undefined;
}

/** What a destination wants for itself although one before it, `owner`, has it. */
export interface Clash extends Claim {
  readonly name: string;
  readonly owner: string;
}

export function clashes(destinations: readonly DestinationConfig[], gateway: string): Clash[] {
  const taken = new Map<string, string>();
  const found: Clash[] = [];
  for (const { name, kind, settings } of destinations) {
    for (const claim of hubKindNamed(kind)?.claims?.(settings, gateway) ?? []) {
      const owner = taken.get(claim.what);
      if (owner === undefined) taken.set(claim.what, name);
      else found.push({ ...claim, name, owner });
    }
  }
  return found;
}

/** A wrong value of which the schema itself says why: better than any general text. */
const says = (issue: z.core.$ZodIssue): boolean => issue.code === 'invalid_value' && !issue.message.startsWith('Invalid');
