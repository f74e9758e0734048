import type { TwinObject } from '../../twin/section.ts';
import type { Findings, Keys } from './findings.ts';

/** The service once kept texts of 512 bytes; writers cut there to this day. */
const chunkLength = 512;
const mostChunks = 100;
const partKey = /^createoptions(\d\d)?$/i;

export const isCreateOptionsKey = (key: string): boolean => partKey.test(key);

/**
 * Docker's ContainerCreate body out of `createOptions`, `createOptions01` … `createOptions99`: joined in order, parsed. Missing, empty and
 * `null` are `{}`; an object in place of the text is taken as it is.
 */
export function readCreateOptions(settings: Readonly<Record<string, unknown>>, keys: Keys, findings: Findings): TwinObject | undefined {
  const parts: { readonly key: string; readonly text: unknown }[] = [];
  for (const key of Object.keys(settings)) {
    const match = partKey.exec(key);
    if (!match) continue;
    const number = match[1] === undefined ? 0 : Number(match[1]);
    if (parts[number]) {
      findings.error([...keys, key], 'duplicate-key', `${key} and ${parts[number].key} are the same part`, 'leave one of them out', 'key');
      return undefined;
    }
    parts[number] = { key, text: settings[key] };
  }
  for (let number = 0; number < parts.length; number++) {
    if (parts[number]) continue;
    const missing = partName(number);
    const hint = 'parts are numbered without a gap: createOptions, createOptions01, createOptions02, …';
    findings.error(keys, 'missing-key', `${missing} is missing, and ${parts.at(-1)!.key} is there`, hint);
    return undefined;
  }
  const [first] = parts;
  if (!first) return {};
  if (parts.length === 1 && isObject(first.text)) return first.text as TwinObject;
  if (parts.length === 1 && first.text === null) return {};
  for (const { key, text } of parts) {
    if (typeof text === 'string') continue;
    findings.error([...keys, key], 'wrong-type', `${key}: the JSON text of Docker's create options is expected`, 'put it in quotes');
    return undefined;
  }
  return parse(parts.map(({ text }) => text as string).join(''), [...keys, first.key], findings);
}

function parse(text: string, keys: Keys, findings: Findings): TwinObject | undefined {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (value === null) return {};
    if (isObject(value)) return value as TwinObject;
    findings.error(keys, 'create-options', 'createOptions: a JSON object is expected', 'write {} for none');
  } catch (error) {
    const hint = 'it is JSON inside a JSON text: inner quotes are written \\"';
    findings.error(keys, 'create-options', `createOptions: ${(error as Error).message}`, hint);
  }
  return undefined;
}

/** The keys to write for these options, cut at 512 characters. */
export function writeCreateOptions(options: TwinObject): Readonly<Record<string, string>> {
  const text = JSON.stringify(options);
  const parts: Record<string, string> = {};
  for (let number = 0; number * chunkLength < text.length || number === 0; number++) {
    if (number >= mostChunks) throw new RangeError(`create options of ${text.length} characters do not fit into ${mostChunks} parts`);
    parts[partName(number)] = text.slice(number * chunkLength, (number + 1) * chunkLength);
  }
  return parts;
}

const partName = (number: number): string => (number === 0 ? 'createOptions' : `createOptions${String(number).padStart(2, '0')}`);

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
