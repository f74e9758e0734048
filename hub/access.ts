import { lastEndpoint } from './endpoint.ts';
import { afterFix } from './error.ts';
import { addDevice, type Device, getDevice, openRegistry } from './registry.ts';

/** The identity of this id; made, with fresh keys, when it is not there yet. Also while the hub runs. */
export function createDevice(folder: string, deviceId: string): Device {
  using db = openRegistry(folder);
  return getDevice(db, deviceId) ?? addDevice(db, deviceId);
}

/**
 * What a device needs to connect: `HostName=localhost:18883;DeviceId=gw-1;SharedAccessKey=…`. The host and port are those
 * of the hub that runs, or ran last, in this folder; 8883 is left out.
 */
export function connectionString(folder: string, deviceId: string, host?: string): string {
  const device = existingDevice(folder, deviceId);
  const endpoint = lastEndpoint(folder);
  const name = host ?? endpoint?.host ?? 'localhost';
  const port = endpoint?.mqttPort ?? 8883;
  const where = port === 8883 || /:\d+$/.test(name) ? name : `${name}:${port}`;
  const { authentication } = device;
  const proof = authentication.type === 'sas' ? `SharedAccessKey=${authentication.primaryKey}` : 'x509=true';
  return `HostName=${where};DeviceId=${deviceId};${proof}`;
}

export function existingDevice(folder: string, deviceId: string): Device {
  using db = openRegistry(folder);
  const device = getDevice(db, deviceId);
  if (!device) throw unknownDevice(folder, deviceId);
  return device;
}

export function unknownDevice(folder: string, deviceId: string): Error {
  return afterFix(
    'device-unknown',
    `the hub in ${folder} has no device ${deviceId}`,
    `make it with: dragoman hub device create ${deviceId}`,
  );
}
