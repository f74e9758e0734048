import { z } from 'zod';
import { priorities } from '../model/telemetry.ts';
import { duration, pointKeys } from './keys.ts';
import type { AdapterLanguage } from './language.ts';
import { withoutPlaceholders } from './patterns.ts';

/** Words of the mapping language that a later version will understand. They are answered, never called unknown. */
export const laterKeys: Readonly<Record<string, string>> = {
  type: 'machine types',
  title: 'machine types',
  source: 'machine types',
  adapter: 'machine types',
  instances: 'machine types',
  pointsFrom: 'points from a spreadsheet',
  computed: 'computed points',
  windows: 'windows over time',
  rules: 'rules',
  events: 'alarms and conditions of OPC UA',
  methods: 'methods of OPC UA',
};
export const laterPointKeys: Readonly<Record<string, string>> = { scaleFrom: 'a scale that the machine gives' };

/** Point names live in expressions, SQL columns, DTDL and topics. */
export const namePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const idPattern = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const levelPattern = /^[\p{L}\p{N}][\p{L}\p{N}_. -]*$/u;

const issue = (context: z.RefinementCtx, rule: string, message: string, hint: string): void =>
  context.addIssue({ code: 'custom', message, params: { rule, hint } });

const equipmentId = z.string().superRefine((id, context) => {
  if (!idPattern.test(withoutPlaceholders(id))) {
    issue(context, 'bad-name', `"${id}" is not an equipment id`, 'a letter, then letters, digits, - and _, at most 64 characters');
  }
});

const path = z.string().superRefine((written, context) => {
  const levels = withoutPlaceholders(written).split('/');
  const hint = 'write enterprise/site/area/line or enterprise/site/area/line/cell';
  if (levels.some((level) => level === '')) issue(context, 'bad-path', `"${written}" has an empty level`, hint);
  else if (levels.length > 5) issue(context, 'bad-path', `"${written}" has ${levels.length} levels; ISA-95 has at most 5 here`, hint);
  else {
    const wrong = levels.find((level) => !levelPattern.test(level) || level.length > 64);
    if (wrong !== undefined)
      issue(context, 'bad-path', `"${wrong}" cannot be a level of a path`, 'letters, digits, - _ . and spaces, at most 64 characters');
  }
});

/** One entry of `samples`. */
export const sample = z.strictObject({
  name: z.string().min(1).optional().describe('Where the numbers come from: manual p. 14, example 2'),
  given: z.record(z.string(), z.unknown()).describe('Raw values as the machine sends them, by address'),
  expect: z.record(z.string(), z.unknown()).describe('Point to the value that must come out; { value, quality, status } or bad, uncertain'),
});

const messageName = z.string().superRefine((name, context) => {
  if (!idPattern.test(name)) {
    issue(context, 'bad-name', `"${name}" is not a message name`, 'a letter, then letters, digits, - and _, at most 64 characters');
  }
});

/** One group of `telemetry`. */
export const message = z.strictObject({
  points: z.array(z.string().min(1)).min(1).describe('Names of points; motor_* stands for all that begin so'),
  every: duration({ min: 10, max: 86_400_000 }).optional().describe('Readings wait so long to leave together; each of them leaves'),
  priority: z.enum(priorities).default('telemetry').describe('How urgent it is'),
});

/** One piece of equipment. What depends on the adapter (connection, defaults, points) is checked with the adapter's own schemas. */
export const equipmentFile = z.strictObject({
  equipment: equipmentId.describe('Id of the machine, unique in this gateway'),
  path: path.optional().describe('ISA-95: enterprise/site/area/line[/cell]'),
  description: z.string().max(4000).optional().describe('Free text about the machine'),
  connection: z.looseObject({ adapter: z.string().describe('Protocol of the machine') }).describe('How the machine is reached'),
  defaults: z.record(z.string(), z.unknown()).optional().describe('Any point key; a point may override it, null takes it away'),
  points: z.record(z.string(), z.unknown()).describe('Point name to point'),
  telemetry: z
    .record(messageName, message)
    .optional()
    .describe('Groups readings into messages; what no group names leaves in a message of its own'),
  samples: z.array(sample).optional().describe('The mapping tests itself: raw values and what must come out'),
});
export type EquipmentFile = z.output<typeof equipmentFile>;
export type Sample = z.output<typeof sample>;

/** Keys that are text as written, though YAML reads a number: `at: 000101`, `unit: 1`. */
export const textKeys: ReadonlySet<string> = new Set(['at', 'unit', 'from', 'to']);

const schemas = new WeakMap<AdapterLanguage, z.ZodObject>();

/** All keys that a point of this adapter may have, none required. A key of the adapter wins over a common one of the same name. */
export function pointSchema(language: AdapterLanguage): z.ZodObject {
  const known = schemas.get(language);
  if (known) return known;
  const shape: Record<string, z.ZodType> = {};
  for (const [key, schema] of Object.entries({ ...pointKeys, ...language.point.shape })) shape[key] = (schema as z.ZodType).optional();
  const schema = z.strictObject(shape);
  schemas.set(language, schema);
  return schema;
}
