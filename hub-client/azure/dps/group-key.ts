import { createHmac } from 'node:crypto';

/**
 * The key of one member of an enrolment group: HMAC-SHA256 of its registration id under the key of the group. The id counts letter for
 * letter.
 */
export const memberKey = (groupKey: Uint8Array, registrationId: string): Uint8Array =>
  createHmac('sha256', groupKey).update(registrationId, 'utf8').digest();
