import { randomUUID } from 'node:crypto';
import type { IdentityName, MethodAnswer, MethodRequest, Methods } from '../core/contract.ts';
import type { IdentityLink, Links } from '../core/links.ts';
import { RequestError } from '../core/request-error.ts';
import { identityId } from '../registry.ts';

/** Of request and answer, each. */
const maxPayloadBytes = 128 * 1024;
/** The SDK reads the topic with a URL parser: nothing that it would change. */
const nameForm = /^[A-Za-z0-9_.-]{1,100}$/;
const longestMs = 300_000;

interface Pending {
  readonly id: string;
  readonly answer: (answer: MethodAnswer) => void;
  readonly fail: (error: RequestError) => void;
}

/** Direct methods: a question to one connected identity, and its answer within a time. Nothing of it is kept. */
export class DirectMethods implements Methods, Disposable {
  readonly #links: Links;
  readonly #mustExist: (name: IdentityName) => void;
  /** By request id, which nobody can guess. */
  readonly #pending = new Map<string, Pending>();
  readonly #waiting = new Set<(link: IdentityLink) => void>();
  readonly #closing = new AbortController();

  /** `mustExist` throws what is to be said of an identity that does not exist. */
  constructor(links: Links, mustExist: (name: IdentityName) => void) {
    this.#links = links;
    this.#mustExist = mustExist;
    links.onListening((link) => {
      for (const check of [...this.#waiting]) check(link);
    });
  }

  /** Whoever waits for an answer is told that there will be none. */
  [Symbol.dispose](): void {
    this.#closing.abort();
  }

  async invoke(name: IdentityName, request: MethodRequest, given?: AbortSignal): Promise<MethodAnswer> {
    const signal = given ? AbortSignal.any([given, this.#closing.signal]) : this.#closing.signal;
    if (signal.aborted) throw cutOff();
    if (!nameForm.test(request.name)) {
      throw new RequestError('ArgumentInvalid', 'a method name is 1 to 100 letters, digits and _ . -');
    }
    // An empty body is an error to the SDK: no payload is null.
    const body = payloadText(request.payload);
    const responseMs = allowedMs('responseTimeout', request.responseTimeoutMs ?? 30_000, 1);
    const connectMs = allowedMs('connectTimeout', request.connectTimeoutMs ?? 0, 0);
    this.#mustExist(name);
    const id = identityId(name.deviceId, name.moduleId);
    const link = await this.#listening(id, connectMs, signal);
    // It may have been given up just now: nothing would tell of it any more.
    if (signal.aborted) throw cutOff();
    const rid = randomUUID();
    const answered = this.#answer(id, rid, responseMs, signal);
    link.publish(`$iothub/methods/POST/${request.name}/?$rid=${rid}`, body);
    return answered;
  }

  /** An identity answered; an answer that nobody waits for any more, or that another identity gives, is dropped. */
  answered(id: string, rid: string, status: number, body: Uint8Array): void {
    const pending = this.#pending.get(rid);
    if (pending?.id !== id) return;
    if (body.length > maxPayloadBytes) {
      pending.fail(new RequestError('BadDeviceResponse', `the answer has ${body.length} bytes; at most ${maxPayloadBytes} are taken`));
      return;
    }
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
    try {
      pending.answer({ status, payload: text.trim() === '' ? null : (JSON.parse(text) as unknown) });
    } catch {
      pending.fail(new RequestError('BadDeviceResponse', 'the answer is not JSON'));
    }
  }

  #listening(id: string, waitMs: number, signal: AbortSignal): Promise<IdentityLink> {
    const now = this.#links.get(id);
    if (now?.listens('methods') !== undefined) return Promise.resolve(now);
    const offline = (): RequestError =>
      new RequestError(
        'DeviceNotOnline',
        waitMs > 0 ? 'Timed out waiting for device to connect.' : `${id} is not connected, or does not listen for methods`,
      );
    if (waitMs === 0) return Promise.reject(offline());
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        signal.removeEventListener('abort', aborted);
        act();
      };
      const check = (link: IdentityLink): void => {
        if (link.id === id && link.listens('methods') !== undefined) finish(() => resolve(link));
      };
      const aborted = (): void => finish(() => reject(cutOff()));
      const timer = setTimeout(() => finish(() => reject(offline())), waitMs);
      this.#waiting.add(check);
      signal.addEventListener('abort', aborted, { once: true });
    });
  }

  #answer(id: string, rid: string, waitMs: number, signal: AbortSignal): Promise<MethodAnswer> {
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        this.#pending.delete(rid);
        signal.removeEventListener('abort', aborted);
        act();
      };
      const fail = (error: RequestError): void => finish(() => reject(error));
      const aborted = (): void => fail(cutOff());
      const late = (): void => fail(new RequestError('GatewayTimeout', 'Timed out waiting for the response from device.'));
      const timer = setTimeout(late, waitMs);
      signal.addEventListener('abort', aborted, { once: true });
      this.#pending.set(rid, { id, answer: (answer) => finish(() => resolve(answer)), fail });
    });
  }
}

const cutOff = (): RequestError => new RequestError('ServiceUnavailable', 'the call was given up before the device answered');

function payloadText(payload: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(payload ?? null);
  } catch {
    text = undefined;
  }
  if (text === undefined) throw new RequestError('ArgumentInvalid', 'the payload has no form in JSON');
  if (Buffer.byteLength(text) > maxPayloadBytes) {
    throw new RequestError(
      'MessageTooLarge',
      `the payload has ${Buffer.byteLength(text)} bytes; a method takes at most ${maxPayloadBytes}`,
    );
  }
  return text;
}

function allowedMs(what: string, ms: number, leastMs: number): number {
  if (ms >= leastMs && ms <= longestMs) return ms;
  throw new RequestError('ArgumentInvalid', `the ${what} must be at most 300 s, and not ${ms / 1000} s`);
}
