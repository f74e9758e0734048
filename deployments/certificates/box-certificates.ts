import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { GatewayError } from '../../model/error.ts';
import type { KeyStore } from '../key-store.ts';
import { type CertificateWithKey, issueCertificate, makeAuthority, type WantedCertificate } from './issuing.ts';

/** What a TLS server or client presents: its certificate and those of its issuers, without the root. */
export interface IssuedCertificate extends CertificateWithKey {
  readonly expiresMs: number;
}

const dayMs = 86_400_000;
const yearMs = 365 * dayMs;
const rootYears = 20;
const edgeYears = 3;
/** A new root is made when the newest has less than this left; modules then have years to read the new trust bundle. */
const renewRootBeforeMs = 5 * yearMs;
/** Two years of an edge CA are used; what it issues lives for at most one. */
const renewEdgeBeforeMs = yearMs;
const leafDays = 365;
/** The broker's certificate is made anew when it has less than this left. */
export const renewBrokerBeforeMs = 30 * dayMs;

const edgeName = 'edge-ca.pem';
const brokerName = 'broker.pem';
const rootName = (index: number): string => `root-ca-${index}.pem`;

/**
 * The authorities of this box: a root, which modules trust, and an edge CA below it, which issues. Both are made at the first start and renewed long
 * before they expire: a new root stands in the trust bundle for two years before anything depends on it.
 */
export class BoxCertificates {
  readonly #store: KeyStore;
  readonly #deviceId: string;
  readonly #now: () => number;
  /** Oldest first. */
  #roots: readonly CertificateWithKey[] = [];
  #lane: Promise<unknown> = Promise.resolve();

  private constructor(store: KeyStore, deviceId: string, now: () => number) {
    this.#store = store;
    this.#deviceId = deviceId;
    this.#now = now;
  }

  /** Rejects with `box-certificates-damaged` when a stored authority cannot be read: a new root would lock out all that trust the old one. */
  static async open(parts: { readonly store: KeyStore; readonly deviceId: string; readonly now?: () => number }): Promise<BoxCertificates> {
    const box = new BoxCertificates(parts.store, parts.deviceId, parts.now ?? Date.now);
    await box.#inTurn(async () => {
      box.#roots = await box.#readRoots();
      await box.#edge();
    });
    return box;
  }

  /** PEM of every root that is in force: what a module may trust, and nothing else. */
  get trustBundle(): string {
    const now = this.#now();
    return this.#roots
      .filter((root) => expiryOf(root) > now)
      .map(({ certificate }) => certificate)
      .join('');
  }

  /**
   * The certificate of the module broker for `names` (the gateway's host name first, aliases, addresses): the stored one while it fits, else a new one.
   * Ask again once a day, and give the server what comes.
   */
  broker(names: readonly string[]): Promise<IssuedCertificate> {
    return this.#inTurn(async () => {
      const edge = await this.#edge();
      const stored = readPair(await this.#store.read(brokerName));
      if (stored && this.#fits(stored, edge, names)) return withChain(stored, edge);
      const made = await this.#issue(edge, { commonName: shortest(names[0] ?? 'localhost'), names, use: 'server' });
      await this.#store.write(brokerName, asText(made));
      return withChain(made, edge);
    });
  }

  /** For a module that serves TLS itself. RSA 2048; made anew at each call and kept nowhere. */
  server(wanted: {
    readonly commonName: string;
    readonly names: readonly string[];
    readonly expiresMs?: number;
  }): Promise<IssuedCertificate> {
    return this.#module({ ...wanted, use: 'server' });
  }

  /** For a module that shows who it is to another server. */
  identity(wanted: {
    readonly commonName: string;
    readonly names?: readonly string[];
    readonly uris: readonly string[];
    readonly expiresMs?: number;
  }): Promise<IssuedCertificate> {
    return this.#module({ ...wanted, names: wanted.names ?? [], use: 'client' });
  }

  async #module(
    wanted: Omit<WantedCertificate, 'notBeforeMs' | 'notAfterMs'> & { readonly expiresMs?: number },
  ): Promise<IssuedCertificate> {
    const edge = await this.#inTurn(() => this.#edge());
    return withChain(await this.#issue(edge, { ...wanted, keys: 'RSA-2048' }, wanted.expiresMs), edge);
  }

  #issue(edge: CertificateWithKey, wanted: Omit<WantedCertificate, 'notBeforeMs' | 'notAfterMs'>, expiresMs = Infinity) {
    const now = this.#now();
    // A plant's clocks are not all right: valid since yesterday.
    return issueCertificate(edge, { ...wanted, notBeforeMs: now - dayMs, notAfterMs: Math.min(expiresMs, now + leafDays * dayMs) });
  }

  #fits(stored: CertificateWithKey, edge: CertificateWithKey, names: readonly string[]): boolean {
    const leaf = new X509Certificate(stored.certificate);
    return (
      expiryOf(stored) - this.#now() > renewBrokerBeforeMs &&
      leaf.verify(new X509Certificate(edge.certificate).publicKey) &&
      names.every((name) => (isIP(name) ? leaf.checkIP(name) : leaf.checkHost(name, { subject: 'never' })) !== undefined)
    );
  }

  /** The edge CA that issues now. */
  async #edge(): Promise<CertificateWithKey> {
    const now = this.#now();
    const stored = readPair(await this.#store.read(edgeName));
    const known = stored && this.#roots.some((root) => issued(root, stored));
    if (stored && known && expiryOf(stored) - now > renewEdgeBeforeMs) return stored;
    await this.#ensureRoot(now);
    const wantedEnd = now + edgeYears * yearMs;
    // The oldest that outlives it: whoever has not read the trust bundle since a new root was made still trusts it.
    const root = this.#roots.find((candidate) => expiryOf(candidate) >= wantedEnd) ?? this.#roots.at(-1);
    if (!root) throw new Error('no root');
    const made = await makeAuthority(
      { commonName: this.#named('edge CA', now), pathLength: 0, notBeforeMs: now - dayMs, notAfterMs: Math.min(wantedEnd, expiryOf(root)) },
      root,
    );
    await this.#store.write(edgeName, asText(made));
    return made;
  }

  async #ensureRoot(now: number): Promise<void> {
    const newest = this.#roots.at(-1);
    if (newest && expiryOf(newest) - now > renewRootBeforeMs) return;
    const made = await makeAuthority({
      commonName: this.#named('root CA', now),
      pathLength: 1,
      notBeforeMs: now - dayMs,
      notAfterMs: now + rootYears * yearMs,
    });
    await this.#store.write(rootName(this.#roots.length + 1), asText(made));
    this.#roots = [...this.#roots, made];
  }

  async #readRoots(): Promise<readonly CertificateWithKey[]> {
    const found: CertificateWithKey[] = [];
    for (let index = 1; ; index++) {
      const text = await this.#store.read(rootName(index));
      if (text === undefined) return found;
      const root = readPair(text);
      if (!root) {
        throw new GatewayError(
          'box-certificates-damaged',
          `the root certificate ${rootName(index)} of this box, or its key, cannot be read; a new one would lock out every module that trusts it`,
          { retry: 'after-fix', hint: 'restore the file from a backup, or move it away to make a new root and restart all modules' },
        );
      }
      found.push(root);
    }
  }

  #named(what: string, now: number): string {
    return shortest(`Dragoman ${what} ${new Date(now).toISOString().slice(0, 10)} ${this.#deviceId}`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lane.then(work);
    this.#lane = done.catch(() => {});
    return done;
  }
}

/** A common name has at most 64 characters (X.520); the names that count stand in the alternative names. */
const shortest = (name: string): string => name.slice(0, 64);

const expiryOf = ({ certificate }: CertificateWithKey): number => new X509Certificate(certificate).validToDate.getTime();

const issued = (issuer: CertificateWithKey, { certificate }: CertificateWithKey): boolean =>
  new X509Certificate(certificate).verify(new X509Certificate(issuer.certificate).publicKey);

const withChain = (leaf: CertificateWithKey, edge: CertificateWithKey): IssuedCertificate => ({
  certificate: `${leaf.certificate}${edge.certificate}`,
  privateKey: leaf.privateKey,
  expiresMs: expiryOf(leaf),
});

/** One file for both, so that they always belong together. */
const asText = ({ certificate, privateKey }: CertificateWithKey): string => `${certificate}${privateKey}`;

/** Undefined when absent, not PEM, or not a pair. */
function readPair(text: string | undefined): CertificateWithKey | undefined {
  const certificate = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/.exec(text ?? '')?.[0];
  const privateKey = /-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----\n?/.exec(text ?? '')?.[0];
  if (certificate === undefined || privateKey === undefined) return undefined;
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey)) ? { certificate, privateKey } : undefined;
  } catch {
    return undefined;
  }
}
