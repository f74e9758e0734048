import { z } from 'zod';
import type { HubClientKind } from '../contract.ts';
import { compressions } from '../delivery/compression.ts';
import { duration, pemPath, privateKey, secret, size } from '../delivery/setting.ts';
import { deviceIdProblem } from './connection-string.ts';
import { DpsSettings } from './dps/settings.ts';
import { hardLimitBytes } from './property-bag.ts';

const hostPattern = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/;

const AzureSettingsFields = z.strictObject({
  connectionString: secret('connection string').optional().describe('Connection string of the device, as the portal shows it'),
  host: z
    .string()
    .regex(hostPattern, 'a host name, or name:port, without a scheme: myhub.azure-devices.net')
    .optional()
    .describe('Name of the hub, instead of a connection string'),
  deviceId: z
    .string()
    .superRefine((id, context) => {
      const problem = deviceIdProblem(id);
      if (problem) context.addIssue(`device id ${problem}`);
    })
    .optional()
    .describe('Identity in the hub; default: the id of the gateway'),
  key: secret('key').optional().describe('Primary or secondary key of the device, base64'),
  certificate: pemPath('certificate').optional().describe('PEM file with the certificate of the device, chain included, for X.509'),
  privateKey: privateKey().optional().describe('Private key of the certificate, PEM'),
  dps: DpsSettings.optional().describe('Device Provisioning: who the device is; hub and device id come from there'),
  ca: pemPath('ca').optional().describe('PEM file with the root of a private hub; the real service needs none'),
  https: z.int().min(1).max(65_535).default(443).describe('Port of the REST API, for the identities of modules; of Azure always 443'),
  compression: z.enum(compressions).default('none').describe('Of the body; the hub cannot route by a compressed body'),
  tokenLifetime: duration(60_000, 7 * 86_400_000)
    .prefault('1h')
    .describe('Validity of a SAS token; renewed after 80 to 90 % of it'),
  keepAlive: duration(5_000, 1_177_000)
    .prefault('60s')
    .describe('A silent link is tested this often, and lost after one and a half times this'),
  connectTimeout: duration(1_000, 300_000).prefault('30s').describe('Time for TCP and TLS, and again for the answer of the hub'),
  ackTimeout: duration(5_000, 600_000)
    .prefault('60s')
    .describe('A link on which messages wait and none is acknowledged for so long is lost'),
  answerTimeout: duration(1_000, 300_000).prefault('30s').describe('For one answer of the device twin'),
  window: z.int().min(1).max(100).default(16).describe('Messages under way at once'),
  maxMessage: size(4_096, hardLimitBytes - 4_096, 'because IoT Hub takes 256 KiB with the properties')
    .prefault('240KB')
    .describe('Largest body the gateway makes, under the 256 KiB of the hub with properties'),
});

/** All durations in milliseconds, `maxMessage` in bytes. */
export const AzureSettings = AzureSettingsFields.superRefine((settings, context) => {
  const problem = (key: string, message: string): void => void context.addIssue({ code: 'custom', path: [key], message });
  const { connectionString, host, key, certificate, privateKey, dps } = settings;
  if (dps) {
    for (const other of ['connectionString', 'host', 'deviceId', 'key', 'certificate', 'privateKey'] as const)
      if (settings[other]) problem(other, 'with dps, the hub and the device come from there; what proves the device stands below dps');
    return;
  }
  if (connectionString && host) problem('host', 'the connection string names the hub already; keep one of the two');
  if (!connectionString && !host) problem('connectionString', 'name the hub: connectionString: { file: … }, or host and key, or dps');
  if (connectionString && key) problem('key', 'the connection string carries the key already; keep one of the two');
  if (certificate && key) problem('key', 'a device proves itself with a key or with a certificate, not both');
  if (host && !key && !certificate) problem('key', 'with host, give key: { file: … }, or certificate and privateKey');
  if (certificate && !privateKey) problem('privateKey', 'a certificate needs its private key');
  if (privateKey && !certificate) problem('certificate', 'a private key needs its certificate');
});
export type AzureSettings = z.infer<typeof AzureSettings>;

export const azure: HubClientKind<AzureSettings> = {
  name: 'azure',
  summary: 'Azure IoT Hub over MQTT with TLS',
  settings: AzureSettings,
  where: ({ host, dps }) => `Azure IoT Hub${host ? `, ${host}` : ''}${dps ? `, assigned by ${dps.endpoint}` : ''}`,
  load: () => import('./client.ts'),
};
