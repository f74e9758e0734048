import { randomBytes } from 'node:crypto';
import type { IConnectPacket } from 'mqtt-packet';
import type { CertificateChain } from '../certificate-chain.ts';
import type { Core } from '../core/hub-core.ts';
import type { DatabaseSync } from '../database.ts';
import { connack } from '../mqtt/connect.ts';
import type { Decision } from '../mqtt/connection-host.ts';
import { changeSetting, setting } from '../registry-schema.ts';
import { type Attested, attest, sameId } from './attestation.ts';
import { getEnrollment, isRegistrationId, listEnrollments } from './enrollments.ts';
import { RegistrationRole } from './registration-role.ts';
import { Registrations } from './registrations.ts';

/** As much of a connection as the provisioning service looks at. */
export interface Caller {
  certificates(): CertificateChain;
  readonly serverName: string | undefined;
}

export interface ProvisioningSettings {
  readonly idScope: string;
  /** Name, and port where it is not the usual one, under which a device that called the hub `serverName` is to connect. */
  readonly assignedHub: (serverName: string | undefined) => string;
  /** Default 1. */
  readonly retryAfterSeconds?: number;
}

/** The service's form: `0ne` and eight hexadecimal digits. */
const freshIdScope = (): string => `0ne${randomBytes(4).toString('hex').toUpperCase()}`;

/** The id scope of this hub: the one that was given, now or the last time, else one that is made once. */
export function idScopeOf(db: DatabaseSync, given?: string): string {
  if (given !== undefined) changeSetting(db, 'dps-scope', given);
  return setting(db, 'dps-scope', freshIdScope);
}

/**
 * The device side of the Device Provisioning Service, on the same port as the hub: a user name `{idScope}/registrations/{id}/api-version=…`
 * tells them apart. Every device is assigned to this hub.
 */
export class Provisioning {
  readonly idScope: string;
  readonly #core: Core;
  readonly #settings: ProvisioningSettings;
  readonly #registrations: Registrations;

  constructor(core: Core, settings: ProvisioningSettings) {
    this.idScope = settings.idScope;
    this.#core = core;
    this.#settings = settings;
    this.#registrations = new Registrations(core);
  }

  /** Undefined: this CONNECT is not for the provisioning service. */
  decide(packet: IConnectPacket, caller: Caller): Decision | undefined {
    const [, scope = '', registrationId = '', bag = ''] = /^([^/]+)\/registrations\/([^/]+)\/\??(.*)$/s.exec(packet.username ?? '') ?? [];
    // A device may be called "registrations".
    if (scope === '' || this.#core.isOurName(scope)) return undefined;
    const refused = (code: number, reason: string): Decision => ({ accepted: false, code, reason: `registration: ${reason}` });
    if (packet.protocolId !== 'MQTT' || packet.protocolVersion !== 4) return refused(connack.protocol, 'MQTT 3.1.1 is spoken here');
    if (!/(?:^|&)api-version=[^&]/.test(bag) || !isRegistrationId(registrationId)) {
      return refused(connack.credentials, 'the user name is not {idScope}/registrations/{registrationId}/api-version=2019-03-31');
    }
    if (!sameId(packet.clientId, registrationId)) return refused(connack.identifier, `the client id must be "${registrationId}"`);
    if (!sameId(scope, this.idScope)) return refused(connack.unauthorized, `the id scope is ${this.idScope}, not ${scope}`);
    const attested = this.#attest(registrationId, packet, caller);
    if (typeof attested === 'string') return refused(connack.unauthorized, attested);
    const desk = {
      register: () => this.#registrations.register(registrationId, attested, this.#settings.assignedHub(caller.serverName)),
      find: (operationId: string) => this.#registrations.find(registrationId, operationId),
      retryAfterSeconds: this.#settings.retryAfterSeconds ?? 1,
    };
    return { accepted: true, cast: (speaker) => new RegistrationRole(registrationId, attested.expiresMs, desk, speaker) };
  }

  #attest(registrationId: string, packet: IConnectPacket, caller: Caller): Attested | string {
    const { db } = this.#core;
    const claim = {
      idScope: this.idScope,
      registrationId,
      password: packet.password?.toString('utf8'),
      certificates: caller.certificates(),
      nowMs: Date.now(),
    };
    return attest(claim, getEnrollment(db, 'individual', registrationId), listEnrollments(db, 'group'));
  }
}
