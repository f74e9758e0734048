import { request } from 'node:https';
import type { TlsOptions } from '../../hub-client/delivery/socket.ts';
import { tlsOptions } from '../../hub-client/delivery/socket.ts';

/** Tokens carry times, so a clock may not be further off than this. */
export const tolerableMs = 5 * 60_000;

const withinMs = 3_000;

/**
 * How far the clock of this machine is ahead of that server's, in milliseconds, by the `Date` of an answer over HTTPS; undefined when it
 * does not give one (Date has whole seconds, so does the result, about).
 */
export function clockAheadMs(host: string, port: number, tls: TlsOptions): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asked = request(
      { host, port, method: 'HEAD', path: '/', timeout: withinMs, agent: false, ...tlsOptions(host, tls) },
      (answer) => {
        answer.resume();
        const serverMs = Date.parse(answer.headers.date ?? '');
        resolve(Number.isNaN(serverMs) ? undefined : Date.now() - serverMs);
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.on('close', () => resolve(undefined));
    asked.end();
  });
}

/** `3 h 5 min ahead of`, `12 min behind`. */
export function deviation(aheadMs: number): string {
  const minutes = Math.round(Math.abs(aheadMs) / 60_000);
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  const parts = [days && `${days} d`, hours && `${hours} h`, rest && `${rest} min`].filter((part) => part !== 0);
  return `${parts.join(' ')} ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
}
