import { randomUUID } from 'node:crypto';
import { RequestError } from '../core/request-error.ts';
import type { Role, Speaker } from '../mqtt/role.ts';
import { parseBag } from '../mqtt/topics.ts';
import { sameId } from './attestation.ts';
import type { Operation } from './registrations.ts';

const answers = '$dps/registrations/res/#';
const registerTopic = '$dps/registrations/PUT/iotdps-register/?';
const statusTopic = '$dps/registrations/GET/iotdps-get-operationstatus/?';
const maxBodyBytes = 64 * 1024;
const maxRidChars = 1024;

/** What a registration asks of the provisioning service. */
export interface RegistrationDesk {
  register(): Promise<Operation>;
  find(operationId: string): Operation | undefined;
  /** How long a device is told to wait before it asks for the outcome. */
  readonly retryAfterSeconds: number;
}

/** A device that asks the provisioning service where it belongs: register, then poll. */
export class RegistrationRole implements Role {
  readonly id: string;
  readonly expiresMs: number | undefined;
  readonly session = undefined;
  readonly #desk: RegistrationDesk;
  readonly #speaker: Speaker;

  constructor(registrationId: string, expiresMs: number | undefined, desk: RegistrationDesk, speaker: Speaker) {
    this.id = registrationId;
    this.expiresMs = expiresMs;
    this.#desk = desk;
    this.#speaker = speaker;
  }

  telemetry(): undefined {
    return undefined;
  }

  take(topic: string, payload: Uint8Array): boolean {
    const start = [registerTopic, statusTopic].find((candidate) => topic.startsWith(candidate));
    const query = start === undefined ? undefined : parseBag(topic.slice(start.length));
    const rid = query?.$rid ?? '';
    if (!query || rid.length > maxRidChars) return false;
    const work = start === registerTopic ? this.#register(payload) : this.#status(query.operationId ?? '');
    work.then(
      ({ status, body, wait }) => this.#answer(rid, status, body, wait),
      (error) => {
        const known = error instanceof RequestError ? error : new RequestError('ServerError', (error as Error).message);
        const { errorCode, message } = known;
        this.#answer(rid, known.status, { errorCode, trackingId: randomUUID(), message, timestampUtc: new Date().toISOString() });
      },
    );
    return true;
  }

  maySubscribe(filter: string): boolean {
    return filter === answers;
  }

  listening(): void {}

  ended(): void {}

  async #register(payload: Uint8Array): Promise<Answer> {
    const { registrationId } = parse(payload);
    if (typeof registrationId !== 'string' || !sameId(registrationId, this.id)) {
      throw new RequestError('ArgumentInvalid', `the body must name the registration ${this.id}, as the connection does`);
    }
    const { operationId } = await this.#desk.register();
    return { status: 202, body: { operationId, status: 'assigning' }, wait: true };
  }

  async #status(operationId: string): Promise<Answer> {
    const operation = this.#desk.find(operationId);
    if (!operation) throw new RequestError('DeviceNotFound', 'there is no such operation; register again');
    return { status: 200, body: { operationId, status: operation.state.status, registrationState: operation.state } };
  }

  #answer(rid: string, status: number, body: object, wait = false): void {
    const query = wait ? `&retry-after=${this.#desk.retryAfterSeconds}` : '';
    const topic = `$dps/registrations/res/${status}/?$rid=${encodeURIComponent(rid)}${query}`;
    if (this.#speaker.subscriptions.get(answers) === 1) this.#speaker.deliver(topic, JSON.stringify(body), () => {});
    else this.#speaker.publish(topic, JSON.stringify(body));
  }
}

interface Answer {
  readonly status: number;
  readonly body: object;
  readonly wait?: boolean;
}

function parse(payload: Uint8Array): { readonly registrationId?: unknown } {
  if (payload.length > maxBodyBytes) throw new RequestError('MessageTooLarge', 'the body is larger than 64 KB');
  try {
    const body: unknown = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'));
    if (typeof body === 'object' && body !== null) return body;
  } catch {
    // Said below.
  }
  throw new RequestError('ArgumentInvalid', 'the body is not a JSON object');
}
