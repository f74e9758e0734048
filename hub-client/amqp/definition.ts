import { z } from 'zod';
import type { HubClientKind } from '../contract.ts';
import { compressions } from '../delivery/compression.ts';
import { duration, pemPath, privateKey, secret, size } from '../delivery/setting.ts';
import { placeholders, templateProblems } from '../delivery/template.ts';
import { brokers } from './broker.ts';

const sasls = ['plain', 'external', 'anonymous'] as const;
export type Sasl = (typeof sasls)[number];

const urlPattern = /^amqps?:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?\/?$/;

const AmqpSettingsFields = z.strictObject({
  url: z
    .string()
    .regex(urlPattern, 'amqp://HOST[:PORT] or amqps://HOST[:PORT]; user, password and address have keys of their own')
    .optional()
    .describe('Where the broker is: `amqps://` with TLS (port 5671), `amqp://` without (5672)'),
  connectionString: secret('connection string')
    .optional()
    .describe('Connection string of Service Bus or Event Hubs, as the portal shows it; instead of `url`'),
  hostname: z.string().min(1).optional().describe('Host name told to the broker; RabbitMQ takes `vhost:NAME`. Default: the host'),
  sasl: z.enum(sasls).optional().describe('How we log in. Default: `plain` with a user, `external` with a certificate alone'),
  user: z
    .union([z.string().min(1), secret('user name')])
    .optional()
    .describe('User name for `plain`'),
  password: secret('password').optional().describe('Password for `plain`'),
  certificate: pemPath('certificate').optional().describe('PEM file with our certificate, chain included, where the broker asks for one'),
  privateKey: privateKey().optional().describe('Private key of the certificate, PEM'),
  ca: pemPath('ca').optional().describe('PEM file with the root of a private broker'),
  address: z
    .string()
    .superRefine((text, context) => {
      for (const problem of templateProblems(text)) context.addIssue(problem);
    })
    .optional()
    .describe(
      `Queue or address that messages go to; may hold ${placeholders.map((name) => `{${name}}`).join(' ')}. Default: EntityPath of the connection string`,
    ),
  broker: z
    .enum(['auto', ...brokers])
    .default('auto')
    .describe('Whose rules hold for addresses and answers; `auto` asks the broker itself. Event Hubs must be named'),
  allowUnroutable: z
    .boolean()
    .default(false)
    .describe('Also addresses whose messages the broker may lose while it says that it took them (RabbitMQ 3: topics, exchanges)'),
  checkQueueEvery: duration(1_000, 3_600_000)
    .prefault('30s')
    .describe('RabbitMQ 3: how often to look whether the queue is still there, while messages go to it'),
  partitionKey: z
    .enum(['none', 'gateway', 'equipment'])
    .optional()
    .describe('What keeps its order across partitions. Default: `gateway` for Event Hubs and Service Bus, otherwise `none`'),
  compression: z.enum(compressions).default('none').describe('Of the body'),
  tokenLifetime: duration(60_000, 7 * 86_400_000)
    .prefault('1h')
    .describe('Validity of a SAS token; renewed after 70 to 80 % of it'),
  idleTimeout: duration(2_000, 600_000)
    .prefault('20s')
    .describe('A connection on which nothing comes for so long is dead; the broker is asked to send sooner'),
  connectTimeout: duration(1_000, 300_000)
    .prefault('30s')
    .describe('Time for TCP and TLS, again for the answer of the broker, and again for each link'),
  ackTimeout: duration(5_000, 600_000)
    .prefault('60s')
    .describe('Messages are on the wire and none is settled for so long: the connection is given up'),
  window: z.int().min(1).max(1_000).default(16).describe('Messages under way at once'),
  maxMessage: size(4_096, 64 * 1024 * 1024)
    .prefault('240KB')
    .describe('Largest body the gateway makes; less when the broker says so'),
  maxLinks: z.int().min(1).max(1_000).default(64).describe('Most links at once, where `address` has placeholders'),
  closeLinkAfter: duration(1_000, 86_400_000)
    .prefault('5m')
    .describe('A link without messages is closed, where `address` has placeholders'),
});

/** All durations in milliseconds, sizes in bytes. */
export const AmqpSettings = AmqpSettingsFields.superRefine((settings, context) => {
  const problem = (key: string, message: string): void => void context.addIssue({ code: 'custom', path: [key], message });
  const { url, connectionString, sasl, user, password, certificate, address } = settings;
  if (certificate && !settings.privateKey) problem('privateKey', 'a certificate needs its private key');
  if (settings.privateKey && !certificate) problem('certificate', 'a private key needs its certificate');
  if (connectionString) {
    if (url) problem('url', 'the connection string names the host already; keep one of the two');
    for (const key of ['sasl', 'user', 'password'] as const) {
      if (settings[key] !== undefined) problem(key, 'the connection string proves who we are; leave this out');
    }
    return;
  }
  if (!url) {
    problem('url', 'name the broker: url: amqps://HOST, or connectionString: { file: … }');
    return;
  }
  if (!address) problem('address', 'name the queue or address that messages go to');
  const tls = url.startsWith('amqps:');
  if (user && !password) problem('password', 'a user needs a password: { file: … } or { env: … }');
  if (password && !user) problem('user', 'whose password is it?');
  if (sasl === 'plain' && !user) problem('user', 'plain needs user and password');
  if (sasl === 'external' && !(certificate && tls)) problem('sasl', 'external needs certificate, privateKey and amqps://');
  if (sasl !== undefined && sasl !== 'plain' && user) problem('user', `${sasl} takes no user`);
  if (sasl === undefined && !user && !(certificate && tls)) {
    problem('sasl', 'say how we log in: user and password, or certificate and privateKey; where nobody is asked, sasl: anonymous');
  }
  if (!tls && (certificate || settings.ca)) problem('url', 'a certificate needs TLS: amqps://');
});
export type AmqpSettings = z.infer<typeof AmqpSettings>;

export const amqp: HubClientKind<AmqpSettings> = {
  name: 'amqp',
  summary: 'AMQP 1.0: RabbitMQ, ActiveMQ Artemis, Azure Service Bus and Event Hubs, Qpid',
  settings: AmqpSettings,
  where: ({ url, address }) =>
    ['AMQP', url?.replace(/^amqps?:\/\//, '').replace(/\/$/, '') ?? 'Service Bus', ...(address === undefined ? [] : [address])].join(', '),
  load: () => import('./client.ts'),
};
