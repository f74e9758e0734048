import { once } from 'node:events';
import { type ClientRequest, Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { NotConnectedError } from '../../model/error.ts';
import { urlOf } from './address.ts';
import { readBody } from './body.ts';
import { linkError, PageFault } from './faults.ts';
import { hostAndPort } from './settings.ts';

export interface Answer {
  /** After redirects. */
  readonly url: URL;
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

export interface ClientParts {
  readonly base: URL;
  /** Sent to the origin of `base` alone. */
  readonly headers: Readonly<Record<string, string>>;
  readonly ca: string | undefined;
  readonly timeoutMs: number;
  readonly maxBody: number;
  readonly maxConnections: number;
}

/** Redirects that are followed for one page. */
const mostRedirects = 5;

/** Asks one machine for its pages, over connections that are kept open. */
export class HttpClient {
  readonly where: string;
  readonly counters = { requests: 0, answers: 0, timeouts: 0, connects: 0, redirects: 0, bytes: 0 };
  readonly #parts: ClientParts;
  /** Paths that are being asked. */
  readonly #turns = new Map<string, Promise<void>>();
  readonly #agents: { readonly 'http:': HttpAgent; readonly 'https:': HttpsAgent };

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.where = hostAndPort(parts.base);
    const options = { keepAlive: true, maxSockets: parts.maxConnections, scheduling: 'lifo' as const };
    this.#agents = {
      'http:': new HttpAgent(options),
      'https:': new HttpsAgent({ ...options, ...(parts.ca !== undefined && { ca: parts.ca }) }),
    };
  }

  /** Opens one connection and closes it, so that a machine that is away is told from a page that is not there. NotConnectedError. */
  async probe(signal: AbortSignal): Promise<void> {
    const { base, ca, timeoutMs } = this.#parts;
    const host = base.hostname.replace(/^\[|\]$/g, '');
    const port = Number(base.port || (base.protocol === 'https:' ? 443 : 80));
    const secure = base.protocol === 'https:';
    const socket = secure
      ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...(ca !== undefined && { ca }) })
      : connectTcp({ host, port });
    try {
      await once(socket, secure ? 'secureConnect' : 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
    } catch (error) {
      throw linkError(this.where, signal.aborted || (error as Error).name !== 'AbortError' ? error : { code: 'ETIMEDOUT' });
    } finally {
      socket.on('error', () => {});
      socket.destroy();
    }
  }

  /**
   * The answer to GET, whatever its status; redirects are followed, and requests for one path wait for each other. PageFault when none came
   * that can be used (in time, whole, not too long), NotConnectedError when there is no way to the machine. `headers` give way to those of the settings.
   */
  get(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    const before = this.#turns.get(path);
    const answer = before ? before.then(() => this.#follow(path, headers, signal)) : this.#follow(path, headers, signal);
    const settled = answer.then(
      () => {},
      () => {},
    );
    this.#turns.set(path, settled);
    void settled.then(() => {
      if (this.#turns.get(path) === settled) this.#turns.delete(path);
    });
    return answer;
  }

  async #follow(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    const { base } = this.#parts;
    const first = urlOf(base, path);
    let url = first;
    for (let hops = 0; ; hops++) {
      const answer = await this.#hop(first, url, headers, signal);
      const target = redirectOf(answer);
      if (target === undefined) return answer;
      this.counters.redirects++;
      if (hops === mostRedirects) {
        throw new PageFault('BadConfigurationError', `GET ${first}: more than ${mostRedirects} redirects; check path`, {
          retry: 'after-fix',
        });
      }
      if (url.protocol === 'https:' && target.protocol !== 'https:') {
        const reason = `GET ${url}: redirected to ${target}, which is not encrypted; write that address into url if it is meant`;
        throw new PageFault('BadConfigurationError', reason, { retry: 'after-fix' });
      }
      url = target;
    }
  }

  /** Credentials stay with the machine. A host that it sends us to and that is away is a matter of this page alone. */
  async #hop(first: URL, url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    const { base } = this.#parts;
    if (url.origin === base.origin) return this.#ask(url, { ...headers, ...this.#parts.headers }, signal);
    try {
      return await this.#ask(url, {}, signal);
    } catch (error) {
      if (!(error instanceof NotConnectedError)) throw error;
      throw new PageFault('BadNoCommunication', `GET ${first}: redirected to ${url}; ${error.message}; ${error.hint}`);
    }
  }

  /** A server may close a kept connection at the moment it is used again; that says nothing about the machine, so it is asked once more. */
  async #ask(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#once(url, headers, signal);
    } catch (error) {
      if (!(error instanceof StaleSocket)) throw error;
      const agent = this.#agents[url.protocol as 'http:'];
      for (const free of Object.values(agent.freeSockets)) for (const socket of free ?? []) socket.destroy();
      return this.#once(url, headers, signal);
    }
  }

  async #once(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const { timeoutMs, maxBody } = this.#parts;
    this.counters.requests++;
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      agent: this.#agents[url.protocol as 'http:'],
      headers: { 'user-agent': 'dragoman', 'accept-encoding': 'gzip, deflate', ...headers },
    });
    const flight = new Flight(request, url, timeoutMs, signal);
    try {
      const response = await flight.response();
      const body = await flight.watch(readBody(response, maxBody, String(url)));
      this.counters.answers++;
      this.counters.bytes += body.length;
      return { url, status: response.statusCode ?? 0, statusText: response.statusMessage ?? '', headers: response.headers, body };
    } catch (error) {
      if (flight.late) this.counters.timeouts++;
      request.destroy();
      throw error;
    } finally {
      if (flight.fresh) this.counters.connects++;
      flight.end();
    }
  }

  close(): void {
    this.#agents['http:'].destroy();
    this.#agents['https:'].destroy();
  }
}

/** A kept connection that turned out to be closed. */
class StaleSocket extends Error {}

/** One request under way: its deadline, and where it stood when it failed. */
class Flight {
  late = false;
  /** A connection was opened for it. */
  fresh = false;
  #connected = false;
  #answered = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #request: ClientRequest;
  readonly #url: URL;
  readonly #timeoutMs: number;
  readonly #failed = Promise.withResolvers<never>();
  readonly #signal: AbortSignal;
  readonly #abort = (): void => this.#failed.reject(this.#signal.reason);

  constructor(request: ClientRequest, url: URL, timeoutMs: number, signal: AbortSignal) {
    this.#request = request;
    this.#url = url;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#failed.promise.catch(() => {});
    signal.addEventListener('abort', this.#abort, { once: true });
    // The time runs from the connection, not while other pages hold all of them.
    request.once('socket', (socket) => {
      this.#timer = setTimeout(() => this.#expire(), timeoutMs);
      const secure = url.protocol === 'https:';
      this.fresh = socket.connecting || (secure && (socket as TLSSocket & { secureConnecting?: boolean }).secureConnecting === true);
      this.#connected = !this.fresh;
      // Under TLS the way is open only once the certificate is trusted.
      if (this.fresh) {
        socket.once(secure ? 'secureConnect' : 'connect', () => {
          this.#connected = true;
        });
      }
    });
    request.on('error', (error) => this.#failed.reject(this.#fault(error)));
    request.end();
  }

  response(): Promise<IncomingMessage> {
    return this.watch(
      new Promise<IncomingMessage>((resolve) => {
        this.#request.once('response', (response) => {
          this.#answered = true;
          resolve(response);
        });
      }),
    );
  }

  watch<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#failed.promise]);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#abort);
  }

  #expire(): void {
    this.late = true;
    const within = `within ${this.#timeoutMs} ms`;
    if (!this.#connected) this.#failed.reject(linkError(hostAndPort(this.#url), { code: 'ETIMEDOUT' }));
    else {
      const what = this.#answered ? `the answer was not complete ${within}` : `no answer ${within}`;
      this.#failed.reject(new PageFault('BadTimeout', `GET ${this.#url}: ${what}; raise timeout if the page is slow by nature`));
    }
  }

  #fault(error: NodeJS.ErrnoException): Error {
    if (!this.fresh && !this.#answered && !this.late && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '')) return new StaleSocket();
    if (!this.#connected) return linkError(hostAndPort(this.#url), error);
    const what = !error.code?.startsWith('HPE_')
      ? `the connection broke before the answer (${error.code ?? error.message})`
      : this.#answered
        ? 'the answer is longer than it announced'
        : `the answer is not HTTP (${error.message.replace(/^Parse Error: /, '')})`;
    return new PageFault('BadCommunicationError', `GET ${this.#url}: ${what}; see the log of the machine`);
  }
}

const redirects = new Set([301, 302, 303, 307, 308]);

function redirectOf({ status, headers, url }: Answer): URL | undefined {
  if (!redirects.has(status) || headers.location === undefined) return undefined;
  const target = URL.parse(headers.location, String(url));
  return target && (target.protocol === 'http:' || target.protocol === 'https:') ? target : undefined;
}
