import { X509Certificate } from 'node:crypto';
import { GatewayError } from '../../model/error.ts';
import type { HubContext } from '../contract.ts';
import type { TlsOptions } from '../delivery/socket.ts';
import type { Place } from '../delivery/unreachable.ts';
import { parseServiceBusConnectionString, type ServiceBusConnectionString } from './connection-string.ts';
import type { AmqpSettings } from './definition.ts';

/** Where we connect and how we prove who we are. Lives as long as one connect: secrets are read again for the next. */
export interface Endpoint {
  readonly place: Place;
  /** Undefined without TLS. */
  readonly tls: TlsOptions | undefined;
  /** Host name in the open frame. */
  readonly hostname: string;
  readonly login: Login;
  /** Template of the address. */
  readonly address: string;
}

export type Login =
  | { readonly kind: 'plain'; readonly user: string; readonly password: string }
  | { readonly kind: 'external' }
  | { readonly kind: 'anonymous' }
  /** Anonymous SASL, then a token for each address over `$cbs`. */
  | { readonly kind: 'cbs' };

export type Proof = ServiceBusConnectionString['proof'];

const words: Place['words'] = {
  usualPort: 'AMQP with TLS is on 5671, without on 5672',
  ports: '5671 is AMQP over TLS, 5672 is plain',
  noCa: 'A private broker needs ca: in the settings. For Azure: something between here and there (a proxy) answers in its name.',
  wrongCa: 'The file in ca: must hold the root that signed the certificate of this broker.',
};

/** Opens the secrets and files that the settings name. Throws GatewayError `after-fix` that says which of them is wrong, never its content. */
export async function resolveEndpoint(settings: AmqpSettings, context: HubContext): Promise<Endpoint> {
  if (settings.connectionString) {
    const { host, port, tls, entity } = await readConnectionString(settings, context);
    const address = settings.address ?? entity;
    if (address === undefined) {
      throw new GatewayError('connection-string', 'Neither the connection string nor the settings name a queue, topic or event hub.', {
        retry: 'after-fix',
        hint: 'Write address: NAME, or use the connection string of the entity, which ends in ;EntityPath=NAME.',
      });
    }
    const options = await tlsOf(settings, context);
    return {
      place: placeOf(host, port, options),
      tls: tls ? options : undefined,
      hostname: settings.hostname ?? host,
      login: { kind: 'cbs' },
      address,
    };
  }
  const { host, port, tls } = parseUrl(settings.url ?? '');
  const options = await tlsOf(settings, context);
  return {
    place: placeOf(host, port, options),
    tls: tls ? options : undefined,
    hostname: settings.hostname ?? host,
    login: await loginOf(settings, context),
    address: settings.address ?? '',
  };
}

/** What the connection string says now. */
export async function readConnectionString(settings: AmqpSettings, context: HubContext): Promise<ServiceBusConnectionString> {
  return parseServiceBusConnectionString(settings.connectionString ? await context.secret(settings.connectionString) : '');
}

function parseUrl(url: string): { readonly host: string; readonly port: number; readonly tls: boolean } {
  const match = /^(amqps?):\/\/(?:\[([^\]]+)\]|([^:/]+))(?::(\d+))?/.exec(url);
  const tls = match?.[1] === 'amqps';
  return { host: match?.[2] ?? match?.[3] ?? '', port: match?.[4] ? Number(match[4]) : tls ? 5671 : 5672, tls };
}

function placeOf(host: string, port: number, { ca, certificate }: TlsOptions): Place {
  return { host, port, ca: ca !== undefined, certificate: certificate === undefined ? undefined : new X509Certificate(certificate), words };
}

async function tlsOf({ ca, certificate, privateKey }: AmqpSettings, context: HubContext): Promise<TlsOptions> {
  const pem = async (file: string | undefined): Promise<string | undefined> =>
    file === undefined ? undefined : checked(await context.secret({ file }), file);
  return { ca: await pem(ca), certificate: await pem(certificate), privateKey: privateKey && (await context.secret(privateKey)) };
}

function checked(text: string, file: string): string {
  try {
    new X509Certificate(text);
    return text;
  } catch (cause) {
    throw new GatewayError('hub-certificate', `${file} holds no certificate in PEM form.`, {
      retry: 'after-fix',
      hint: 'It must begin with -----BEGIN CERTIFICATE-----.',
      cause,
    });
  }
}

async function loginOf({ sasl, user, password }: AmqpSettings, context: HubContext): Promise<Login> {
  if (sasl === 'external' || sasl === 'anonymous') return { kind: sasl };
  if (user === undefined || password === undefined) return { kind: 'external' };
  // A file written by an editor ends in a line break that is no part of the secret.
  const opened = (text: string): string => text.replace(/\r?\n$/, '');
  return {
    kind: 'plain',
    user: typeof user === 'string' ? user : opened(await context.secret(user)),
    password: opened(await context.secret(password)),
  };
}
