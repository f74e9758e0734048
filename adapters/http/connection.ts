import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { SampleBatch } from '../../model/sample.ts';
import type { ConnectContext, Connection, ObservedPoint } from '../contract.ts';
import type { HttpAddress } from './address.ts';
import { BatchQueue } from './batch-queue.ts';
import { HttpClient } from './client.ts';
import { fieldPatience, Page, type Patience, pagesOf } from './page.ts';
import { type HttpSettings, valid } from './settings.ts';

type Points = readonly ObservedPoint<HttpAddress>[];

/** Opens secrets and looks whether the machine is there; pages are asked when they are observed. */
export async function connectHttp(
  settings: HttpSettings,
  context: ConnectContext,
  signal: AbortSignal,
  patience: Patience = fieldPatience,
): Promise<Connection<HttpAddress>> {
  const client = new HttpClient({
    base: new URL(settings.url),
    headers: await headersOf(settings, context),
    ca: settings.ca && (await context.secret(settings.ca)),
    timeoutMs: settings.timeout,
    maxBody: settings.maxBody,
    maxConnections: settings.maxConnections,
  });
  await client.probe(signal);
  return new HttpConnection(client, settings, patience);
}

async function headersOf(settings: HttpSettings, context: ConnectContext): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings.headers))
    headers[name.toLowerCase()] = typeof value === 'string' ? value : await context.secret(value);
  if (settings.user !== undefined && settings.password)
    headers.authorization = `Basic ${Buffer.from(`${settings.user}:${await context.secret(settings.password)}`).toString('base64')}`;
  if (settings.token) headers.authorization = `Bearer ${await context.secret(settings.token)}`;
  for (const [name, value] of Object.entries(headers)) {
    if (valid(name, value)) continue;
    throw new GatewayError('http-secret', `the secret for the header ${name} of ${settings.url} has a character that HTTP cannot carry`, {
      retry: 'after-fix',
      hint: 'Look for a line end or a letter beyond ASCII in the file or variable',
    });
  }
  return headers;
}

class HttpConnection implements Connection<HttpAddress> {
  readonly #client: HttpClient;
  readonly #settings: HttpSettings;
  readonly #patience: Patience;
  readonly #disposed = new AbortController();
  /** Points that had a sample, by name and address: a reload does not make them wait for their first one again. */
  readonly #heard = new Set<string>();
  #latePolls = 0;
  #lostSamples = 0;

  constructor(client: HttpClient, settings: HttpSettings, patience: Patience) {
    this.#client = client;
    this.#settings = settings;
    this.#patience = patience;
  }

  /** One batch for each answer; a page that is unchanged is a batch that only verifies. */
  async *observe(points: Points, signal: AbortSignal): AsyncGenerator<SampleBatch> {
    const left = new AbortController();
    const end = AbortSignal.any([signal, this.#disposed.signal, left.signal]);
    const pages = this.#pages(points, this.#heard);
    const queue = new BatchQueue(Math.max(64, 4 * pages.length));
    let lost: unknown;
    const wake = (): void => queue.wake();
    end.addEventListener('abort', wake);
    const running = pages.map((page) =>
      this.#poll(page, queue, end).catch((error: unknown) => {
        lost ??= error;
        wake();
      }),
    );
    try {
      while (!end.aborted) {
        for (const batch of queue.drain()) {
          if (end.aborted) return;
          yield batch;
        }
        if (end.aborted) return;
        if (lost !== undefined) throw lost;
        await queue.wait();
      }
    } finally {
      left.abort();
      end.removeEventListener('abort', wake);
      await Promise.all(running);
      this.#lostSamples += queue.lostSamples;
    }
  }

  /** Asks a page on the grid of its interval; the next time is never before the last answer, so that no two requests of a page overlap. */
  async #poll(page: Page, queue: BatchQueue, end: AbortSignal): Promise<void> {
    let dueMs = performance.now();
    while (!end.aborted) {
      let batch: SampleBatch;
      try {
        batch = await page.ask(end);
      } catch (error) {
        if (end.aborted) return;
        throw error;
      }
      queue.push(batch, () => page.forget());
      const now = performance.now();
      dueMs = (page.failing ? now : dueMs) + page.waitMs;
      if (dueMs < now) {
        this.#latePolls++;
        dueMs = now;
      }
      await pause(dueMs - now, end);
    }
  }

  async read(points: Points, signal: AbortSignal): Promise<readonly SampleBatch[]> {
    const end = AbortSignal.any([signal, this.#disposed.signal]);
    try {
      return await Promise.all(this.#pages(points).map((page) => page.ask(end)));
    } catch (error) {
      if (!end.aborted) throw error;
      throw new NotConnectedError('http-not-connected', `reading from ${this.#client.where} was cancelled`, { retry: 'with-backoff' });
    }
  }

  #pages(points: Points, heard?: Set<string>): Page[] {
    return pagesOf(points).map((page) => new Page(page, this.#client, this.#settings.maxBody, this.#patience, heard));
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#client.counters, latePolls: this.#latePolls, lostSamples: this.#lostSamples };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    this.#client.close();
  }
}

/** Resolves after `ms`, or at once when the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
