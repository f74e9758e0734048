import { Agent, type RequestOptions, request } from 'node:https';
import { text as readText } from 'node:stream/consumers';
import { placeOf } from '../../../hub-client/azure/connect-error.ts';
import { type Identity, tlsOf } from '../../../hub-client/azure/credentials.ts';
import { expiryOf, identityResource, sasToken } from '../../../hub-client/azure/sas.ts';
import { tlsOptions } from '../../../hub-client/delivery/socket.ts';
import { unreachable } from '../../../hub-client/delivery/unreachable.ts';

export interface RestCall {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** Below the hub, percent-encoded. */
  readonly path: string;
  readonly ifMatch?: '*';
  /** JSON. */
  readonly body?: unknown;
}

export interface RestAnswer {
  readonly status: number;
  /** Parsed; undefined when it is no JSON. */
  readonly body: unknown;
}

const apiVersion = '2021-04-12';
/** The token is used at once. */
const tokenLifetimeMs = 300_000;
const withinMs = 30_000;
/** What a quiet connection is kept for: a row of calls. */
const idleMs = 5_000;

/** Calls of a device about itself over the hub's REST API: HTTPS, one connection, by the device's key or certificate. */
export class DeviceRest implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: idleMs });
  readonly #stop = new AbortController();

  /** Rejects with NotConnectedError `hub-unreachable` when there is no answer, with GatewayError `hub-tls…` when it is not this hub that answers. */
  async call(device: Identity, port: number, call: RestCall): Promise<RestAnswer> {
    try {
      return await this.#once(device, port, call);
    } catch (error) {
      // A connection that was kept may have been closed over there; whether the call arrived is unknown, and each may be made twice.
      if (!(error as { reused?: boolean }).reused) throw this.#told(error, device, port);
    }
    return this.#once(device, port, call).catch((error: unknown) => {
      throw this.#told(error, device, port);
    });
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#agent.destroy();
  }

  #once(device: Identity, port: number, { method, path, ifMatch, body }: RestCall): Promise<RestAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<RestAnswer>();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      ...tlsOptions(device.hub, tlsOf(device)),
      method,
      path: `${path}?api-version=${apiVersion}`,
      host: device.hub,
      port,
      agent: this.#agent,
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(withinMs)]),
      headers: {
        // The name of the hub, without a port: that is how it is known there.
        host: device.hub,
        ...authorization(device),
        ...(ifMatch && { 'if-match': `"${ifMatch}"` }),
        ...(text !== undefined && { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) }),
      },
    };
    const sent = request(options);
    sent.on('error', (error) => reject(Object.assign(error, { reused: sent.reusedSocket })));
    sent.on('response', (response) => {
      readText(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: parsed(answer) }), reject);
    });
    sent.end(text);
    return promise;
  }

  #told(error: unknown, device: Identity, port: number): Error {
    const timedOut = (error as Error).name === 'TimeoutError' || (error as { cause?: Error }).cause?.name === 'TimeoutError';
    const words = {
      usualPort: 'The REST API of IoT Hub listens on 443',
      ports: '443 is HTTPS; the embedded hub has the port of --https',
      noCa: placeOf(device).words.noCa,
      wrongCa: placeOf(device).words.wrongCa,
    };
    const cause = timedOut ? Object.assign(new Error('ETIMEDOUT'), { code: 'ETIMEDOUT' }) : error;
    return unreachable(cause, { ...placeOf(device), host: device.hub, port, words }, Date.now());
  }
}

/** With a certificate the connection itself is the proof. */
function authorization({ hub, deviceId, proof }: Identity): { readonly authorization?: string } {
  if (proof.kind === 'x509') return {};
  const expiresAtS = expiryOf(Date.now(), tokenLifetimeMs);
  return { authorization: sasToken({ resource: identityResource(hub, { deviceId }), key: proof.key, expiresAtS }) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
