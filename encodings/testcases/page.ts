import { z } from 'zod';
import type { HubEvent, TelemetryReading } from '../../model/telemetry.ts';
import type { EncodedMessage, Encoding } from '../contract.ts';
import { encodings as listed } from '../encodings.ts';
import { decodePayload } from '../sparkplug/payload.ts';
import { textOf } from './decode.ts';
import { gap, noon, SamplePlant, sampleContext, telemetry } from './sample.ts';

const encodings = await Promise.all(listed.map((one) => one.load()));

/** docs/encodings.md, made of what the encodings say of themselves and do. */
export function page(): string {
  return [head, carried(), notes, ...encodings.map(section)].join('\n');
}

const head = `# Encodings

The form in which readings leave. Each destination has one; without a word it is \`cloudevents\`, which loses nothing:

\`\`\`yaml
destinations:
  history: { kind: azure, connectionString: { file: ./secrets/hub } }                # cloudevents
  board:   { kind: mqtt, url: mqtts://broker.local, topic: "{path}/{equipment}", encoding: flat }
  erp:     { kind: amqp, url: amqps://broker.local, address: readings, encoding: { name: csv, separator: semicolon, decimal: comma } }
\`\`\`

This page is made by a test from the encodings themselves (\`vitest run encodings/page.test.ts -u\`), so table and examples are what leaves.

## What each carries

With its default settings: ● yes, · no.
`;

const notes = `
A bad reading never gets a value, in no encoding. A record of a loss says how many readings were lost, from when to when, and why.

How much one message holds depends on the destination: as many events as fit (\`batch\`), one event of one machine (a topic or address that names the machine),
or one reading (a topic that names the point). What is too large for the hub is cut between readings, and the parts have ids \`ID\`, \`ID.1\`, \`ID.2\`;
the same readings sent again have the same ids. A reading on a topic of its own is retained where the form says when it was and that it is bad.
Compression is a setting of the hub, not of the encoding.
`;

function encode(encoding: Encoding, events: readonly HubEvent[], plant = new SamplePlant()): readonly EncodedMessage[] {
  return encoding.open(encoding.settings.parse({}), sampleContext(plant)).encode(events, { grain: 'batch', maxBodyBytes: 250_000 });
}

interface Aspect {
  readonly name: string;
  /** Two events that differ in nothing else. */
  readonly pair: readonly [HubEvent, HubEvent];
}

const reading = (rest: Partial<TelemetryReading>): TelemetryReading => ({ point: 'speed', value: 4.5, time: noon, ...rest });
const readings = (name: string, one: Partial<TelemetryReading>, other: Partial<TelemetryReading>): Aspect => ({
  name,
  pair: [telemetry(1, [reading(one)]), telemetry(1, [reading(other)])],
});
const events = (name: string, one: Partial<HubEvent>, other: Partial<HubEvent>): Aspect => ({
  name,
  pair: [{ ...telemetry(1, [reading({})]), ...one } as HubEvent, { ...telemetry(1, [reading({})]), ...other } as HubEvent],
});

const bad = { value: undefined as never, quality: 'bad', status: 'BadTimeout' } as const;

const aspects: readonly Aspect[] = [
  readings('value', {}, { value: 4.6 }),
  readings(
    'all digits of 64-bit integers',
    { value: '18446744073709551615', type: 'uint64' },
    { value: '18446744073709551614', type: 'uint64' },
  ),
  readings('all digits of decimals', { value: '90071992547409.93', type: 'decimal' }, { value: '90071992547409.931', type: 'decimal' }),
  readings('source time, ms', {}, { time: '2026-11-24T08:00:01.251Z' }),
  readings('source time, 100 ns', {}, { time: '2026-11-24T08:00:01.2500001Z' }),
  readings('gateway time', { received: '2026-11-24T08:00:02.000Z' }, { received: '2026-11-24T08:00:03.000Z' }),
  readings('unit (Cel)', {}, { unit: 'Cel' }),
  readings('unit (kW.h)', {}, { unit: 'kW.h' }),
  readings('a bad reading', bad, { ...bad, point: 'other' }),
  readings('uncertain', {}, { quality: 'uncertain', status: 'UncertainSubNormal' }),
  readings('name of the status', bad, { ...bad, status: 'BadSensorFailure' }),
  readings('reason', bad, { ...bad, reason: 'no answer within 1 s' }),
  readings('time of the last good one', bad, { ...bad, lastGood: noon }),
  { name: 'machine', pair: [telemetry(1, [reading({})]), telemetry(1, [reading({})], { equipment: 'mixer-2' })] },
  { name: 'path', pair: [telemetry(1, [reading({})]), telemetry(1, [reading({})], { path: 'candyco/york' })] },
  { name: 'name of the message', pair: [telemetry(1, [reading({})]), telemetry(1, [reading({})], { message: 'process' })] },
  events('priority', {}, { priority: 'alarm' }),
  events('id of the event', {}, { id: 'gw-leeds-1/8f3c/2' }),
  events('sequence (proves completeness)', {}, { sequence: '2' }),
  { name: 'record of a loss', pair: [gap(1), gap(1, { readings: 1 })] },
];

function carried(): string {
  const rows = aspects.map(({ name, pair: [one, other] }) => [
    name,
    ...encodings.map((encoding) => (bytesOf(encode(encoding, [one])) === bytesOf(encode(encoding, [other])) ? '·' : '●')),
  ]);
  const names = encodings.map(({ name }) => `[${name}](#${name})`);
  return table([['', ...names], ...rows]);
}

function bytesOf(messages: readonly EncodedMessage[]): string {
  return messages.map(({ body }) => Buffer.from(body).toString('base64')).join(' ');
}

function section(encoding: Encoding): string {
  const { name, summary, drops } = encoding;
  const messages = encode(encoding, example, examplePlant);
  const types = [...new Set(messages.map(({ contentType }) => `\`${contentType}\``))].join(', ');
  const lost = drops.length === 0 ? 'It drops nothing.' : `It drops:\n\n${drops.map((drop) => `- ${drop}.`).join('\n')}`;
  return `
## ${name}

${summary}. Content type: ${types}.

${lost}

${settingsTable(encoding)}
${messages.map(shown).join('\n')}`;
}

const example: readonly HubEvent[] = [
  telemetry(104233, [
    { point: 'jacket_temperature', value: 93.2, unit: 'Cel', time: noon },
    { point: 'batch_id', value: '1311768468603649775', type: 'uint64', time: noon },
    {
      point: 'motor_current',
      quality: 'bad',
      status: 'BadTimeout',
      reason: 'no answer within 1 s',
      lastGood: '2026-11-24T07:59:58.000Z',
      time: noon,
    },
  ]),
];

const examplePlant = new SamplePlant();
examplePlant.points = examplePlant.points.filter(({ name }) => ['jacket_temperature', 'motor_current', 'batch_id'].includes(name));

function shown(message: EncodedMessage): string {
  if (message.contentType === 'application/x-protobuf')
    return block('json', `${spread(decodePayload(message.body))}`, 'As a decoder shows it:\n\n');
  const text = textOf(message);
  return text.startsWith('{') || text.startsWith('[')
    ? block('json', spread(JSON.parse(text)))
    : block('csv', text.replaceAll('\r\n', '\n').trimEnd());
}

const block = (language: string, text: string, before = ''): string => `${before}\`\`\`${language}\n${text}\n\`\`\`\n`;

/** JSON over several lines, small things on one. */
function spread(value: unknown, indent = ''): string {
  const plain = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each));
  if (plain.length + indent.length <= 130 || typeof value !== 'object' || value === null)
    return plain.replaceAll('":', '": ').replaceAll(',"', ', "').replaceAll(',{', ', {');
  const inner = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((each) => inner + spread(each, inner))
    : Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${spread(each, inner)}`);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  return `${open}\n${items.join(',\n')}\n${indent}${close}`;
}

interface Property {
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly items?: Property;
}

function settingsTable({ settings }: Encoding): string {
  const { properties = {} } = z.toJSONSchema(settings, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, Property>;
  };
  const rows = Object.entries(properties).map(([key, property]) => [
    `\`${key}\``,
    allowed(property),
    property.default === undefined ? '' : `\`${Array.isArray(property.default) ? property.default.join(', ') : String(property.default)}\``,
    property.description ?? '',
  ]);
  return table([['setting', 'values', 'default', ''], ...rows]);
}

function allowed(property: Property): string {
  if (property.items) return `list of ${allowed(property.items)}`;
  if (property.enum) return property.enum.map((word) => `\`${word}\``).join(' ');
  if (property.type === 'boolean') return '`true` `false`';
  return property.type === 'string' ? 'text' : 'duration';
}

function table([header, ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(header!), line(header!.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
