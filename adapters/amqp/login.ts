import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectContext, SecretReference } from '../contract.ts';
import { rhea } from './library.ts';
import type { BrokerSettings } from './settings.ts';

/** The secrets of a connection to a broker, opened. PEM texts. */
export interface Login {
  readonly password?: string;
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
}

export async function readLogin({ password, tls }: BrokerSettings, context: ConnectContext): Promise<Login> {
  const { ca, certificate, key } = typeof tls === 'object' ? tls : {};
  const open = (reference: SecretReference | undefined): Promise<string> | undefined => reference && context.secret(reference);
  const [passwordText, caText, certificateText, keyText] = await Promise.all([open(password), open(ca), open(certificate), open(key)]);
  return {
    ...(passwordText !== undefined && { password: passwordText }),
    ...(caText !== undefined && { ca: caText }),
    ...(certificateText !== undefined && { certificate: certificateText }),
    ...(keyText !== undefined && { key: keyText }),
  };
}

type Mechanism = () => { start(done: (error: undefined, response: Buffer) => void): void };

/** The one way to log in that the settings name. rhea's own PLAIN cuts names and passwords that are not ASCII. */
export function saslMechanism({ sasl, user }: BrokerSettings, { password = '' }: Login): Record<string, unknown> {
  const mechanisms = rhea.sasl.client_mechanisms() as unknown as Record<string, Mechanism>;
  const answer = (text: string): Mechanism => {
    return () => ({ start: (done) => done(undefined, Buffer.from(text)) });
  };
  if (sasl === 'plain') mechanisms.PLAIN = answer(`\0${user ?? ''}\0${password}`);
  else if (sasl === 'external') mechanisms.EXTERNAL = answer('');
  else mechanisms.ANONYMOUS = answer('dragoman');
  return mechanisms;
}

export function loginText({ sasl, user, tls }: BrokerSettings): string {
  if (sasl === 'plain') return `user "${user}" or its password`;
  if (sasl === 'external') return `the certificate of this gateway${typeof tls === 'object' ? '' : ' (none is set)'}`;
  return 'logins without a user (sasl: anonymous)';
}

const ids = new Map<string, Promise<string>>();

/** A container id that stays the same over restarts and differs between gateways: durable subscriptions hang on it. */
export function ownContainerId(stateFolder: string): Promise<string> {
  let id = ids.get(stateFolder);
  if (!id) {
    id = readOrMake(stateFolder);
    ids.set(stateFolder, id);
    id.catch(() => ids.delete(stateFolder));
  }
  return id;
}

async function readOrMake(stateFolder: string): Promise<string> {
  const file = join(stateFolder, 'container-id');
  await mkdir(stateFolder, { recursive: true });
  const made = `dragoman-${randomUUID()}`;
  try {
    await writeFile(file, made, { flag: 'wx' });
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const known = (await readFile(file, 'utf8')).trim();
    if (known !== '') return known;
    // Cut short by a power failure.
    await writeFile(file, made);
    return made;
  }
}
