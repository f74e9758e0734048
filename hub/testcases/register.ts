import { createRequire } from 'node:module';

/**
 * What an empty box does with the unmodified packages: registers, connects to the hub that it was assigned, sends one message and reads its twin. A process
 * of its own, because the provisioning package takes an authority only from NODE_EXTRA_CA_CERTS. Prints one line of JSON.
 */
interface Arguments {
  readonly provisioningHost: string;
  readonly idScope: string;
  readonly registrationId: string;
  readonly key?: string;
  readonly x509?: { readonly cert: string; readonly key: string };
}
interface Client {
  setOptions(options: object): Promise<unknown>;
  open(): Promise<unknown>;
  sendEvent(message: unknown): Promise<unknown>;
  getTwin(): Promise<{ properties: { desired: object } }>;
  close(): Promise<unknown>;
}

const require = createRequire(import.meta.url);
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Mqtt: ProvisioningMqtt } = require('azure-iot-provisioning-device-mqtt');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { X509Security } = require('azure-iot-security-x509');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const given = JSON.parse(process.argv[2] ?? '{}') as Arguments;
const security = given.x509
  ? new X509Security(given.registrationId, given.x509)
  : new SymmetricKeySecurityClient(given.registrationId, given.key);

try {
  const registration = ProvisioningDeviceClient.create(given.provisioningHost, given.idScope, new ProvisioningMqtt(), security);
  const result = (await registration.register()) as { assignedHub: string; deviceId: string; substatus: string };
  const proof = given.x509 ? 'x509=true' : `SharedAccessKey=${given.key}`;
  const client: Client = Client.fromConnectionString(`HostName=${result.assignedHub};DeviceId=${result.deviceId};${proof}`, Mqtt);
  if (given.x509) await client.setOptions(given.x509);
  await client.open();
  await client.sendEvent(new Message(JSON.stringify({ hello: result.deviceId })));
  const { desired } = (await client.getTwin()).properties;
  await client.close();
  process.stdout.write(`${JSON.stringify({ ...result, desired })}\n`);
} catch (error) {
  const { name, message, result } = error as Error & { result?: unknown };
  process.stdout.write(`${JSON.stringify({ error: name, message, result })}\n`);
}
