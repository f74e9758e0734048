import { z } from 'zod';
import type { Claim, HubClientKind } from '../contract.ts';
import { compressions } from '../delivery/compression.ts';
import { duration, pemPath, privateKey, secret, size } from '../delivery/setting.ts';
import { parseEndpoint } from './endpoint.ts';
import { defaultStatusTopic, defaultTopic, topicProblems } from './topic.ts';

const topic = (allowed?: Parameters<typeof topicProblems>[1]) =>
  z.string().superRefine((text, context) => {
    for (const problem of topicProblems(text, allowed)) context.addIssue(`topic "${text}": ${problem}`);
  });

/** Group, node, device and host ids of Sparkplug 3.0 §4.2: part of a topic. */
const sparkplugId = (what: string) =>
  z
    .string()
    .min(1)
    .regex(/^[^/+#\p{Cc}]+$/u, `${what}: any text without / + # and control characters`);

const Sparkplug = z.strictObject({
  group: sparkplugId('group').describe('Group id'),
  edgeNode: sparkplugId('edgeNode').optional().describe('Edge node id, unique within the group; default: the id of the gateway'),
  primaryHost: sparkplugId('primaryHost').optional().describe('Host id to wait for before birth; while it is offline the outbox keeps'),
  aliases: z.boolean().default(true).describe('false: data carries names instead of aliases, for consumers that cannot resolve them'),
});

const Fields = z.strictObject({
  url: z
    .string()
    .transform((text, context) => {
      const endpoint = parseEndpoint(text);
      if (typeof endpoint !== 'string') return endpoint;
      context.addIssue(endpoint);
      return z.NEVER;
    })
    .describe('mqtt://HOST:PORT, mqtts:// for TLS, ws:// or wss:// with a path for web sockets'),
  version: z
    .union([z.enum(['auto', '5', '3.1.1']), z.literal(5).transform(() => '5' as const)], { error: 'auto, 5 or 3.1.1' })
    .default('auto')
    .describe('auto: MQTT 5, and 3.1.1 where the broker does not speak it'),
  clientId: z
    .string()
    .min(1)
    .max(128)
    .regex(/^\P{Cc}+$/u, 'without control characters')
    .optional()
    .describe('Unique among all clients of the broker; default: the id of the gateway'),
  user: z
    .union([z.string().min(1), secret('user name')])
    .optional()
    .describe('User name at the broker'),
  password: secret('password').optional().describe('Password of the user'),
  ca: pemPath('ca').optional().describe('PEM file with the root of the broker; default: the roots that come with Node'),
  certificate: pemPath('certificate').optional().describe('PEM file with the certificate we show, chain included'),
  privateKey: privateKey().optional().describe('Private key of the certificate, PEM'),
  keepAlive: duration(1_000, 65_535_000)
    .prefault('60s')
    .describe('A silent link is tested this often, and lost after one and a half times this'),
  connectTimeout: duration(1_000, 300_000).prefault('30s').describe('Time for TCP and TLS, and again for the answer of the broker'),
  ackTimeout: duration(1_000, 600_000)
    .prefault('60s')
    .describe('A link on which messages wait and none is acknowledged for so long is lost'),
  window: z.int().min(1).max(1_000).default(16).describe('Messages under way at once; the broker may allow fewer (receive maximum)'),
  qos: z
    .literal(1, {
      error: 'only 1: with 0 nobody says that the broker took a message, and 2 costs twice what finding duplicates by id costs',
    })
    .default(1)
    .describe('Always 1, at least once'),
  maxMessage: size(1_024, 64 * 1_048_576)
    .prefault('240KB')
    .describe('Largest body; the broker may allow less (maximum packet size)'),
  compression: z.enum(compressions).default('none').describe('Of the body; MQTT 5 says it in the user property content-encoding'),
  unmarkedCompression: z
    .boolean()
    .default(false)
    .describe('Compresses over MQTT 3.1.1 too, where nothing tells the receiver; it must know'),
  topic: topic().optional().describe(`Topic of a message, with placeholders; default: ${defaultTopic}`),
  retain: z.boolean().optional().describe('Whether messages stay on their topic as the last value; default: where a topic is of one point'),
  messageExpiry: duration(1_000, 4_294_967_295_000).optional().describe('The broker drops what it could not deliver for so long (MQTT 5)'),
  status: z
    .union([topic(['gateway', 'source']), z.literal(false)], { error: 'a topic with {gateway} and {source} at most, or false' })
    .optional()
    .describe(`Retained topic that says online or offline; default: ${defaultStatusTopic}; false: none`),
  sparkplug: Sparkplug.optional().describe('Sparkplug B 3.0 instead of topics and bodies of our own'),
});

/** All durations in milliseconds, `maxMessage` in bytes, `url` taken apart. */
export const MqttSettings = Fields.superRefine((settings, context) => {
  const problem = (key: keyof typeof settings, message: string): void => void context.addIssue({ code: 'custom', path: [key], message });
  const { url, certificate, password, sparkplug } = settings;
  if (certificate && !settings.privateKey) problem('privateKey', 'a certificate needs its private key');
  if (settings.privateKey && !certificate) problem('certificate', 'a private key needs its certificate');
  if (password && !settings.user) problem('user', 'a password needs its user');
  if (url !== undefined && !url.tls) {
    const secure = `${url.protocol}s://`;
    if (certificate) problem('certificate', `a certificate is shown over TLS only; write ${secure} in url`);
    if (settings.ca) problem('ca', `nobody checks a certificate without TLS; write ${secure} in url, or leave ca out`);
  }
  if (settings.version === '3.1.1') {
    if (settings.messageExpiry !== undefined) problem('messageExpiry', 'MQTT 3.1.1 has no expiry');
    if (settings.compression !== 'none' && !settings.unmarkedCompression) {
      problem('compression', 'MQTT 3.1.1 cannot say that a body is compressed; unmarkedCompression: true if the receiver knows');
    }
  }
  if (sparkplug) {
    const without = 'has no meaning with sparkplug, which fixes topics and bodies; leave it out';
    for (const key of ['topic', 'retain', 'messageExpiry', 'status'] as const) if (settings[key] !== undefined) problem(key, without);
    if (settings.compression !== 'none') problem('compression', without);
  }
});
export type MqttSettings = z.infer<typeof MqttSettings>;

export const mqtt: HubClientKind<MqttSettings> = {
  name: 'mqtt',
  summary: 'MQTT broker: Unified Namespace topics, or Sparkplug B',
  settings: MqttSettings,
  where({ url, sparkplug }) {
    const at = `${url.protocol}://${url.host.includes(':') ? `[${url.host}]` : url.host}:${url.port}${url.path}`;
    return sparkplug ? `Sparkplug B group ${sparkplug.group}, ${at}` : `MQTT broker, ${at}`;
  },
  claims({ url, clientId, sparkplug, status }, gateway) {
    const at = `${url.host}:${url.port}`;
    const id: Claim = {
      key: 'clientId',
      what: `the client id "${clientId ?? gateway}" at ${at}`,
      hint: `of two clients with one id a broker throws out the one that was first, for ever; write clientId: for one of them`,
    };
    if (!sparkplug && status === false) return [id];
    if (!sparkplug)
      return [
        id,
        {
          key: 'status',
          what: `the status topic "${status ?? defaultStatusTopic}" at ${at}`,
          hint: 'when one of the two loses its link, the gateway would be said to be offline; write another topic, or status: false, for one of them',
        },
      ];
    const node = `${sparkplug.group}/${sparkplug.edgeNode ?? gateway}`;
    return [
      id,
      {
        key: 'sparkplug',
        what: `the edge node ${node} at ${at}`,
        hint: 'their births and sequence numbers would be mixed; write another edgeNode or group',
      },
    ];
  },
  refuses: ({ sparkplug }, { name }) =>
    sparkplug && name !== 'cloudevents'
      ? `${name} has no meaning with sparkplug, which fixes topics and bodies; leave encoding out`
      : undefined,
  load: () => import('./client.ts'),
};
