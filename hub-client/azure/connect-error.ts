import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { addressOf, clockHint, type Place as DeliveryPlace } from '../delivery/unreachable.ts';
import type { Identity } from './credentials.ts';
import { idOf } from './identity-name.ts';

/** What an error text needs to know of the place. */
export type Place = Pick<Identity, 'host' | 'port' | 'deviceId' | 'moduleId' | 'proof' | 'ca'>;

const words: DeliveryPlace['words'] = {
  usualPort: 'IoT Hub listens on 8883',
  ports: '8883 is MQTT over TLS, 1883 is plain',
  noCa: 'A private hub needs ca: in the settings. For the real service: something between here and there (a proxy) answers in its name.',
  wrongCa: 'The file in ca: must hold the root that signed the certificate of this hub (of the embedded hub: ca.pem in its data folder).',
};

export function placeOf({ host, port, ca, proof }: Place): DeliveryPlace {
  return { host, port, ca: ca !== undefined, certificate: proof.kind === 'x509' ? proof.parsed : undefined, words };
}

/** A CONNACK other than 0 (MQTT 3.1.1 §3.2.2.3) as the person at the gateway should read it. */
export function refusal(returnCode: number, place: Place, nowMs: number): GatewayError {
  const at = addressOf(place);
  const says = (meaning: string): string =>
    `The hub ${at} refused ${place.moduleId === undefined ? 'device' : 'module'} "${idOf(place)}": ${meaning} (CONNACK ${returnCode}).`;
  switch (returnCode) {
    case 1:
      return fix('hub-protocol', says('it does not speak MQTT 3.1.1'), 'Is this an IoT Hub? Check host name and port.');
    case 2:
      return fix('hub-device', says('it does not take this device id'), 'Check the device id; upper and lower case count.');
    case 3:
      return new NotConnectedError('hub-unavailable', says('it is not available now'), { retry: 'with-backoff' });
    case 4:
      return fix('hub-credentials', says('user name or password are wrong'), credentialHint(place, nowMs));
    case 5:
      return fix('hub-credentials', says('it is not authorized'), credentialHint(place, nowMs));
    default:
      return new NotConnectedError('hub-refused', says('for a reason that MQTT 3.1.1 does not know'), { retry: 'with-backoff' });
  }
}

function credentialHint(place: Place, nowMs: number): string {
  const { proof } = place;
  const device = `Check in this order: the ${place.moduleId === undefined ? 'device' : 'module'} "${idOf(place)}" exists in this hub and is enabled`;
  if (proof.kind === 'sas') return `${device}; the key is its primary or secondary key, whole; the clock. ${clockHint(nowMs)}`;
  const { subject, validTo, fingerprint } = proof.parsed;
  const thumbprint = fingerprint.replaceAll(':', '');
  return `${device} for X.509; its thumbprint is ${thumbprint}, or its CA is verified and the common name is the device id (here ${subject}); the certificate ends ${validTo}. ${clockHint(nowMs)}`;
}

function fix(code: string, message: string, hint: string): GatewayError {
  return new GatewayError(code, message, { retry: 'after-fix', hint });
}
