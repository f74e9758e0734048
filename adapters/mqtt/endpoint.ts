export type Transport = 'tcp' | 'tls' | 'ws' | 'wss';

/** Where the broker is. Plain data. */
export interface Endpoint {
  readonly transport: Transport;
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Of a WebSocket, with its slash; empty otherwise. */
  readonly path: string;
}

const transports: Readonly<Record<string, Transport>> = { mqtt: 'tcp', mqtts: 'tls', ws: 'ws', wss: 'wss' };
/** 1883 and 8883 are registered for MQTT; a WebSocket uses those of the web. */
const ports: Readonly<Record<Transport, number>> = { tcp: 1883, tls: 8883, ws: 80, wss: 443 };

const example = 'Write mqtt://host:1883, mqtts://host:8883, or ws://host/mqtt';
const form = /^(mqtts?|wss?):\/\/(\[[0-9a-f:.]+\]|[^\s/:?#@[\]]+)(?::(\d{1,5}))?(\/[^\s?#]*)?$/i;

/** What is wrong with the address of a broker, or undefined. */
export function urlProblem(text: string): { readonly message: string; readonly hint: string } | undefined {
  const wrong = (message: string, hint = example) => ({ message, hint });
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return wrong(`"${text}" does not begin with mqtt://`);
  const transport = transports[scheme];
  if (transport === undefined) return wrong(`${scheme}:// in "${text}" is not a way to reach a broker`);
  if (text.includes('@')) return wrong('user and password do not belong into the url', 'Write user: and password: { file: … }');
  const parts = form.exec(text);
  if (!parts) return wrong(`"${text}" is not the address of a broker`);
  const [, , , port, path] = parts;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return wrong(`port ${port} is not a number from 1 to 65535`);
  if (path !== undefined && path !== '/' && (transport === 'tcp' || transport === 'tls')) {
    return wrong(`the path "${path}" has no meaning with ${scheme}://`, 'A topic is written under topic:');
  }
  return undefined;
}

/** Of settings that have been checked; what is wrong with them has been said. */
export function endpointOf(given: {
  readonly url: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly tls: boolean | undefined;
}): Endpoint {
  const parts = given.url === undefined ? undefined : form.exec(given.url);
  if (parts) {
    const [, scheme = '', host = '', port, path] = parts;
    const transport = transports[scheme.toLowerCase()] ?? 'tcp';
    const web = transport === 'ws' || transport === 'wss';
    return { transport, host: bare(host), port: port === undefined ? ports[transport] : Number(port), path: web ? (path ?? '/mqtt') : '' };
  }
  const transport = given.tls === true ? 'tls' : 'tcp';
  return { transport, host: bare(given.host ?? ''), port: given.port ?? ports[transport], path: '' };
}

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');

/** `10.20.0.5:1883`, `wss://broker.candyco:443/mqtt`: for messages. */
export function endpointName({ transport, host, port, path }: Endpoint): string {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return transport === 'ws' || transport === 'wss' ? `${transport}://${place}${path}` : place;
}
