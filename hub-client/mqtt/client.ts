import { GatewayError } from '../../model/error.ts';
import type { HubContext, HubSession } from '../contract.ts';
import { readCertificate, readRoot } from '../delivery/pem.ts';
import { addressOf } from '../delivery/unreachable.ts';
import type { MqttSettings } from './definition.ts';
import { Doubts } from './doubts.ts';
import { words } from './endpoint.ts';
import type { Login } from './link.ts';
import { negotiate } from './negotiate.ts';
import { MqttSession } from './session.ts';
import { connectSparkplug } from './sparkplug/connect.ts';
import { statusOf } from './status.ts';
import { defaultStatusTopic, defaultTopic, topicTemplate } from './topic.ts';

/** A certificate that ends sooner than this is worth a line in the log. */
const soonMs = 30 * 86_400_000;
const doubts = new Doubts();

/** Connects to a broker. See the contract for what it rejects with. */
export async function connect(settings: MqttSettings, context: HubContext, signal: AbortSignal): Promise<HubSession> {
  const login = await identify(settings, context);
  if (settings.sparkplug) return connectSparkplug(login, settings, settings.sparkplug, context, signal);
  const { gateway, source, log } = context;
  const at = addressOf(login.place);
  const statusTopic = settings.status === false ? undefined : topicTemplate(settings.status ?? defaultStatusTopic).fill(context, undefined);
  const status = statusTopic ? statusOf(statusTopic, gateway, performance.timeOrigin) : undefined;
  const will = status && { topic: status.topic, body: status.will, retain: true };
  const link = await negotiate(settings.version, at, async (version) => ({ ...login, version, will }), log, signal);
  if (link.version === 4 && settings.compression !== 'none' && !settings.unmarkedCompression) {
    await link.end(500);
    throw new GatewayError(
      'hub-compression',
      `The broker ${at} speaks MQTT 3.1.1, which cannot say that a body is compressed, and the settings ask for ${settings.compression}.`,
      { retry: 'after-fix', hint: 'Write compression: none, or unmarkedCompression: true if every receiver knows.' },
    );
  }
  if (!link.limits.retain) log.info({ broker: at }, 'the broker keeps no retained messages; last values and status go without');
  return new MqttSession(link, {
    at,
    gateway,
    source,
    log,
    window: settings.window,
    maxBodyBytes: settings.maxMessage,
    compression: settings.compression,
    ackTimeoutMs: settings.ackTimeout,
    topic: topicTemplate(settings.topic ?? defaultTopic),
    retain: settings.retain,
    messageExpiryMs: settings.messageExpiry,
    status,
    doubts,
  });
}

/** Secrets and PEM files are read for each connect: what was rotated on disk comes into use without a restart. */
async function identify(settings: MqttSettings, context: HubContext): Promise<Omit<Login, 'version' | 'will'>> {
  const { url, user, password, certificate, privateKey } = settings;
  const ca = settings.ca === undefined ? undefined : await readRoot(settings.ca, context);
  const own = certificate && privateKey ? await readCertificate(certificate, privateKey, context) : undefined;
  if (own && own.parsed.validToDate.getTime() - Date.now() < soonMs) {
    context.log.warn({ broker: addressOf(url), until: own.parsed.validTo }, 'the certificate for the broker ends soon');
  }
  return {
    endpoint: url,
    place: { host: url.host, port: url.port, ca: ca !== undefined, certificate: own?.parsed, words },
    tls: { ca, certificate: own?.pem, privateKey: own?.key },
    clientId: settings.clientId ?? context.gateway,
    user: typeof user === 'object' ? await context.secret(user) : user,
    password: password ? await context.secret(password) : undefined,
    keepAliveMs: settings.keepAlive,
    timeoutMs: settings.connectTimeout,
  };
}
