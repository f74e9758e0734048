import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../../adapters/contract.ts';
import { NotConnectedError } from '../../../model/error.ts';
import { connectStopped } from '../../delivery/socket.ts';
import { addressOf } from '../../delivery/unreachable.ts';
import { type Answer, isObject, parseAnswer, parseJson } from '../answer.ts';
import { clientType } from '../client-type.ts';
import { deviceIdProblem, parseHost } from '../connection-string.ts';
import { tlsOf } from '../credentials.ts';
import { type Link, openLink } from '../link.ts';
import { percentEncode } from '../percent.ts';
import { Requests } from '../requests.ts';
import { expiryOf, sasToken } from '../sas.ts';
import { notAssigned, placeOfService, refusedConnect, refusedRequest, unreadable } from './failure.ts';
import type { Registration } from './registration.ts';

/** Where a device was sent. */
export interface Assignment {
  /** `name`, or `name:port` of a private hub. */
  readonly hub: string;
  readonly deviceId: string;
}

export interface RegisterOptions {
  readonly timeoutMs: number;
  readonly keepAliveMs: number;
  readonly log: Pick<Log, 'debug'>;
  /** For one answer; default 30 s. */
  readonly answerTimeoutMs?: number;
  /** For all of it; default 10 min, because allocation may be somebody's function. */
  readonly withinMs?: number;
}

const apiVersion = '2019-03-31';
const answers = '$dps/registrations/res/';
const tokenLifetimeMs = 3_600_000;
/** Where the service does not say when to come again. */
const defaultWaitMs = 2_000;
const shortestWaitMs = 100;

/**
 * Asks Device Provisioning for a hub, over a connection of its own, and polls as told until it has one. Rejects with NotConnectedError
 * where waiting may help, with a GatewayError `after-fix` that says who must change what.
 */
export async function register(registration: Registration, options: RegisterOptions, signal: AbortSignal): Promise<Assignment> {
  const link = await openLink(loginOf(registration, options), signal);
  const over = new AbortController();
  const requests = new Requests<Link>(`Device Provisioning at ${addressOf(registration)}`, options.answerTimeoutMs ?? 30_000);
  link.listen(({ topic, body, packetId }) => {
    link.acknowledge(packetId);
    const answer = topic.startsWith(answers) ? parseAnswer(topic.slice(answers.length), body) : undefined;
    if (!answer || !requests.answered(answer.rid, answer))
      options.log.debug({ topic }, 'Device Provisioning answered what nobody asks any more');
  });
  const stop = (): void => requests.close(connectStopped(registration));
  signal.addEventListener('abort', stop, { once: true });
  void link.lost.then((reason) => {
    requests.close(reason);
    over.abort(reason);
  });
  try {
    await link.subscribe(`${answers}#`, 1);
    requests.resume(link);
    return await ask(requests, registration, options, AbortSignal.any([signal, over.signal]));
  } finally {
    signal.removeEventListener('abort', stop);
    await link.end(500);
  }
}

async function ask(
  requests: Requests<Link>,
  registration: Registration,
  { withinMs = 600_000, log }: RegisterOptions,
  signal: AbortSignal,
): Promise<Assignment> {
  const startMs = performance.now();
  const { registrationId } = registration;
  let operation: string | undefined;
  for (;;) {
    const answer = await requests.ask(`the registration of "${registrationId}"`, (link, rid) => {
      // QoS 1, as the service documents it; the answer counts, not the PUBACK. The operation goes back as it came where a topic allows it.
      if (operation === undefined)
        link.publish(`$dps/registrations/PUT/iotdps-register/?$rid=${rid}`, Buffer.from(JSON.stringify({ registrationId })), () => {});
      else
        link.publish(
          `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=${rid}&operationId=${operation.replace(/[+#&%\s]/g, percentEncode)}`,
          Buffer.from(' '),
          () => {},
        );
    });
    const busy = answer.status === 429 || answer.status >= 500;
    if (!busy) {
      if (answer.status >= 300) throw refusedRequest(answer, registration, Date.now());
      const outcome = outcomeOf(answer, registration);
      if (typeof outcome !== 'string') return outcome;
      operation = outcome;
    }
    const waitMs = Math.max(answer.retryAfterMs ?? defaultWaitMs, shortestWaitMs);
    if (performance.now() - startMs + waitMs > withinMs) throw slow(registration, withinMs, busy);
    log.debug({ registration: registrationId, status: answer.status, waitMs }, 'Device Provisioning asks to wait');
    await sleep(waitMs, undefined, { signal }).catch(() => {
      throw signal.reason instanceof NotConnectedError ? signal.reason : connectStopped(registration);
    });
  }
}

/** The assignment, or the operation to ask for. Throws for every other end. */
function outcomeOf(answer: Answer, registration: Registration): Assignment | string {
  const said = parseJson(Buffer.from(answer.body).toString('utf8'));
  if (!isObject(said)) throw unreadable(registration, `${answer.body.length} bytes that are no JSON object`);
  const state = isObject(said.registrationState) ? said.registrationState : {};
  if (said.status === 'assigning') {
    if (typeof said.operationId === 'string' && said.operationId !== '') return said.operationId;
    throw unreadable(registration, 'an operation without an id');
  }
  if (said.status !== 'assigned') throw notAssigned(said.status, state, registration);
  const { assignedHub, deviceId } = state;
  if (typeof assignedHub !== 'string' || typeof deviceId !== 'string')
    throw unreadable(registration, 'an assignment without hub or device');
  if (!isHost(assignedHub) || deviceIdProblem(deviceId) !== undefined)
    throw unreadable(registration, `hub "${assignedHub}", device "${deviceId}"`);
  return { hub: assignedHub, deviceId };
}

function isHost(text: string): boolean {
  try {
    parseHost(text, 'assignedHub');
    return true;
  } catch {
    return false;
  }
}

/** No `?` before `api-version` here, and the resource of the token is not that of a hub. */
function loginOf(registration: Registration, { timeoutMs, keepAliveMs }: RegisterOptions): Parameters<typeof openLink>[0] {
  const { idScope, registrationId, proof } = registration;
  const resource = `${idScope}/registrations/${registrationId}`;
  return {
    place: placeOfService(registration),
    tls: tlsOf(registration),
    clientId: registrationId,
    username: `${resource}/api-version=${apiVersion}&ClientVersion=${percentEncode(clientType)}`,
    password:
      proof.kind === 'x509'
        ? undefined
        : sasToken({ resource, key: proof.key, expiresAtS: expiryOf(Date.now(), tokenLifetimeMs), policy: 'registration' }),
    clean: true,
    keepAliveMs,
    timeoutMs,
    refused: (returnCode) => refusedConnect(returnCode, registration, Date.now()),
  };
}

function slow(registration: Registration, withinMs: number, busy: boolean): NotConnectedError {
  const { registrationId } = registration;
  const text = busy ? 'is too busy to deal with' : 'is still assigning';
  return new NotConnectedError(
    busy ? 'hub-throttled' : 'dps-slow',
    `Device Provisioning at ${addressOf(registration)} ${text} "${registrationId}", and asks for more than ${withinMs / 1000} s.`,
    { retry: 'with-backoff' },
  );
}
