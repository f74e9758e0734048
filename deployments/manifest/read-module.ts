import { z } from 'zod';
import { suggestion } from '../../mappings/nearest.ts';
import type { ModuleSpec } from '../contract.ts';
import { isCreateOptionsKey, readCreateOptions } from './create-options.ts';
import type { Findings, Keys } from './findings.ts';
import { readImage } from './image.ts';

/** Last of all. */
export const lastOrder = 4_294_967_295;

const text = z.string();
const order = z.int().min(0).max(lastOrder);
const common = {
  type: z.literal('docker', { error: 'only docker is known' }),
  settings: z.looseObject({ image: text }),
  env: z.record(text, z.looseObject({ value: z.union([text, z.number(), z.boolean()]) })).optional(),
  imagePullPolicy: z.enum(['on-create', 'never']).default('on-create'),
  startupOrder: order.default(lastOrder),
  version: text.default(''),
  status: z.enum(['running', 'stopped']).default('running'),
  restartPolicy: z.enum(['never', 'on-failure', 'on-unhealthy', 'always']).default('on-unhealthy'),
};
const Module = z.looseObject(common);

const settingKeys = ['image', 'createOptions', 'digest'];

/** Names as identities may have them. */
const moduleName = /^[A-Za-z0-9\-:.+%_#*?!(),=@;']{1,128}$/;

/** One module as the manifest has it, or undefined when that cannot be run. `environment` is for images that begin with a variable. */
export function readModule(
  name: string,
  value: unknown,
  keys: Keys,
  findings: Findings,
  environment: Readonly<Record<string, string | undefined>>,
): ModuleSpec | undefined {
  if (!moduleName.test(name) || /^[.\s]/.test(name)) {
    const hint = 'letters, digits and -_.:+ are safe, at most 128';
    findings.error(keys, 'bad-name', `"${name.slice(0, 140)}" cannot be the name of a module`, hint, 'key');
    return undefined;
  }
  // An object with a key that a person mistyped looks as if that were missing: both are said.
  unknownKeys(value, Object.keys(common), keys, findings);
  const found = findings.check(value, Module, keys);
  const settings = settingsOf(value);
  const at = [...keys, 'settings'];
  if (settings) unknownKeys(settings, settingKeys, at, findings, isCreateOptionsKey);
  const createOptions = settings && readCreateOptions(settings, at, findings);
  const image = typeof settings?.image === 'string' ? readImage(settings.image, environment) : undefined;
  if (image && 'message' in image) findings.error([...at, 'image'], 'image', image.message, image.hint);
  const digest = readDigest(settings?.digest, [...at, 'digest'], findings);
  if (!found || !createOptions || !image || 'message' in image || digest === null) return undefined;
  const { version, status, restartPolicy, imagePullPolicy, startupOrder } = found;
  const env = Object.fromEntries(Object.entries(found.env ?? {}).map(([key, one]) => [key, String(one.value)]));
  return {
    ...{ name, version, status, restartPolicy, imagePullPolicy, startupOrder, env, image: image.image },
    ...(digest !== undefined && { digest }),
    createOptions,
  };
}

function settingsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const settings = typeof value === 'object' && value !== null ? (value as { settings?: unknown }).settings : undefined;
  return typeof settings === 'object' && settings !== null ? (settings as Record<string, unknown>) : undefined;
}

/** Null: there is one, and it is none. */
function readDigest(value: unknown, keys: Keys, findings: Findings): string | undefined | null {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value)) return value;
  findings.error(keys, 'digest', 'digest: sha256: and 64 hexadecimal digits in small letters are expected', 'copy it from what push says');
  return null;
}

/** Keys that this version does not know do no harm, but a person meant something by them. */
export function unknownKeys(
  value: unknown,
  known: readonly string[],
  keys: Keys,
  findings: Findings,
  alsoKnown: (key: string) => boolean = () => false,
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  for (const key of Object.keys(value)) {
    if (known.includes(key) || alsoKnown(key)) continue;
    const hint = suggestion(key, known);
    findings.warn([...keys, key], 'unknown-key', `${key} is not known here and does nothing`, hint, 'key');
  }
}
