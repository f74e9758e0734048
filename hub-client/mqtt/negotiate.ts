import type { Log } from '../../adapters/contract.ts';
import { GatewayError } from '../../model/error.ts';
import { type Link, type Login, openLink, type Version } from './link.ts';

/** For so long a broker that hung up on MQTT 5 is greeted with 3.1.1: it may have been in trouble, or is newer by then. */
const rememberMs = 3_600_000;

/** Brokers that spoke 3.1.1 only, by `host:port`, and until when we hold that for true (monotonic clock). */
const elders = new Map<string, number>();

/**
 * Opens a link in the version that the settings ask for. `auto` tries MQTT 5, then 3.1.1 when the broker says that it does not speak 5
 * or hangs up without a word (as RabbitMQ before 3.13 does). `loginOf` is asked anew for each CONNECT.
 */
export async function negotiate(
  wanted: 'auto' | '5' | '3.1.1',
  at: string,
  loginOf: (version: Version) => Promise<Login>,
  log: Log,
  signal: AbortSignal,
): Promise<Link> {
  if (wanted !== 'auto') return openLink(await loginOf(wanted === '5' ? 5 : 4), signal);
  if ((elders.get(at) ?? 0) > performance.now()) return openLink(await loginOf(4), signal);
  try {
    return await openLink(await loginOf(5), signal);
  } catch (error) {
    if (!isOtherVersion(error)) throw error;
    const link = await openLink(await loginOf(4), signal);
    elders.set(at, performance.now() + rememberMs);
    log.info({ broker: at }, 'the broker does not speak MQTT 5; MQTT 3.1.1 is used');
    return link;
  }
}

function isOtherVersion(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'hub-protocol' || error.code === 'hub-hung-up');
}
