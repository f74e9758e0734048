import { eventHubName } from './amqp/address.ts';
import { lastEndpoint } from './endpoint.ts';
import { afterFix } from './error.ts';
import { openPolicies } from './policies/policies.ts';
import { addDevice, type Device, getDevice, makeEdge, openRegistry } from './registry.ts';

/**
 * The identity of this id; made, with fresh keys, when it is not there yet. Also while the hub runs. With `edge` it is an IoT Edge device
 * afterwards, also when it was none before.
 */
export function createDevice(folder: string, deviceId: string, { edge = false }: { readonly edge?: boolean } = {}): Device {
  using db = openRegistry(folder);
  const device = getDevice(db, deviceId) ?? addDevice(db, deviceId);
  if (!edge || device.edge) return device;
  makeEdge(db, deviceId);
  return getDevice(db, deviceId) as Device;
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

/**
 * What a service needs, by a policy. `rest`: `HostName=localhost;SharedAccessKeyName=service;SharedAccessKey=…`, always without a port, since SDKs
 * know none but 443. `amqp`: the same with the port of AMQP, unless it is 5671. `events`: `Endpoint=sb://localhost:5671/;…;EntityPath=events`.
 */
export function serviceConnectionString(folder: string, policyName: string, what: 'rest' | 'amqp' | 'events', host?: string): string {
  const policies = openPolicies(folder);
  const policy = policies.get(policyName);
  if (!policy) {
    throw afterFix('policy-unknown', `the hub in ${folder} has no policy ${policyName}`, `it has ${policies.names.join(', ')}`);
  }
  const endpoint = lastEndpoint(folder);
  const name = host ?? endpoint?.host ?? 'localhost';
  const proof = `SharedAccessKeyName=${policy.name};SharedAccessKey=${policy.primaryKey}`;
  const port = endpoint?.amqpPort ?? 5671;
  const at = port === 5671 ? name : `${name}:${port}`;
  if (what === 'events') return `Endpoint=sb://${at}/;${proof};EntityPath=${eventHubName}`;
  return `HostName=${what === 'amqp' ? at : name};${proof}`;
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
