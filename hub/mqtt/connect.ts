import { createHash } from 'node:crypto';
import type { IConnectPacket } from 'mqtt-packet';
import { type CertificateChain, chainsTo } from '../certificate-chain.ts';
import type { PolicyLookup } from '../core/contract.ts';
import { opens, openToken } from '../policies/access.ts';
import type { Identity } from '../registry.ts';
import { audienceOf, parseSas, type SasToken, signedBy } from '../sas.ts';

/** CONNACK return codes, MQTT 3.1.1 table 3.1. */
export const connack = { accepted: 0, protocol: 1, identifier: 2, unavailable: 3, credentials: 4, unauthorized: 5 } as const;

export type ConnectDecision =
  | { readonly accepted: true; readonly identity: Identity; readonly expiresMs: number | undefined; readonly modelId: string | undefined }
  | { readonly accepted: false; readonly code: number; readonly reason: string };

export interface ConnectContext {
  /** Answers whether a host, with or without port, is one of this hub's names. */
  readonly isOurName: (host: string) => boolean;
  /** By client id. */
  readonly identity: (id: string) => Identity | undefined;
  readonly policies: PolicyLookup;
  /** What the client showed in the TLS handshake, its own certificate first. */
  readonly certificates: () => CertificateChain;
  /** Those whose certificates identities of type `certificateAuthority` may show. PEM. */
  readonly authorities: () => readonly string[];
  readonly nowMs: number;
  /** What the person who reads the log can do. */
  readonly cures?: Cures;
}

export interface Cures {
  /** Against an identity, and against a host name, that are not known. */
  readonly identity: string;
  readonly host: string;
}

const hubCures: Cures = { identity: 'dragoman hub device create makes one', host: '--host adds one' };

interface UserName {
  readonly host: string;
  readonly deviceId: string;
  readonly moduleId: string | undefined;
  /** DTDL model that the device says it has. */
  readonly modelId: string | undefined;
}

/**
 * `{host}/{device}[/{module}]/?api-version=…`; older clients leave the question mark out. The api-version must be there,
 * its value is not looked at (as at the edge hub). Undefined when it is something else.
 */
export function parseUserName(text: string): UserName | undefined {
  const match = /^([^/]+)\/([^/]+)(?:\/((?!\?|api-version=)[^/]+))?\/\??(.+)$/s.exec(text);
  const [, host, deviceId, moduleId, bag] = match ?? [];
  if (!host || !deviceId || !/(?:^|&)api-version=[^&]/.test(bag ?? '')) return undefined;
  return { host, deviceId, moduleId, modelId: /(?:^|&)model-id=([^&]*)/.exec(bag ?? '')?.[1]?.slice(0, 1024) };
}

const refused = (code: number, reason: string): ConnectDecision => ({ accepted: false, code, reason });

/** Whether this CONNECT may come in. The reason is for the hub's log only: the wire tells a stranger nothing. */
export function decideConnect(packet: IConnectPacket, context: ConnectContext): ConnectDecision {
  if (packet.protocolId !== 'MQTT' || packet.protocolVersion !== 4) {
    return refused(connack.protocol, `MQTT 3.1.1 is spoken here, not protocol level ${packet.protocolVersion}`);
  }
  const { cures = hubCures } = context;
  const user = parseUserName(packet.username ?? '');
  if (!user) return refused(connack.credentials, 'the user name is not {host}/{device}/?api-version=2021-04-12');
  const expectedId = user.moduleId === undefined ? user.deviceId : `${user.deviceId}/${user.moduleId}`;
  if (packet.clientId !== expectedId) {
    return refused(connack.identifier, `the client id must be "${expectedId}", as in the user name`);
  }
  if (!context.isOurName(user.host)) {
    return refused(connack.unauthorized, `the user name names the host ${user.host}, which is not a name of this hub (${cures.host})`);
  }
  const identity = context.identity(expectedId);
  const device = user.moduleId === undefined ? identity : context.identity(user.deviceId);
  if (!identity || !device) return refused(connack.unauthorized, `no such identity (${cures.identity})`);
  if (device.status !== 'enabled') return refused(connack.unauthorized, 'the device is disabled');
  const proof = prove(packet, identity, context);
  return typeof proof === 'string'
    ? refused(connack.unauthorized, proof)
    : { accepted: true, identity, expiresMs: proof.expiresMs, modelId: user.modelId };
}

export interface Proof {
  readonly expiresMs: number | undefined;
}

/** The proof, or what is wrong with it. */
function prove(packet: IConnectPacket, identity: Identity, context: ConnectContext): Proof | string {
  const password = packet.password?.toString('utf8') ?? '';
  const token = parseSas(password);
  if (token?.policy !== undefined) return checkPolicy(password, identity, context);
  return proveIdentity(token, identity, context);
}

/** What proves an identity beside a token: who may be asked for the certificate of the connection. */
export type ProofContext = Pick<ConnectContext, 'isOurName' | 'certificates' | 'authorities' | 'nowMs' | 'cures'>;

/** The proof by a token of its own or by the certificate of the connection, whichever it has to show; or what is wrong with it. */
export function proveIdentity(token: SasToken | undefined, identity: Identity, context: ProofContext): Proof | string {
  switch (identity.authentication.type) {
    case 'sas':
      return checkToken(token, identity, context);
    case 'selfSigned':
      return checkThumbprint(identity, context);
    case 'certificateAuthority':
      return checkAuthority(identity, context);
    default:
      return 'the identity has no way to prove itself (authentication none)';
  }
}

/** The proof that a token of this identity gives, or what is wrong with it. */
export function checkToken(
  token: SasToken | undefined,
  identity: Pick<Identity, 'id' | 'authentication'>,
  context: Pick<ConnectContext, 'isOurName' | 'nowMs' | 'cures'>,
): Proof | string {
  if (identity.authentication.type !== 'sas') throw new TypeError('not an identity with keys');
  if (!token) return 'the password is not a SharedAccessSignature';
  const audience = audienceOf(token);
  if (!audience?.ids.includes(identity.id)) return 'the token is for another resource';
  if (!context.isOurName(audience.host)) {
    return `the token is for the host ${audience.host}, which is not a name of this hub (${(context.cures ?? hubCures).host})`;
  }
  const { primaryKey, secondaryKey } = identity.authentication;
  if (!signedBy(token, primaryKey) && !signedBy(token, secondaryKey)) return 'the token is not signed with a key of this identity';
  const expiresMs = Number(token.expiry) * 1000;
  if (expiresMs <= context.nowMs) return `the token expired at ${new Date(expiresMs).toISOString()}; is the device's clock right?`;
  return { expiresMs };
}

/** A token of a shared access policy speaks for the devices below the path that it names. */
function checkPolicy(password: string, { deviceId, moduleId }: Identity, context: ConnectContext): Proof | string {
  try {
    const access = openToken(password, context, 'base64', context.nowMs);
    const path = ['devices', deviceId, ...(moduleId === undefined ? [] : ['modules', moduleId])];
    if (opens(access, path, 'deviceConnect')) return { expiresMs: access.expiresMs };
    return `policy ${access.policy.name} does not let in this device: it needs the right deviceConnect, for a path above it`;
  } catch (error) {
    return (error as Error).message;
  }
}

function checkThumbprint(identity: Identity, context: ProofContext): Proof | string {
  if (identity.authentication.type !== 'selfSigned') throw new TypeError('not an identity with a thumbprint');
  const certificate = context.certificates()[0];
  if (!certificate) return 'the device must show its client certificate, and showed none';
  const { primaryThumbprint, secondaryThumbprint } = identity.authentication;
  const thumbprints = ['sha1', 'sha256'].map((name) => createHash(name).update(certificate).digest('hex'));
  if (!thumbprints.some((thumbprint) => thumbprint === primaryThumbprint || thumbprint === secondaryThumbprint)) {
    return `the client certificate is another one (its SHA-1 thumbprint is ${thumbprints[0]})`;
  }
  return { expiresMs: undefined };
}

function checkAuthority(identity: Identity, context: ProofContext): Proof | string {
  const found = chainsTo(context.certificates(), context.authorities(), context.nowMs);
  if (typeof found === 'string') return found;
  if (found.commonName !== identity.deviceId) return `the client certificate is for "${found.commonName}", not for ${identity.deviceId}`;
  return { expiresMs: found.expiresMs };
}

/** `Hub.plant:18883` is `hub.plant`; `[::1]:8883` is `::1`. */
export function hostOnly(host: string): string {
  const bracketed = /^\[(.+)\](?::\d+)?$/.exec(host)?.[1];
  if (bracketed !== undefined) return bracketed.toLowerCase();
  return (/^[^:]+:\d+$/.test(host) ? host.slice(0, host.lastIndexOf(':')) : host).toLowerCase();
}
