import { randomBytes, randomUUID } from 'node:crypto';
import type { Core } from '../core/hub-core.ts';
import { writeOf } from '../core/identities.ts';
import { RequestError } from '../core/request-error.ts';
import { freshEtag, getIdentity, type Identity } from '../registry.ts';
import type { Attested } from './attestation.ts';
import { type Enrollment, getEnrollment } from './enrollments.ts';

/** As it stands in answers to the device. */
export interface RegistrationState {
  readonly registrationId: string;
  readonly createdDateTimeUtc: string;
  readonly lastUpdatedDateTimeUtc: string;
  readonly etag: string;
  readonly status: 'assigned' | 'failed' | 'disabled';
  /** The next three only when it is assigned. */
  readonly assignedHub?: string;
  readonly deviceId?: string;
  readonly substatus?: 'initialAssignment' | 'deviceDataReset';
  /** The next two only when it failed. */
  readonly errorCode?: number;
  readonly errorMessage?: string;
  readonly symmetricKey?: { readonly enrollmentGroupId?: string };
  readonly x509?: { readonly enrollmentGroupId?: string };
}

export interface Operation {
  readonly operationId: string;
  readonly state: RegistrationState;
}

/** Registrations: a device of an enrollment becomes a device of this hub. On disk, so that a poll finds it after a restart. */
export class Registrations {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Resolves when the device is there, or it is said why not. `assignedHub`: by which name (and port) the device reaches the hub. */
  async register(registrationId: string, attested: Attested, assignedHub: string): Promise<Operation> {
    const { operation, change } = await this.#core.commits.run(() => this.#registerNow(registrationId, attested, assignedHub));
    if (change) this.#core.identities.announce(change.before, change.after);
    return operation;
  }

  find(registrationId: string, operationId: string): Operation | undefined {
    const row = this.#row(registrationId);
    return row?.operation_id === operationId ? { operationId, state: JSON.parse(row.state as string) as RegistrationState } : undefined;
  }

  #registerNow(registrationId: string, { enrollment, authentication }: Attested, assignedHub: string) {
    const row = this.#row(registrationId);
    const earlier = row && (JSON.parse(row.state as string) as RegistrationState);
    const now = new Date().toISOString();
    const group = enrollment.kind === 'group' ? { enrollmentGroupId: enrollment.id } : {};
    const head = {
      registrationId,
      createdDateTimeUtc: earlier?.createdDateTimeUtc ?? now,
      lastUpdatedDateTimeUtc: now,
      etag: freshEtag(),
      ...(enrollment.attestation.type === 'symmetricKey' ? { symmetricKey: group } : { x509: group }),
    };
    let state: RegistrationState;
    let change: { before: Identity | undefined; after: Identity } | undefined;
    // It may have been disabled or taken away since the device connected.
    if (getEnrollment(this.#core.db, enrollment.kind, enrollment.id)?.enabled !== true) state = { ...head, status: 'disabled' };
    else {
      try {
        const deviceId = enrollment.deviceId ?? earlier?.deviceId ?? registrationId;
        change = this.#assign(deviceId, enrollment, authentication, earlier?.deviceId === deviceId);
        const substatus = change.before && enrollment.reprovision === 'reset-twin' ? 'deviceDataReset' : 'initialAssignment';
        state = { ...head, status: 'assigned', assignedHub, deviceId, substatus };
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        state = { ...head, status: 'failed', errorCode: error.errorCode, errorMessage: error.message };
      }
    }
    const operationId = `4.${randomBytes(8).toString('hex')}.${randomUUID()}`;
    // A refusal takes no device away from a registration that once had one.
    const kept = state.status === 'assigned' || earlier?.deviceId === undefined ? state : { ...state, deviceId: earlier.deviceId };
    this.#core.db
      .prepare('INSERT OR REPLACE INTO registrations VALUES (?, ?, ?, ?, ?)')
      .run(registrationId.toLowerCase(), enrollment.id, enrollment.kind, operationId, JSON.stringify(kept));
    return { operation: { operationId, state }, change };
  }

  #assign(deviceId: string, enrollment: Enrollment, authentication: Attested['authentication'], itsOwn: boolean) {
    const { identities, twinStore, db } = this.#core;
    const before = getIdentity(db, deviceId);
    const input = { deviceId, authentication, capabilities: { iotEdge: enrollment.edge } };
    if (!before) return { before, after: identities.createNow(input, enrollment.twin) };
    if (!itsOwn) {
      throw new RequestError(
        'DeviceAlreadyExists',
        `device ${deviceId} was not made by this enrollment: delete it, or give the enrollment another device id`,
      );
    }
    if (enrollment.reprovision === 'never') return { before, after: before };
    const { after } = identities.updateNow(input);
    if (enrollment.reprovision === 'reset-twin') {
      twinStore.write(deviceId, writeOf({ tags: {}, properties: { desired: {} }, ...enrollment.twin }, 'replace'));
    }
    return { before, after };
  }

  #row(registrationId: string): Record<string, unknown> | undefined {
    return this.#core.db.prepare('SELECT * FROM registrations WHERE registration_id = ?').get(registrationId.toLowerCase());
  }
}
