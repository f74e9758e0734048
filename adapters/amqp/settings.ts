import { z } from 'zod';
import { duration, secretReference } from '../../mappings/connection-keys.ts';

export const saslMechanisms = ['plain', 'external', 'anonymous'] as const;
export type SaslMechanism = (typeof saslMechanisms)[number];

/** Ports that IANA gave AMQP, plain and over TLS. */
export const amqpPort = 5672;
export const amqpsPort = 5671;

const refuse = (context: z.RefinementCtx, rule: string, message: string, hint?: string, path?: string[]): void =>
  context.addIssue({ code: 'custom', message, params: { rule, hint }, ...(path && { path }) });

const port = z
  .int()
  .superRefine((n, context) => {
    if (n < 1 || n > 65_535) refuse(context, 'port', `${n} is not a TCP port; it must be 1 to 65535`);
  })
  .meta({ minimum: 1, maximum: 65_535 });

/** `tls: true`, or what differs from the defaults. */
const clientTls = z.union([
  z.boolean(),
  z.strictObject({
    ca: secretReference
      .optional()
      .describe('Certificates of the authorities that may vouch for the broker, PEM; left out: those of the system'),
    certificate: secretReference.optional().describe('Our own certificate, PEM, for brokers that ask for one'),
    key: secretReference.optional().describe('The key of our certificate, PEM'),
    servername: z.string().min(1).optional().describe('Name that the certificate of the broker must carry; left out: host'),
  }),
]);

const serverTls = z.strictObject({
  certificate: secretReference.describe('Certificate of this gateway, PEM, with its chain'),
  key: secretReference.describe('The key of the certificate, PEM'),
  ca: secretReference
    .optional()
    .describe(
      'Certificates of the authority that vouches for the machines, PEM. With it, a machine may log in by its certificate (SASL EXTERNAL)',
    ),
});

const listen = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('Own address to listen on; 0.0.0.0 for all, left out: this computer only'),
  port: port.optional().describe('TCP port; left out: 5672, with tls 5671'),
  tls: serverTls.optional().describe('Left out: an open connection, whose passwords anyone on the network can read'),
  users: z
    .record(z.string().min(1), secretReference)
    .default({})
    .describe('Machines that may log in with a password (SASL PLAIN): name: { file: … }'),
  certificates: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Common names that may log in by certificate; left out: everyone for whom tls.ca vouches'),
  anonymous: z.boolean().default(false).describe('true: machines may send without logging in'),
  addresses: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Further addresses that machines may send to, beside those of the points; what arrives there is accepted and not kept'),
  maxConnections: z.int().min(1).max(1_000).default(32).describe('Machines that may be connected at once'),
});

const written = z.strictObject({
  host: z.string().min(1).optional().describe('Host name or IP address of the broker'),
  port: port.optional().describe('TCP port; left out: 5672, with tls 5671'),
  tls: clientTls.default(false).describe('true, or { ca, certificate, key, servername }'),
  user: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Who logs in: this gateway at the broker; with listen, the machine at this gateway, whose messages then are the only ones that count',
    ),
  password: secretReference.optional(),
  sasl: z
    .enum(saslMechanisms)
    .optional()
    .describe('How to log in; left out: plain with a user, external with a certificate of our own, otherwise anonymous'),
  hostname: z
    .string()
    .min(1)
    .optional()
    .describe('Name of the broker as it knows itself; left out: host. RabbitMQ: vhost:NAME chooses a virtual host'),
  address: z
    .string()
    .min(1)
    .max(1_024)
    .optional()
    .describe('Queue or topic of all points that name no other, in the notation of the broker'),
  credit: z
    .int()
    .min(1)
    .max(2_000)
    .default(1_000)
    .describe('Most messages of one address that may be under way and not yet stored; fewer where messages are large'),
  timeout: duration(100, 300_000).prefault('10s').describe('Time allowed for connecting and logging in, and for read'),
  idleTimeout: duration(1_000, 3_600_000).prefault('20s').describe('Silence after which the connection counts as broken'),
  containerId: z.string().min(1).max(255).optional().describe('Name of this client; left out: one that this gateway keeps for itself'),
  durable: z
    .boolean()
    .default(false)
    .describe('true: the broker keeps the subscription of a topic while this gateway is away (Artemis, Qpid)'),
  capabilities: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Capabilities that the source must have: [queue] or [topic] where one name is both'),
  selector: z.string().min(1).max(4_096).optional().describe('The broker sends only messages that match: "kind = \'status\'"'),
  listen: listen.optional().describe('In place of host: machines connect to this gateway'),
});

type Written = z.output<typeof written>;
type WrittenListen = NonNullable<Written['listen']>;

interface Both extends Omit<Written, 'host' | 'port' | 'listen' | 'sasl'> {
  readonly sasl: SaslMechanism;
}

export interface BrokerSettings extends Both {
  readonly host: string;
  readonly port: number;
  readonly listen?: undefined;
}

export interface ListenSettings extends Both {
  readonly listen: Omit<WrittenListen, 'port'> & { readonly port: number };
}

/** The connection block, decided: exactly one of `host` and `listen`, ports set, durations in milliseconds. */
export type AmqpSettings = BrokerSettings | ListenSettings;

export const amqpConnection: z.ZodType<AmqpSettings> = written.superRefine(contradictions).transform(decide);

function decide({ host, port: brokerPort, listen: own, sasl, ...rest }: Written): AmqpSettings {
  const both: Both = { ...rest, sasl: sasl ?? mechanismOf(rest) };
  if (own) return { ...both, listen: { ...own, port: own.port ?? (own.tls ? amqpsPort : amqpPort) } };
  return { ...both, host: host ?? '', port: brokerPort ?? (rest.tls === false ? amqpPort : amqpsPort) };
}

function mechanismOf({ user, tls }: Pick<Written, 'user' | 'tls'>): SaslMechanism {
  if (user !== undefined) return 'plain';
  return typeof tls === 'object' && tls.certificate ? 'external' : 'anonymous';
}

function contradictions(settings: Written, context: z.RefinementCtx): void {
  const { host, listen: own } = settings;
  if (host !== undefined && own) {
    refuse(
      context,
      'amqp-host-or-listen',
      'host and listen are both given',
      'Keep host for a broker, listen for machines that connect to us',
      ['listen'],
    );
  }
  if (host === undefined && !own) {
    refuse(
      context,
      'amqp-host-or-listen',
      'neither host nor listen is given',
      'Write host: 10.20.0.5, or listen: { host: 10.20.0.2, users: … }',
    );
  }
  if (own) listenContradictions(settings, own, context);
  else brokerContradictions(settings, context);
}

function brokerContradictions(settings: Written, context: z.RefinementCtx): void {
  const { tls, user, password } = settings;
  const certificate = typeof tls === 'object' ? tls : {};
  const sasl = settings.sasl ?? mechanismOf(settings);
  const login = (message: string, hint: string, key: string): void => refuse(context, 'amqp-login', message, hint, [key]);
  if (sasl === 'plain' && user === undefined) login('sasl: plain needs a user', 'Write user and password', 'sasl');
  if (sasl === 'plain' && user !== undefined && !password)
    login('user without password', 'Write password: { file: … } or { env: … }', 'user');
  if (password && user === undefined) login('password without user', 'Write user', 'password');
  if (sasl === 'external' && !certificate.certificate) {
    login('sasl: external needs a certificate of our own', 'Write tls: { certificate: { file: … }, key: { file: … } }', 'sasl');
  }
  if ((certificate.certificate === undefined) !== (certificate.key === undefined)) {
    login('certificate and key belong together', 'Write both, or leave both out', 'tls');
  }
}

function listenContradictions(settings: Written, own: WrittenListen, context: z.RefinementCtx): void {
  const onlyForBrokers = ['port', 'password', 'sasl', 'hostname', 'durable', 'capabilities', 'selector'] as const;
  const given = onlyForBrokers.filter((key) => settings[key] !== undefined && settings[key] !== false);
  if (settings.tls !== false) given.push('tls' as never);
  for (const key of given) {
    const where = key === 'port' || (key as string) === 'tls' ? `It belongs under listen: { ${key}: … }` : 'Leave it out';
    refuse(context, 'amqp-listen', `${key} is for a broker, and this gateway listens`, where, [key]);
  }
  const byCertificate = own.tls?.ca !== undefined;
  if (Object.keys(own.users).length === 0 && !byCertificate && !own.anonymous) {
    refuse(
      context,
      'amqp-login',
      'nobody could log in: no users, no tls.ca, and anonymous is false',
      'Write users: { press-7: { file: … } }; anonymous: true lets everyone send',
      ['listen', 'users'],
    );
  }
  if (own.certificates && !byCertificate) {
    refuse(context, 'amqp-login', 'certificates without tls.ca', 'Write listen: { tls: { ca: { file: … } } }', ['listen', 'certificates']);
  }
  const { user } = settings;
  const known = user === undefined || byCertificate || user in own.users;
  if (!known) {
    refuse(context, 'amqp-login', `no machine can log in as "${user}"`, `It is none of the users: ${Object.keys(own.users).join(', ')}`, [
      'user',
    ]);
  }
}

/** `10.20.0.5:5672`: where people look. */
export function hostAndPort(host: string, tcpPort: number): string {
  return host.includes(':') ? `[${host}]:${tcpPort}` : `${host}:${tcpPort}`;
}
