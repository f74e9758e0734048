import type { X509Certificate } from 'node:crypto';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { ConnectContext } from '../contract.ts';
import { certificateFacts, colons, parseChain } from './certificate.ts';
import { withDeadline } from './deadline.ts';
import { checkUser, chooseEndpoint, policyUri } from './endpoint-choice.ts';
import { type Peer, timedOut, translateFailure } from './failures.ts';
import { type Identity, openIdentity } from './identity.ts';
import {
  type EndpointDescription,
  MessageSecurityMode,
  OPCUAClient,
  type OPCUAClientOptions,
  type Session,
  StatusCodes,
  type UserIdentityInfo,
  UserTokenType,
} from './library.ts';
import { hostAndPort, type OpcuaSettings } from './settings.ts';
import { noteUntrusted } from './trust.ts';
import { checkTrust } from './trust-check.ts';

/** A channel with one session on it. Once lost it stays lost: the equipment loop opens another. */
export interface ServerLink extends AsyncDisposable {
  readonly session: Session;
  readonly peer: Peer;
  /** Resolves when the channel is gone, with why. */
  readonly lost: Promise<NotConnectedError>;
  readonly isLost: () => boolean;
}

/** Opens channel and session, all within `connectTimeout`. Rejects with what a person can act on. */
export async function openLink(settings: OpcuaSettings, context: ConnectContext, signal: AbortSignal): Promise<ServerLink> {
  const where = hostAndPort(settings.endpoint);
  let peer: Peer = { where, endpoint: settings.endpoint, user: userText(settings), own: undefined };
  const clients: OPCUAClient[] = [];
  const open = async (): Promise<ServerLink> => {
    const identity = await openIdentity(context.stateFolder, context.log);
    peer = { ...peer, own: identity };
    if (identity.validTo < new Date() && settings.security.mode !== 'None') throw ownExpired(identity);
    const login = await readLogin(settings, context);
    const start = (options: OPCUAClientOptions): OPCUAClient => {
      signal.throwIfAborted();
      const client = OPCUAClient.create({ ...clientOptions(settings, context, identity), ...options });
      clients.push(client);
      return client;
    };
    const endpoint = settings.security.mode === 'None' ? undefined : await discover(start({}), settings, where);
    if (endpoint) await requireTrust(endpoint, settings, context, where);
    const client = start(
      endpoint
        ? { securityMode: endpoint.securityMode, securityPolicy: policyUri(endpoint), serverCertificate: endpoint.serverCertificate }
        : {},
    );
    const lost = watchForLoss(client, where);
    await client.connect(settings.endpoint);
    checkUser(endpoint ?? chooseEndpoint(await client.getEndpoints(), settings, where), settings, where);
    const session = (await client.createSession(login as UserIdentityInfo)) as Session;
    return { session, peer, ...lost, [Symbol.asyncDispose]: () => close([client], session) };
  };
  const opening = open();
  try {
    return await withDeadline(
      opening,
      settings.connectTimeout,
      () => timedOut({ where }, 'did not open a session', settings.connectTimeout),
      signal,
    );
  } catch (error) {
    // The attempt may still be under way in the library; whatever it opened is closed behind it.
    opening.then(
      (late) => late[Symbol.asyncDispose](),
      () => {},
    );
    await close(clients, undefined);
    if (signal.aborted) throw new NotConnectedError('opcua-stopped', `connecting to ${where} was stopped`, { retry: 'with-backoff' });
    throw translateFailure(error, peer);
  }
}

function clientOptions(settings: OpcuaSettings, context: ConnectContext, identity: Identity): OPCUAClientOptions {
  return {
    applicationName: 'Dragoman',
    applicationUri: identity.applicationUri,
    clientName: context.equipment,
    securityMode: MessageSecurityMode.None,
    // Only the equipment loop reconnects: see docs/decisions/0004-opcua-reconnect.md.
    connectionStrategy: { maxRetry: 0, initialDelay: 10, maxDelay: 10 },
    // The host that the engineer typed is used, whatever the server advertises.
    endpointMustExist: false,
    keepSessionAlive: false,
    requestedSessionTimeout: settings.sessionTimeout,
    defaultTransactionTimeout: settings.timeout,
    transportTimeout: settings.connectTimeout,
    certificateKeyPairProvider: {
      getCertificate: () => identity.chain[0]!,
      getCertificateChain: () => identity.chain,
      getPrivateKey: () => identity.privateKey,
    },
    clientCertificateManager: refusingStore,
  };
}

/** Trust is decided in `requireTrust`, before the channel opens. Should the library ever ask by itself, the answer is no. */
const refusingStore = {
  referenceCounter: 0,
  initialize: async () => {},
  dispose: async () => {},
  checkCertificate: async () => StatusCodes.BadCertificateUntrusted,
  verifyCertificate: async () => 'BadCertificateUntrusted',
  trustCertificate: async () => {},
  rejectCertificate: async () => {},
  getTrustStatus: async () => StatusCodes.BadCertificateUntrusted,
  addIssuer: async () => {},
  addRevocationList: async () => {},
} as unknown as NonNullable<OPCUAClientOptions['clientCertificateManager']>;

/** Asks what the server offers, over an open channel that carries nothing else. */
async function discover(client: OPCUAClient, settings: OpcuaSettings, where: string): Promise<EndpointDescription> {
  await client.connect(settings.endpoint);
  try {
    return chooseEndpoint(await client.getEndpoints(), settings, where);
  } finally {
    await client.disconnect();
  }
}

async function requireTrust(endpoint: EndpointDescription, settings: OpcuaSettings, context: ConnectContext, where: string): Promise<void> {
  let chain: X509Certificate[];
  try {
    chain = parseChain(endpoint.serverCertificate ?? new Uint8Array());
  } catch {
    throw new GatewayError('opcua-server-certificate', `${where} presents something that is not a certificate`, {
      retry: 'after-fix',
      hint: 'Renew the certificate on the server',
    });
  }
  const verdict = await checkTrust(context.stateFolder, chain, settings.trust);
  if (verdict.kind === 'trusted') return;
  if (verdict.kind === 'invalid') {
    throw new GatewayError('opcua-server-certificate', `${where} was not connected: ${verdict.why}`, {
      retry: 'after-fix',
      hint: 'Renew the certificate on the server, or correct the clock or trust: in the connection; `dragoman trust` shows what is known',
    });
  }
  await noteUntrusted(context.stateFolder, chain[0]!, settings.endpoint);
  const { sha1, sha256, subject } = certificateFacts(chain[0]!);
  throw new GatewayError('opcua-server-untrusted', `the certificate of ${where} (${subject}) is not trusted yet`, {
    retry: 'after-fix',
    hint: `Compare its fingerprint with the server's: SHA-1 ${colons(sha1)}, SHA-256 ${colons(sha256)}. If equal, run \`dragoman trust ${sha1.slice(0, 8)}\`; the gateway then connects by itself`,
  });
}

function ownExpired(identity: Identity): GatewayError {
  return new GatewayError(
    'opcua-certificate-time',
    `this gateway's OPC UA certificate expired on ${identity.validTo.toISOString().slice(0, 10)}`,
    {
      retry: 'after-fix',
      hint: 'Check the clock of this gateway. If it is right, remove own/ in the pki folder and restart; the new certificate must then be trusted on every server',
    },
  );
}

function userText({ user }: OpcuaSettings): string {
  if (user === 'anonymous') return 'anonymous access';
  return 'name' in user ? `user "${user.name}" or its password` : 'the user certificate';
}

async function readLogin({ user }: OpcuaSettings, context: ConnectContext): Promise<object> {
  if (user === 'anonymous') return { type: UserTokenType.Anonymous };
  if ('name' in user)
    return { type: UserTokenType.UserName, userName: user.name, password: (await context.secret(user.password)).replace(/\r?\n$/, '') };
  const [certificate, privateKey] = await Promise.all([context.secret(user.certificate), context.secret(user.key)]);
  const base64 = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(certificate)?.[1];
  if (base64 === undefined) {
    throw new GatewayError('opcua-user-certificate', 'user.certificate holds no certificate in PEM', {
      retry: 'after-fix',
      hint: 'It begins with -----BEGIN CERTIFICATE-----',
    });
  }
  return { type: UserTokenType.Certificate, certificateData: Buffer.from(base64, 'base64'), privateKey };
}

function watchForLoss(client: OPCUAClient, where: string): Pick<ServerLink, 'lost' | 'isLost'> {
  let gone = false;
  const lost = new Promise<NotConnectedError>((resolve) => {
    const report = (error?: Error | null): void => {
      gone = true;
      const why = error ? `: ${error.message.replaceAll(/\s+/g, ' ').trim().slice(0, 120)}` : '';
      resolve(
        new NotConnectedError('opcua-connection-lost', `the connection to ${where} was lost${why}`, {
          retry: 'with-backoff',
          hint: 'The server was stopped or restarted, or the network broke; the gateway connects again by itself',
        }),
      );
    };
    client.on('connection_lost', () => report());
    client.on('close', (error) => report(error));
  });
  return { lost, isLost: () => gone };
}

const closingMs = 1_000;

/** Orderly where the server answers, by force where it does not. */
async function close(clients: readonly OPCUAClient[], session: Session | undefined): Promise<void> {
  const late = (): Error => new Error('late');
  await Promise.all(
    clients.map(async (client) => {
      try {
        if (session) await withDeadline(session.close(true), closingMs, late).catch(() => {});
        await withDeadline(client.disconnect(), closingMs, late);
      } catch {
        const channel = (client as unknown as { _secureChannel?: { abortConnection(done: () => void): void } })._secureChannel;
        channel?.abortConnection(() => {});
      }
    }),
  );
}
