import type { Place } from '../delivery/unreachable.ts';

export const protocols = ['mqtt', 'mqtts', 'ws', 'wss'] as const;
export type Protocol = (typeof protocols)[number];

/** Where the broker is, taken out of the written URL. */
export interface Endpoint {
  readonly protocol: Protocol;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** Of a web socket, with its query. */
  readonly path: string;
  readonly tls: boolean;
}

const usualPorts = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 } as const;

/** Reads the URL of a broker; a text instead says what is wrong with it. */
export function parseEndpoint(text: string): Endpoint | string {
  const url = URL.parse(text);
  const protocol = protocols.find((each) => url?.protocol === `${each}:`);
  if (!url || !protocol || !text.includes('://')) {
    return `"${text}" is not the URL of a broker; write mqtt://HOST, mqtts://HOST (TLS), ws://HOST/PATH or wss://HOST/PATH, with :PORT where it is not the usual one`;
  }
  if (url.hostname === '') return 'it names no host';
  if (url.username !== '' || url.password !== '') return 'user and password are settings of their own: user: …, password: { file: … }';
  if (url.hash !== '') return 'a # has no place in it';
  const web = protocol === 'ws' || protocol === 'wss';
  if (!web && url.pathname !== '' && url.pathname !== '/')
    return `the path ${url.pathname} has no meaning with ${protocol}; topics stand in topic:`;
  return {
    protocol,
    host: decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? usualPorts[protocol] : Number(url.port),
    path: web ? `${url.pathname === '' ? '/' : url.pathname}${url.search}` : '',
    tls: protocol === 'mqtts' || protocol === 'wss',
  };
}

/** How failures on the way are worded for brokers. */
export const words: Place['words'] = {
  usualPort: 'Brokers listen on 1883 (mqtt), 8883 (mqtts), 80 or 443 (ws, wss)',
  ports: '8883 is MQTT over TLS (mqtts), 1883 is plain (mqtt)',
  noCa: 'A broker with a certificate of its own needs ca: in the settings, the PEM file of the root that signed it.',
  wrongCa: 'The file in ca: must hold the root that signed the certificate of this broker.',
};
