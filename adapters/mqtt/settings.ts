import { z } from 'zod';
import { duration, secretReference } from '../../mappings/connection-keys.ts';
import { type Endpoint, endpointOf, urlProblem } from './endpoint.ts';
import { filterProblem } from './topic.ts';

export const versions = ['auto', '5', '3.1.1'] as const;
export type WantedVersion = (typeof versions)[number];

const refuse = (context: z.RefinementCtx, rule: string, message: string, hint?: string, path?: string[]): void =>
  context.addIssue({ code: 'custom', message, params: { rule, hint }, ...(path && { path }) });

/** A part of a Sparkplug topic (Sparkplug 3.0 §4.1: none of `/ + #`). */
const sparkplugId = z.string().superRefine((id, context) => {
  if (id === '' || /[/+#\0]/.test(id)) {
    refuse(context, 'sparkplug-id', `"${id}" cannot be part of a Sparkplug topic`, 'It holds none of / + # and is not empty');
  }
});

const sparkplug = z
  .strictObject({
    group: sparkplugId.optional().describe('Group id of the edge node'),
    edgeNode: sparkplugId.optional().describe('Id of the edge node'),
    device: sparkplugId.optional().describe('Device of the edge node; left out: metrics of the node itself'),
    hostId: sparkplugId
      .optional()
      .describe('Announces this gateway as a host application under this id (spBv1.0/STATE/…); nodes may wait for it'),
    rebirth: z.boolean().default(true).describe('Asks a node for a new birth when data cannot be understood or messages are missing'),
  })
  .superRefine(({ group, edgeNode, device }, context) => {
    if ((group === undefined) !== (edgeNode === undefined)) {
      refuse(context, 'sparkplug-topic', 'group and edgeNode belong together', 'Give both, or write the topic at the points');
    }
    if (device !== undefined && edgeNode === undefined) {
      refuse(context, 'sparkplug-topic', 'device needs group and edgeNode', undefined, ['device']);
    }
  });

const topicFilter = z.string().superRefine((text, context) => {
  const problem = filterProblem(text);
  if (problem) refuse(context, 'mqtt-topic', problem.message, problem.hint);
});

const written = z.strictObject({
  url: z
    .string()
    .superRefine((text, context) => {
      const problem = urlProblem(text);
      if (problem) refuse(context, 'mqtt-url', problem.message, problem.hint);
    })
    .optional()
    .describe('Address of the broker: mqtt://host:1883, mqtts://host:8883, ws://host/mqtt, wss://host/mqtt'),
  host: z.string().min(1).optional().describe('Host name or IP address of the broker, in place of url'),
  port: z.int().min(1).max(65535).optional().describe('TCP port; 1883, with tls 8883'),
  tls: z.boolean().optional().describe('Encrypts the connection; with url its scheme decides'),
  version: z.enum(versions).default('auto').describe('Version of MQTT; auto tries 5 first, then 3.1.1'),
  clientId: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe(
      'Name of the session at the broker; left out: dragoman-EQUIPMENT-XXXXXXXX, the last part made once and kept in the state folder',
    ),
  user: z
    .union([z.string().min(1), secretReference])
    .optional()
    .describe('User name, or where it is: { file: … } or { env: … }'),
  password: secretReference.optional().describe('Where the password is: { file: … } or { env: … }; never the password itself'),
  ca: secretReference
    .optional()
    .describe("Certificate authorities that the broker's certificate must come from, PEM; left out: those of the system"),
  certificate: secretReference.optional().describe('Own certificate, PEM, for brokers that ask for one'),
  key: secretReference.optional().describe('Private key of the certificate, PEM'),
  keepAlive: duration(1_000, 18 * 3_600_000)
    .prefault('30s')
    .describe('A broker that is silent for one and a half times as long is given up'),
  connectTimeout: duration(100, 300_000).prefault('10s').describe('Time allowed until the broker has accepted the connection'),
  sessionExpiry: duration(0, 365 * 86_400_000)
    .prefault('12h')
    .describe('How long the broker keeps messages while the gateway is away; 0s: it keeps none. With 3.1.1 the broker decides'),
  qos: z
    .union([z.literal(1), z.literal(0)])
    .default(1)
    .describe('1: each message is acknowledged when its readings are on disk; 0: at most once'),
  maxInFlight: z.int().min(1).max(65535).default(1000).describe('Messages that may wait for the disk before the broker must hold back'),
  topic: topicFilter.optional().describe('Topic filter of points that give none'),
  ignoreRetained: z.boolean().default(false).describe('Leaves out what the broker kept from before; it may be old'),
  maxPoints: z.int().min(1).max(100_000).default(1000).describe('Most points of one machine that make themselves known by their topics'),
  maxEquipment: z.int().min(1).max(100_000).default(100).describe('Most machines that make themselves known by their topics'),
  sparkplug: sparkplug.optional().describe('Sparkplug B: which edge node or device, and whether this gateway is a host application'),
});

type Written = z.output<typeof written>;

/** The connection block, decided; durations in milliseconds. */
export interface MqttSettings extends Omit<Written, 'url' | 'host' | 'port' | 'tls'> {
  readonly endpoint: Endpoint;
}

export const mqttConnection: z.ZodType<MqttSettings> = written.superRefine(contradictions).transform((settings): MqttSettings => {
  const { url, host, port, tls, ...rest } = settings;
  return { ...rest, endpoint: endpointOf({ url, host, port, tls }) };
});

function contradictions(settings: Written, context: z.RefinementCtx): void {
  const { url, host, port, tls, certificate, key, ca, user, password, sparkplug: sp } = settings;
  if ((url === undefined) === (host === undefined)) {
    const what = url === undefined ? 'neither url nor host is given' : 'url and host are both given';
    refuse(context, 'mqtt-broker', what, 'Write url: mqtt://10.20.0.5:1883', [url === undefined ? 'url' : 'host']);
  }
  if (url !== undefined && port !== undefined) {
    refuse(context, 'mqtt-broker', 'port has no effect beside url', 'Write the port into the url', ['port']);
  }
  if (url !== undefined && tls !== undefined) {
    refuse(context, 'mqtt-broker', 'tls has no effect beside url', 'Write mqtts:// or wss:// for an encrypted connection', ['tls']);
  }
  const encrypted = url === undefined ? tls === true : /^(mqtts|wss):/i.test(url);
  if (!encrypted) {
    for (const [name, given] of Object.entries({ ca, certificate, key })) {
      if (given) refuse(context, 'mqtt-tls', `${name} has no effect without TLS`, 'Write mqtts:// in the url, or tls: true', [name]);
    }
  }
  if ((certificate === undefined) !== (key === undefined)) {
    refuse(context, 'mqtt-tls', 'certificate and key belong together', undefined, [certificate ? 'certificate' : 'key']);
  }
  if (password && user === undefined) refuse(context, 'mqtt-user', 'password needs user', undefined, ['password']);
  if (settings.clientId !== undefined && /[\p{Cc}/+#]/u.test(settings.clientId)) {
    refuse(
      context,
      'mqtt-client-id',
      `"${settings.clientId}" is not a client id that every broker takes`,
      'Write letters, digits, - and _',
      ['clientId'],
    );
  }
  if (sp?.edgeNode !== undefined && settings.topic !== undefined) {
    refuse(context, 'sparkplug-topic', 'topic and sparkplug.edgeNode both say where the metrics are', 'Keep one of them', ['topic']);
  }
}
