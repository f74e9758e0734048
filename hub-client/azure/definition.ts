import { z } from 'zod';
import { formatDuration, parseDuration } from '../../mappings/duration.ts';
import type { HubClientKind } from '../contract.ts';
import { deviceIdProblem } from './connection-string.ts';
import { hardLimitBytes } from './property-bag.ts';

const secret = (what: string) =>
  z.union([z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().min(1) })], {
    error: `say where the ${what} is kept, { file: ./secrets/hub } or { env: NAME }; it does not belong in this file itself`,
  });

const path = (what: string) => z.string({ error: `${what}: the path of a PEM file` }).min(1, `${what}: the path of a PEM file`);

const duration = (minMs: number, maxMs: number) =>
  z.string({ error: 'a duration such as 30s, 5m or 1h' }).transform((text, context): number => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    const problem = ms === undefined ? 'is not a duration such as 30s, 5m or 1h' : 'is out of range';
    context.addIssue(`"${text}" ${problem}; ${formatDuration(minMs)} to ${formatDuration(maxMs)}`);
    return z.NEVER;
  });

const units = { B: 1, KB: 1_000, KIB: 1_024 } as const;

const size = (minBytes: number, maxBytes: number) =>
  z.string({ error: 'a size such as 240KB or 200KiB' }).transform((text, context): number => {
    const match = /^(\d+(?:\.\d+)?)\s*(B|KB|KiB)$/i.exec(text.trim());
    const bytes = match ? Math.floor(Number(match[1]) * units[match[2]?.toUpperCase() as keyof typeof units]) : Number.NaN;
    if (bytes >= minBytes && bytes <= maxBytes) return bytes;
    const problem = match ? 'is out of range' : 'is not a size such as 240KB or 200KiB';
    context.addIssue(`"${text}" ${problem}; ${minBytes} B to ${maxBytes} B, because IoT Hub takes 256 KiB with the properties`);
    return z.NEVER;
  });

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
  certificate: path('certificate').optional().describe('PEM file with the certificate of the device, chain included, for X.509'),
  privateKey: z
    .union([path('privateKey').transform((file) => ({ file })), secret('private key')], {
      error: 'the path of a PEM file, or { file: … } or { env: … }',
    })
    .optional()
    .describe('Private key of the certificate, PEM'),
  ca: path('ca').optional().describe('PEM file with the root of a private hub; the real service needs none'),
  compression: z.enum(['none', 'gzip', 'zstd']).default('none').describe('Of the body; the hub cannot route by a compressed body'),
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
  window: z.int().min(1).max(100).default(16).describe('Messages under way at once'),
  maxMessage: size(4_096, hardLimitBytes - 4_096)
    .prefault('240KB')
    .describe('Largest body the gateway makes, under the 256 KiB of the hub with properties'),
});

/** All durations in milliseconds, `maxMessage` in bytes. */
export const AzureSettings = AzureSettingsFields.superRefine((settings, context) => {
  const problem = (key: string, message: string): void => void context.addIssue({ code: 'custom', path: [key], message });
  const { connectionString, host, key, certificate, privateKey } = settings;
  if (connectionString && host) problem('host', 'the connection string names the hub already; keep one of the two');
  if (!connectionString && !host) problem('connectionString', 'name the hub: connectionString: { file: … }, or host and key');
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
  load: () => import('./client.ts'),
};
