import { createHash } from 'node:crypto';
import type { IConnectPacket } from 'mqtt-packet';
import type { Device } from '../registry.ts';
import { audienceOf, parseSas, signedBy } from '../sas.ts';

/** CONNACK return codes, MQTT 3.1.1 table 3.1. */
export const connack = { accepted: 0, protocol: 1, identifier: 2, unavailable: 3, credentials: 4, unauthorized: 5 } as const;

export type ConnectDecision =
  | { readonly accepted: true; readonly device: Device; readonly expiresMs: number | undefined; readonly auth: 'sas' | 'x509' }
  | { readonly accepted: false; readonly code: number; readonly reason: string };

export interface ConnectContext {
  /** Answers whether a host (lower case, without port) is one of this hub's names. */
  readonly isOurName: (host: string) => boolean;
  readonly device: (deviceId: string) => Device | undefined;
  /** DER of the client certificate of the TLS connection. */
  readonly clientCertificate: () => Buffer | undefined;
  readonly nowMs: number;
}

interface UserName {
  readonly host: string;
  readonly deviceId: string;
  readonly moduleId: string | undefined;
}

/**
 * `{host}/{device}[/{module}]/?api-version=…`; older clients leave the question mark out. The api-version must be there,
 * its value is not looked at (as at the edge hub). Undefined when it is something else.
 */
export function parseUserName(text: string): UserName | undefined {
  const match = /^([^/]+)\/([^/]+)(?:\/((?!\?|api-version=)[^/]+))?\/\??(.+)$/s.exec(text);
  const [, host, deviceId, moduleId, bag] = match ?? [];
  if (!host || !deviceId || !/(?:^|&)api-version=[^&]/.test(bag ?? '')) return undefined;
  return { host, deviceId, moduleId };
}

const refused = (code: number, reason: string): ConnectDecision => ({ accepted: false, code, reason });

/** Whether this CONNECT may come in. The reason is for the hub's log only: the wire tells a stranger nothing. */
export function decideConnect(packet: IConnectPacket, context: ConnectContext): ConnectDecision {
  if (packet.protocolId !== 'MQTT' || packet.protocolVersion !== 4) {
    return refused(connack.protocol, `MQTT 3.1.1 is spoken here, not protocol level ${packet.protocolVersion}`);
  }
  const user = parseUserName(packet.username ?? '');
  if (!user) return refused(connack.credentials, 'the user name is not {host}/{device}/?api-version=2021-04-12');
  const expectedId = user.moduleId === undefined ? user.deviceId : `${user.deviceId}/${user.moduleId}`;
  if (packet.clientId !== expectedId) {
    return refused(connack.identifier, `the client id must be "${expectedId}", as in the user name`);
  }
  if (!context.isOurName(hostOnly(user.host))) {
    return refused(connack.unauthorized, `the user name names the host ${user.host}, which is not a name of this hub (--host adds one)`);
  }
  const device = user.moduleId === undefined ? context.device(user.deviceId) : undefined;
  if (!device) return refused(connack.unauthorized, 'no such identity (dragoman hub device create makes one)');
  if (device.status !== 'enabled') return refused(connack.unauthorized, 'the device is disabled');
  return device.authentication.type === 'sas' ? checkToken(packet, device, context) : checkCertificate(device, context);
}

function checkToken(packet: IConnectPacket, device: Device, context: ConnectContext): ConnectDecision {
  if (device.authentication.type !== 'sas') throw new TypeError('not a device with keys');
  const token = parseSas(packet.password?.toString('utf8') ?? '');
  if (!token) return refused(connack.unauthorized, 'the password is not a SharedAccessSignature');
  const audience = audienceOf(token);
  if (!audience?.ids.includes(device.deviceId)) return refused(connack.unauthorized, 'the token is for another resource');
  if (!context.isOurName(hostOnly(audience.host))) {
    return refused(connack.unauthorized, `the token is for the host ${audience.host}, which is not a name of this hub (--host adds one)`);
  }
  const { primaryKey, secondaryKey } = device.authentication;
  if (token.policy !== undefined || !(signedBy(token, primaryKey) || signedBy(token, secondaryKey))) {
    return refused(connack.unauthorized, 'the token is not signed with a key of this device');
  }
  const expiresMs = Number(token.expiry) * 1000;
  if (expiresMs <= context.nowMs) {
    return refused(connack.unauthorized, `the token expired at ${new Date(expiresMs).toISOString()}; is the device's clock right?`);
  }
  return { accepted: true, device, expiresMs, auth: 'sas' };
}

function checkCertificate(device: Device, context: ConnectContext): ConnectDecision {
  if (device.authentication.type !== 'selfSigned') throw new TypeError('not a device with a thumbprint');
  const certificate = context.clientCertificate();
  if (!certificate) return refused(connack.unauthorized, 'the device must show its client certificate, and showed none');
  const { primaryThumbprint, secondaryThumbprint } = device.authentication;
  const thumbprints = ['sha1', 'sha256'].map((name) => createHash(name).update(certificate).digest('hex'));
  if (!thumbprints.some((thumbprint) => thumbprint === primaryThumbprint || thumbprint === secondaryThumbprint)) {
    return refused(connack.unauthorized, `the client certificate is another one (its SHA-1 thumbprint is ${thumbprints[0]})`);
  }
  return { accepted: true, device, expiresMs: undefined, auth: 'x509' };
}

/** `Hub.plant:18883` is `hub.plant`; `[::1]:8883` is `::1`. */
export function hostOnly(host: string): string {
  const bracketed = /^\[(.+)\](?::\d+)?$/.exec(host)?.[1];
  if (bracketed !== undefined) return bracketed.toLowerCase();
  return (/^[^:]+:\d+$/.test(host) ? host.slice(0, host.lastIndexOf(':')) : host).toLowerCase();
}
