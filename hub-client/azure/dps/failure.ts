import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import { addressOf, clockHint, type Place } from '../../delivery/unreachable.ts';
import { type Answer, errorText, type JsonObject } from '../answer.ts';
import type { Registration } from './registration.ts';

export function placeOfService({ host, port, ca, proof }: Registration): Place {
  return {
    host,
    port,
    ca: ca !== undefined,
    certificate: proof.kind === 'x509' ? proof.parsed : undefined,
    words: {
      usualPort: 'Device Provisioning listens on 8883',
      ports: '8883 is MQTT over TLS',
      noCa: 'A private provisioning service needs ca: in the settings. For the real one: something between here and there (a proxy) answers in its name.',
      wrongCa: 'The file in ca: must hold the root that signed the certificate of this provisioning service.',
    },
  };
}

/** A CONNACK other than 0. */
export function refusedConnect(returnCode: number, registration: Registration, nowMs: number): GatewayError {
  const says = (meaning: string): string => `${whoRefused(registration)}: ${meaning} (CONNACK ${returnCode}).`;
  if (returnCode === 3) return new NotConnectedError('dps-unavailable', says('it is not available now'), { retry: 'with-backoff' });
  if (returnCode === 4 || returnCode === 5)
    return fix('dps-credentials', says('it is not authorized'), credentialHint(registration, nowMs));
  return fix('dps-protocol', says('it does not take this connection'), 'Is this a provisioning service? Check endpoint and port.');
}

/** An answer of 300 or more that is no reason to ask again. */
export function refusedRequest(answer: Answer, registration: Registration, nowMs: number): GatewayError {
  const { text } = errorText(answer.body);
  const says = `${whoRefused(registration)} (${answer.status}${text === '' ? '' : `: ${text}`}).`;
  if (answer.status === 401 || answer.status === 403) return fix('dps-credentials', says, credentialHint(registration, nowMs));
  if (answer.status === 404)
    return fix(
      'dps-unknown',
      says,
      `Create an enrolment for "${registration.registrationId}", or for its group, in scope ${registration.idScope}.`,
    );
  return fix('dps-refused', says, 'The text is the service’s own; the portal of the provisioning service shows the registration.');
}

/** An end other than `assigned`. */
export function notAssigned(status: unknown, state: JsonObject, registration: Registration): GatewayError {
  const { registrationId } = registration;
  const at = addressOf(registration);
  const { errorCode, errorMessage } = state;
  const why = [errorMessage, errorCode === undefined ? undefined : `error ${String(errorCode)}`].filter((part) => part).join(', ');
  const because = why === '' ? '' : ` (${why})`;
  switch (status) {
    case 'disabled':
      return fix(
        'dps-disabled',
        `The enrolment of "${registrationId}" is disabled at ${at}${because}.`,
        'Enable it in the provisioning service.',
      );
    case 'failed':
      return fix(
        'dps-failed',
        `Device Provisioning at ${at} could not assign "${registrationId}" to a hub${because}.`,
        'Look at the linked hubs and the allocation policy of the enrolment.',
      );
    case 'unassigned':
      return new NotConnectedError('dps-unassigned', `Device Provisioning at ${at} has no hub for "${registrationId}" yet${because}.`, {
        retry: 'after-fix',
        hint: 'Link a hub to the provisioning service, or name one in the enrolment.',
      });
    default:
      return unreadable(registration, `status "${String(status)}"`);
  }
}

export const unreadable = (registration: Registration, what: string): NotConnectedError =>
  new NotConnectedError('dps-answer', `Device Provisioning at ${addressOf(registration)} answered with ${what}, which cannot be used.`, {
    retry: 'with-backoff',
  });

const whoRefused = (registration: Registration): string =>
  `Device Provisioning at ${addressOf(registration)} refused "${registration.registrationId}" of scope ${registration.idScope}`;

function credentialHint({ idScope, registrationId, proof }: Registration, nowMs: number): string {
  const start = `Check in this order: the ID scope ${idScope}; an enrolment for "${registrationId}", or for its group, exists and is enabled`;
  if (proof.kind === 'sas')
    return `${start}; the key is the primary or secondary one of this enrolment, whole (the key of a group goes into groupKey, not into key); the clock. ${clockHint(nowMs)}`;
  return `${start}; its certificate has the thumbprint ${proof.parsed.fingerprint.replaceAll(':', '')}, or its CA is verified there. ${clockHint(nowMs)}`;
}

function fix(code: string, message: string, hint: string): GatewayError {
  return new GatewayError(code, message, { retry: 'after-fix', hint });
}
