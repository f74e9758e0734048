import { type BackoffOptions, backoff } from '../../model/backoff.ts';
import type { SampleBatch, SampleState } from '../../model/sample.ts';
import type { ObservedPoint } from '../contract.ts';
import type { BodyFormat, Message, MessageReader, MessageSamples, Tree } from '../payload/contract.ts';
import { messageReader } from '../payload/reader.ts';
import { waitingState } from '../payload/states.ts';
import { UndecodableError } from '../payload/undecodable.ts';
import type { HttpAddress } from './address.ts';
import type { Answer, HttpClient } from './client.ts';
import { PageFault, retryAfterMs, statusFault } from './faults.ts';

export type Patience = Pick<BackoffOptions, 'normal' | 'slow'>;

/** A page that fails is asked again after its interval and at least half a second, later ever less often. */
export const fieldPatience: Patience = {
  normal: { minMs: 500, stepMs: 500, maxMs: 60_000 },
  slow: { minMs: 5_000, stepMs: 5_000, maxMs: 300_000 },
};

export interface PagePoints {
  readonly path: string;
  readonly everyMs: number;
  readonly points: readonly { readonly index: number; readonly name: string; readonly address: HttpAddress }[];
}

/** Points of one path and one interval share a request. */
export function pagesOf(points: readonly ObservedPoint<HttpAddress>[]): readonly PagePoints[] {
  const pages = Map.groupBy(
    points.map(({ name, address, everyMs }, index) => ({ index, name, address, everyMs })),
    ({ address, everyMs }) => `${everyMs} ${address.path}`,
  );
  return [...pages.values()].map((members) => ({ path: members[0]!.address.path, everyMs: members[0]!.everyMs, points: members }));
}

const accepts: Readonly<Record<BodyFormat, string>> = {
  json: 'application/json',
  xml: 'application/xml, text/xml',
  csv: 'text/csv',
  text: 'text/plain',
  binary: 'application/octet-stream',
};

/** One page that is asked again and again: its validators, its failures, its next time. */
export class Page {
  readonly path: string;
  readonly #points: PagePoints['points'];
  readonly #indexes: readonly number[];
  /** Points that had a sample on this connection, by name and address. */
  readonly #heard: Set<string>;
  readonly #keys: readonly string[];
  readonly #reader: MessageReader;
  readonly #client: HttpClient;
  readonly #accept: string;
  readonly #everyMs: number;
  readonly #backoff;
  #validators: Readonly<Record<string, string>> = {};
  /** Milliseconds until the next ask: from the last one, or from its failure while the page fails. */
  waitMs: number;
  failing = false;

  constructor({ path, everyMs, points }: PagePoints, client: HttpClient, maxBody: number, patience: Patience, heard = new Set<string>()) {
    this.#points = points;
    this.#heard = heard;
    this.#keys = points.map(({ name, address }) => JSON.stringify([name, address], exactly));
    this.path = path;
    this.#client = client;
    this.#everyMs = everyMs;
    this.waitMs = everyMs;
    this.#indexes = points.map(({ index }) => index);
    this.#reader = messageReader(
      points.map(({ index, address }) => ({ index, address: address.payload })),
      { maxBody },
    );
    const bodies = [...new Set(points.map(({ address }) => address.payload.body))];
    this.#accept = [...bodies.map((body) => accepts[body]), '*/*;q=0.1'].join(', ');
    this.#backoff = backoff(patience);
  }

  /** What was read last may not have reached anyone: the next answer must be a whole one. */
  forget(): void {
    this.#validators = {};
  }

  /** Asks once. A page that fails is bad samples; rejects with NotConnectedError when there is no way to the machine, and when aborted. */
  async ask(signal: AbortSignal): Promise<SampleBatch> {
    try {
      const answer = await this.#client.get(this.path, { accept: this.#accept, ...this.#validators }, signal);
      const batch = this.#batchOf(answer);
      this.#backoff.reset();
      this.waitMs = this.#everyMs;
      this.failing = false;
      return batch;
    } catch (error) {
      // A later "not modified" would prove what was never reported good.
      this.forget();
      if (!(error instanceof PageFault)) throw error;
      this.failing = true;
      this.waitMs = Math.max(this.#everyMs, error.retryAfterMs, this.#backoff.next(error));
      return this.#bad(error.state);
    }
  }

  #batchOf(answer: Answer): SampleBatch {
    const receivedMs = Date.now();
    const { status, statusText, headers, body, url } = answer;
    if (status === 304 && Object.keys(this.#validators).length > 0) return { receivedMs, points: [], values: [], verified: this.#indexes };
    if (status < 200 || status > 299 || status === 204 || status === 205) {
      throw statusFault(String(url), status, statusText, retryAfterMs(headers['retry-after'], receivedMs));
    }
    const message: Message = { body, property: (name) => headerOf(headers, name), receivedMs };
    try {
      const samples = this.#reader.read(message);
      this.#tellUnheard(samples, String(url), receivedMs);
      this.#validators = validatorsOf(headers);
      return { receivedMs, ...samples };
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error;
      throw new PageFault('BadDataEncodingInvalid', `GET ${url}: ${error.message}${error.hint ? `; ${error.hint}` : ''}`);
    }
  }

  /** A point that an answer says nothing about (`when`, `missing: keep`) and that has nothing yet says what it waits for, once. */
  #tellUnheard(samples: MessageSamples, url: string, receivedMs: number): void {
    if (this.#keys.every((key) => this.#heard.has(key))) return;
    const there = new Set(samples.points);
    for (const [at, { index, address }] of this.#points.entries()) {
      if (!this.#heard.has(this.#keys[at]!) && !there.has(index)) {
        samples.points.push(index);
        samples.values.push(undefined);
        samples.states.push(waitingState(url, address.payload, 'answer of'));
        samples.types.push(undefined);
        samples.sourceTimesMs.push(receivedMs);
        samples.sourceTicks.push(0);
      }
      this.#heard.add(this.#keys[at]!);
    }
  }

  #bad(state: SampleState): SampleBatch {
    for (const key of this.#keys) this.#heard.add(key);
    return {
      receivedMs: Date.now(),
      points: this.#indexes,
      values: this.#indexes.map(() => undefined),
      states: this.#indexes.map(() => state),
    };
  }
}

/** What makes the next answer a short one, when nothing has changed (RFC 9110 §13.1). */
function validatorsOf({ etag, 'last-modified': lastModified }: Answer['headers']): Readonly<Record<string, string>> {
  return { ...(etag !== undefined && { 'if-none-match': etag }), ...(lastModified !== undefined && { 'if-modified-since': lastModified }) };
}

const exactly = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

const dates = new Set(['date', 'last-modified', 'expires']);

/** Names of headers are the same in any case; those that HTTP defines as dates are points in time. */
function headerOf(headers: Answer['headers'], name: string): Tree | undefined {
  const key = name.toLowerCase();
  const value = headers[key];
  if (value === undefined) return undefined;
  const text = Array.isArray(value) ? value.join(', ') : value;
  const timeMs = dates.has(key) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(timeMs) ? text : { timeMs };
}
