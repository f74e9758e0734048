import type { Identity } from '../../../hub-client/azure/credentials.ts';
import { clockHint } from '../../../hub-client/delivery/unreachable.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import type { RestAnswer } from './rest-call.ts';

type Device = Pick<Identity, 'hub' | 'deviceId' | 'proof'>;

/** What a refusal of the registry means for the person at the gateway. */
export function registryRefusal(answer: RestAnswer, { hub, deviceId, proof }: Device, moduleId: string): GatewayError {
  const { status } = answer;
  const { name, text } = saidBy(answer);
  const says = `${hub} does not give the identity of module ${moduleId} to device ${deviceId}: ${text} (${status})`;
  const fix = (code: string, message: string, hint: string): GatewayError =>
    new GatewayError(code, `${message}.`, { retry: 'after-fix', hint });
  if (status === 429 || status >= 500) return new NotConnectedError('hub-rest-busy', `${says}.`, { retry: 'with-backoff' });
  if (status === 401 || (status === 403 && !name?.startsWith('TooMany'))) {
    const own = proof.kind === 'sas' ? 'its key' : 'its client certificate';
    return fix('hub-rest-refused', says, `Check that the device is enabled in the hub, and ${own}. ${clockHint(Date.now())}`);
  }
  if (status === 404 && name !== 'DeviceNotFound' && moduleId.startsWith('$')) {
    return fix('hub-not-edge', `Device ${deviceId} is no IoT Edge device in ${hub}: it has no module ${moduleId}`, edgeHint(deviceId));
  }
  if (/IoT Edge device/.test(text)) return fix('hub-not-edge', says, edgeHint(deviceId));
  if (status === 404) return fix('hub-device', says, `Make the device ${deviceId} in the hub, as an IoT Edge device.`);
  return fix('hub-module', says, 'Names have 1 to 128 letters, digits and - . % _ * ? ! ( ) , : = @ ; a device has at most 50 modules.');
}

export function noRest({ hub }: Device): GatewayError {
  return new GatewayError('hub-no-rest', `The hub ${hub} has no REST API, where identities of modules come from.`, {
    retry: 'after-fix',
    hint: 'Give the embedded hub a port for it: hub.https in dragoman.yaml (0 takes a free one), or dragoman hub --https 8443.',
  });
}

const edgeHint = (deviceId: string): string =>
  `Embedded hub: dragoman hub device edge ${deviceId}. Azure: az iot hub device-identity update --device-id ${deviceId} --set capabilities.iotEdge=true, or make it anew in the portal under Devices, IoT Edge.`;

/** `{"Message":"ErrorCode:ModuleNotFound;text"}`. */
function saidBy({ body }: RestAnswer): { readonly name: string | undefined; readonly text: string } {
  const { Message: message } = (typeof body === 'object' && body !== null ? body : {}) as { Message?: unknown };
  if (typeof message !== 'string') return { name: undefined, text: 'it gives no reason' };
  const [, name, text] = /^ErrorCode:(\w+);(.*)$/s.exec(message) ?? [];
  return name === undefined || text === undefined ? { name: undefined, text: message.slice(0, 300) } : { name, text: text.slice(0, 300) };
}
