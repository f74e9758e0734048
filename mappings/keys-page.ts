import { z } from 'zod';
import { type JsonSchema, writtenSchema } from './json-schema.ts';
import { pointKeys } from './keys.ts';
import type { AdapterLanguage } from './language.ts';
import { equipmentFile, message, sample } from './schema.ts';

/** All keys of a mapping file as Markdown tables, from the schemas that check them. */
export function keysPage(languages: readonly AdapterLanguage[]): string {
  const common = z.strictObject(Object.fromEntries(Object.entries(pointKeys).map(([key, schema]) => [key, schema.optional()])));
  const chapters = languages.flatMap((language) => [
    `## ${language.name}`,
    `${language.summary}.`,
    '### connection',
    table(writtenSchema(language.connection)),
    '### Own keys of a point',
    table(writtenSchema(language.point)),
  ]);
  return `${[
    '# The keys of a mapping',
    'Generated from the schemas that check them. What they mean together is told in the README of the folder `mappings`.',
    '## A piece of equipment',
    table(writtenSchema(equipmentFile)),
    '### telemetry',
    'Name of a message to its group; each reading leaves in one message.',
    '```yaml\ntelemetry:\n  process: { points: [temperature, speed], every: 10s }\n  alarms: { points: ["*_overload"], priority: alarm }\n```',
    table(writtenSchema(message)),
    '### samples',
    table(writtenSchema(sample)),
    '## Every point',
    table(writtenSchema(common)),
    '### write',
    table(writtenSchema(pointKeys.write)),
    ...chapters,
  ].join('\n\n')}\n`;
}

function table(schema: JsonSchema): string {
  const required = new Set(schema.required);
  const rows = Object.entries(schema.properties ?? {}).map(([key, value]) => {
    const notes = [
      value.description ?? '',
      required.has(key) ? 'Required' : '',
      value.default === undefined ? '' : `Default ${code(value.default)}`,
    ];
    const meaning = notes
      .filter((note) => note !== '')
      .map((note) => note.replace(/[.]$/, ''))
      .join('. ');
    return `| \`${key}\` | ${cell(formOf(value))} | ${cell(meaning)} |`;
  });
  return ['| key | form | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (value: unknown): string => (typeof value === 'object' ? `\`${JSON.stringify(value)}\`` : `\`${value}\``);

/** What stands behind the colon, in a few words. */
function formOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum) return schema.enum.map(code).join(', ');
  if (schema.anyOf) return [...new Set(schema.anyOf.map(formOf))].join(' or ');
  if (schema.pattern?.includes('ms|s|m|h|d')) return 'duration';
  if (schema.properties)
    return `group: ${Object.keys(schema.properties)
      .map((key) => `\`${key}\``)
      .join(', ')}`;
  switch (schema.type) {
    case 'string':
      return 'text';
    case 'integer':
      return `whole number${limits(schema)}`;
    case 'number':
      return `number${limits(schema)}`;
    case 'boolean':
      return 'true, false';
    case 'array':
      return Array.isArray(schema.items) ? `[${schema.items.map(formOf).join(', ')}]` : `list of ${formOf(schema.items ?? {})}`;
    case 'object':
      return 'group';
    default:
      return Array.isArray(schema.type) ? schema.type.map((type) => formOf({ type })).join(' or ') : 'anything';
  }
}

function limits({ minimum, maximum }: JsonSchema): string {
  const known = (bound: number | undefined): boolean => bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  if (known(minimum) && known(maximum)) return ` ${minimum} to ${maximum}`;
  return known(minimum) ? ` from ${minimum}` : known(maximum) ? ` to ${maximum}` : '';
}
