import { createHash, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectContext } from '../contract.ts';
import type { ListenSettings } from './settings.ts';

/** Who and what one machine's mapping lets in. */
export interface Admission {
  readonly equipment: string;
  /** Passwords by user. */
  readonly users: ReadonlyMap<string, string>;
  /** Common names; undefined: everyone whose certificate is valid. Only where TLS asks for certificates. */
  readonly certificates: readonly string[] | undefined;
  readonly anonymous: boolean;
  readonly addresses: readonly string[];
  readonly maxConnections: number;
  /** PEM texts; undefined: no TLS. */
  readonly tls: { readonly certificate: string; readonly key: string; readonly ca: string | undefined } | undefined;
}

/** Opens the secrets of a `listen` block. */
export async function readAdmission({ listen }: ListenSettings, context: ConnectContext): Promise<Admission> {
  const { users, tls, certificates, anonymous, addresses = [], maxConnections } = listen;
  const passwords = await Promise.all(
    Object.entries(users).map(async ([user, reference]) => [user, await context.secret(reference)] as const),
  );
  const pem = tls && {
    certificate: await context.secret(tls.certificate),
    key: await context.secret(tls.key),
    ca: tls.ca && (await context.secret(tls.ca)),
  };
  return { equipment: context.equipment, users: new Map(passwords), certificates, anonymous, addresses, maxConnections, tls: pem };
}

/** What rhea asks of a mechanism on the server's side: `outcome` decides after `start`. */
export interface ServerMechanism {
  outcome: boolean | undefined;
  username: string | undefined;
  start(response: Buffer | undefined): Promise<void>;
}

export interface LoginDecisions {
  /** True when the password of this user is right. */
  knows(user: string, password: string): boolean;
  /** The common name of a certificate that may log in; undefined: this peer has none. */
  readonly certificateName: string | undefined;
  readonly anonymous: boolean;
  refused(who: string): void;
}

/** Makes guessing slow. */
const refusalMs = 500;

/**
 * The mechanisms that a peer may use. Never empty: to rhea no mechanism at all means that everyone is welcome.
 */
export function serverMechanisms(decisions: LoginDecisions): Record<string, () => ServerMechanism> {
  const mechanism = (decide: (response: Buffer) => { readonly user: string; readonly may: boolean }) => (): ServerMechanism => ({
    outcome: undefined,
    username: undefined,
    async start(response) {
      const { user, may } = decide(response ?? Buffer.alloc(0));
      if (!may) {
        decisions.refused(user);
        await sleep(refusalMs);
      }
      this.outcome = may;
      if (may) this.username = user;
    },
  });
  const { certificateName } = decisions;
  return {
    ...(certificateName !== undefined && { EXTERNAL: mechanism(() => ({ user: certificateName, may: true })) }),
    // RFC 4616: authorization identity, user, password, with NUL between them.
    PLAIN: mechanism((response) => {
      const [, user = '', password = ''] = response.toString('utf8').split('\0');
      return { user, may: decisions.knows(user, password) };
    }),
    ...(decisions.anonymous && { ANONYMOUS: mechanism(() => ({ user: '', may: true })) }),
  };
}

/** In constant time, whatever the lengths. */
export function samePassword(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
