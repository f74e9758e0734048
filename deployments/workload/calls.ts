import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { z } from 'zod';
import type { BoxCertificates, IssuedCertificate } from '../certificates/box-certificates.ts';
import type { ModuleIdentity } from '../contract.ts';
import type { ModuleIdentities } from '../identities/module-identities.ts';
import { bodyOf, Refusal, targetOf } from './request.ts';
import type { Sealing } from './sealing.ts';

/** A module as `GET /modules` shows it. Leave secrets out of `env`. */
export interface ListedModule {
  readonly id: string;
  readonly name: string;
  readonly type: 'docker';
  readonly config: { readonly settings: unknown; readonly env: readonly { readonly key: string; readonly value: string }[] };
  readonly status: {
    readonly startTime?: string;
    readonly exitStatus?: { readonly exitTime: string; readonly statusCode: string };
    readonly runtimeStatus: { readonly status: string; readonly description?: string };
  };
}

export interface CallParts {
  readonly identities: ModuleIdentities;
  readonly certificates: BoxCertificates;
  readonly sealing: Sealing;
  readonly hubHostName: string;
  /** Names that the module broker answers to. */
  readonly gatewayNames: readonly string[];
  /** Modules that may have a server certificate for `gatewayNames`: a proxy in front of the broker, say. */
  readonly mayServeAsGateway: readonly string[];
  /** Modules that may ask for all modules; by default only `$edgeAgent`. */
  readonly mayList: readonly string[];
  readonly listModules: () => readonly ListedModule[] | Promise<readonly ListedModule[]>;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const base64 = z.base64();
const vector = base64.min(1, 'an initialization vector is needed');
const Sign = z.object({ keyId: z.enum(['primary', 'secondary']).default('primary'), algo: z.literal('HMACSHA256'), data: base64 });
const Encrypt = z.object({ plaintext: base64, initializationVector: vector });
const Decrypt = z.object({ ciphertext: base64, initializationVector: vector });
const expiration = z.iso.datetime({ offset: true });
const Server = z.object({ commonName: z.string().min(1).max(64), expiration });
const Identity = z.object({ expiration: expiration.optional() });

/** Answers one call of the module `caller`, to whom the socket belongs. Throws a Refusal. */
export async function answerCall(parts: CallParts, caller: string, request: IncomingMessage): Promise<Answer> {
  const { segments, apiVersion } = targetOf(request.url ?? '');
  const [first, module, ...rest] = segments;
  if (first === 'modules' && module) {
    if (module !== caller) throw new Refusal(403, `this socket is of the module ${caller}, and may not be used for ${module}`);
    return ofModule(parts, identityOf(parts, caller), rest, request);
  }
  if (segments.length === 1 && first === 'trust-bundle') return get(request, () => ({ certificate: parts.certificates.trustBundle }));
  if (segments.length === 1 && first === 'manifest-trust-bundle' && apiVersion >= '2020-07-07')
    return get(request, () => ({ certificate: '' }));
  if (segments.length === 1 && first === 'modules') {
    if (!parts.mayList.includes(caller)) throw new Refusal(403, `the module ${caller} may not list modules`);
    return get(request, async () => ({ modules: await parts.listModules() }));
  }
  throw nothingAt(segments, apiVersion);
}

async function get(request: IncomingMessage, body: () => unknown): Promise<Answer> {
  if (request.method !== 'GET') throw new Refusal(405, 'this is answered to GET only');
  return { status: 200, body: await body() };
}

function identityOf({ identities }: CallParts, caller: string): ModuleIdentity {
  const identity = identities.get(caller);
  if (!identity) throw new Refusal(404, `the module ${caller} has no identity`);
  return identity;
}

async function ofModule(parts: CallParts, identity: ModuleIdentity, rest: readonly string[], request: IncomingMessage): Promise<Answer> {
  const [genid, generationId, ...named] = rest;
  const generational = genid === 'genid' && generationId !== undefined;
  const call = generational
    ? generationCalls.get(named.join('/'))
    : rest.join('/') === 'certificate/identity'
      ? identityCertificate
      : undefined;
  if (!call) throw new Refusal(404, `there is no call /modules/{name}/${rest.join('/')}`);
  if (generational && generationId !== identity.generationId) {
    throw new Refusal(
      404,
      `the module ${identity.moduleId} has no generation ${generationId}; it was made anew, and its container must be too`,
    );
  }
  if (request.method !== 'POST') throw new Refusal(405, 'this is answered to POST only');
  return call(parts, identity, request);
}

type Call = (parts: CallParts, identity: ModuleIdentity, request: IncomingMessage) => Promise<Answer>;

const ofGeneration: Readonly<Record<string, Call>> = {
  async sign(_parts, identity, request) {
    const { keyId, data } = await bodyOf(request, Sign);
    const key = keyId === 'primary' ? identity.primaryKey : identity.secondaryKey;
    if (key === undefined) throw new Refusal(404, `the module ${identity.moduleId} has no secondary key`);
    const hmac = createHmac('sha256', Buffer.from(key, 'base64')).update(Buffer.from(data, 'base64'));
    return { status: 200, body: { digest: hmac.digest('base64') } };
  },

  async encrypt({ sealing }, identity, request) {
    const { plaintext, initializationVector } = await bodyOf(request, Encrypt);
    const ciphertext = sealing.encrypt(identity, Buffer.from(initializationVector, 'base64'), Buffer.from(plaintext, 'base64'));
    return { status: 200, body: { ciphertext: ciphertext.toString('base64') } };
  },

  async decrypt({ sealing }, identity, request) {
    const { ciphertext, initializationVector } = await bodyOf(request, Decrypt);
    const plaintext = sealing.decrypt(identity, Buffer.from(initializationVector, 'base64'), Buffer.from(ciphertext, 'base64'));
    if (!plaintext) {
      throw new Refusal(
        400,
        'the ciphertext is damaged, or was encrypted by another module, an earlier generation of this one, or with another vector',
      );
    }
    return { status: 200, body: { plaintext: plaintext.toString('base64') } };
  },

  async 'certificate/server'(parts, identity, request) {
    const { commonName, expiration: until } = await bodyOf(request, Server);
    if (!isHostName(commonName))
      throw new Refusal(400, `commonName: ${JSON.stringify(commonName)} is neither a host name nor an IP address`);
    const names = [...new Set([commonName, ...ownName(identity.moduleId)])];
    for (const name of names) {
      const mayNot = othersName(parts, identity.moduleId, name);
      if (mayNot !== undefined) throw new Refusal(403, mayNot);
    }
    return made(await parts.certificates.server({ commonName, names, expiresMs: future(until) }));
  },
};

/** A map, so that `constructor` is no call. */
const generationCalls: ReadonlyMap<string, Call> = new Map(Object.entries(ofGeneration));

const identityCertificate: Call = async ({ certificates, hubHostName }, identity, request) => {
  const { expiration: until } = await bodyOf(request, Identity);
  const { deviceId, moduleId } = identity;
  const uri = `azureiot://${hubHostName}/devices/${encodeURIComponent(deviceId)}/modules/${encodeURIComponent(moduleId)}`;
  const expiresMs = until === undefined ? undefined : future(until);
  return made(await certificates.identity({ commonName: moduleId.slice(0, 64), uris: [uri], ...(expiresMs && { expiresMs }) }));
};

/** Why the module may not be a server of that name, or undefined. */
function othersName(parts: CallParts, moduleId: string, name: string): string | undefined {
  const same = (other: string): boolean => other.toLowerCase() === name.toLowerCase();
  const broker = moduleId === '$edgeHub' || parts.mayServeAsGateway.includes(moduleId);
  if (!broker && parts.gatewayNames.some(same)) {
    return `${name} is the name of the gateway; the module ${moduleId} may have no certificate for it, unless the settings allow it`;
  }
  const other = parts.identities.names().find((module) => module !== moduleId && ownName(module).some(same));
  return other === undefined
    ? undefined
    : `${name} is the name of the module ${other}; the module ${moduleId} may have no certificate for it`;
}

/** A module id as host name, without the `$` of system modules; none where it cannot be one. */
const ownName = (moduleId: string): readonly string[] => [moduleId.replace(/^\$/, '')].filter(isHostName);

const isHostName = (name: string): boolean =>
  isIP(name) !== 0 || /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i.test(name);

function future(until: string): number {
  const expiresMs = Date.parse(until);
  if (expiresMs <= Date.now()) throw new Refusal(400, `expiration: ${until} is past`);
  return expiresMs;
}

const made = ({ certificate, privateKey, expiresMs }: IssuedCertificate): Answer => ({
  status: 201,
  body: { privateKey: { type: 'key', bytes: privateKey }, certificate, expiration: new Date(expiresMs).toISOString() },
});

const nothingAt = (segments: readonly string[], apiVersion: string): Refusal =>
  new Refusal(404, `there is no call /${segments.map(encodeURIComponent).join('/')} in api-version ${apiVersion}`);
