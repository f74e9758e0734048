import { randomBytes } from 'node:crypto';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import type { PolicyLookup, Right, SharedAccessPolicy } from '../core/contract.ts';
import { afterFix } from '../error.ts';
import { hubFiles, makeFolder, readIfThere, writeWhole } from '../folder.ts';

/** What a fresh hub has, as a fresh IoT Hub. */
const builtIn: Readonly<Record<string, readonly Right[]>> = {
  iothubowner: ['registryRead', 'registryWrite', 'serviceConnect', 'deviceConnect'],
  service: ['serviceConnect'],
  device: ['deviceConnect'],
  registryRead: ['registryRead'],
  registryReadWrite: ['registryRead', 'registryWrite'],
};

export const rights = ['registryRead', 'registryWrite', 'serviceConnect', 'deviceConnect'] as const satisfies readonly Right[];

const isKey = (text: string): boolean => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length >= 16 && bytes.length <= 64 && bytes.toString('base64') === text;
};
const Key = z.string().refine(isKey, 'a key is base64 of 16 to 64 bytes, such as: openssl rand -base64 32');

const Policy = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'a name has 1 to 64 letters, digits and _ . -'),
  /** The five built-in policies know their own. */
  rights: z.array(z.enum(rights)).min(1).optional(),
  primaryKey: Key,
  /** Default: the primary one. */
  secondaryKey: Key.optional(),
});
const PolicyFile = z.strictObject({ policies: z.array(Policy).min(1) });

/** The policies of one hub. The five of a fresh hub get keys when they are asked for the first time. */
export class Policies implements PolicyLookup {
  readonly #byName: ReadonlyMap<string, SharedAccessPolicy>;

  constructor(policies: readonly SharedAccessPolicy[]) {
    this.#byName = new Map(policies.map((policy) => [policy.name, policy]));
  }

  get(name: string): SharedAccessPolicy | undefined {
    return this.#byName.get(name);
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }
}

/**
 * Reads the policies of the hub in this folder; the first time they are made and kept, in a file for its owner alone (0600).
 * With `given` (YAML or JSON) those in that file take the place of all there were, and stay until another file is given.
 * Throws HubError: unreadable, or not a file of policies.
 */
export function openPolicies(folder: string, given?: string): Policies {
  makeFolder(folder);
  const { policies: file } = hubFiles(folder);
  if (given !== undefined) {
    const policies = readPolicies(given);
    writePolicies(file, policies);
    return new Policies(policies);
  }
  if (readIfThere(file) !== undefined) return new Policies(readPolicies(file));
  const fresh = Object.entries(builtIn).map(([name, has]) => ({ name, rights: has, primaryKey: freshKey(), secondaryKey: freshKey() }));
  writePolicies(file, fresh);
  return new Policies(fresh);
}

const freshKey = (): string => randomBytes(32).toString('base64');

function writePolicies(file: string, policies: readonly SharedAccessPolicy[]): void {
  writeWhole(file, `${JSON.stringify({ policies }, undefined, 2)}\n`, 0o600);
}

function readPolicies(file: string): readonly SharedAccessPolicy[] {
  const { policies } = parsePolicies(file);
  const names = new Set<string>();
  return policies.map((policy, index) => {
    if (names.has(policy.name)) throw wrong(file, `policies.${index}.name: there are two policies ${policy.name}`);
    names.add(policy.name);
    const has = policy.rights ?? builtIn[policy.name];
    if (!has) throw wrong(file, `policies.${index}.rights: policy ${policy.name} says none; write some of ${rights.join(', ')}`);
    return { name: policy.name, rights: has, primaryKey: policy.primaryKey, secondaryKey: policy.secondaryKey ?? policy.primaryKey };
  });
}

function parsePolicies(file: string): z.infer<typeof PolicyFile> {
  let content: unknown;
  try {
    const text = readIfThere(file);
    if (text === undefined) throw afterFix('hub-policies', `there is no file ${file}`, 'name a file that holds policies and their keys');
    content = parse(text);
  } catch (error) {
    // Only the place and the kind: the text around it may hold a key.
    if (error instanceof YAMLParseError) throw wrong(file, `line ${error.linePos?.[0].line}: ${error.code}`);
    throw error;
  }
  const read = PolicyFile.safeParse(content);
  if (read.success) return read.data;
  const problems = read.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`);
  throw wrong(file, problems.join('; '));
}

function wrong(file: string, problem: string): Error {
  return afterFix(
    'hub-policies',
    `${file} is not a file of policies: ${problem}`,
    'it looks like this: policies: [{ name: service, primaryKey: …base64… }, { name: dashboard, rights: [registryRead], primaryKey: … }]',
  );
}
