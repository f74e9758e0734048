import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { text as readText } from 'node:stream/consumers';
import type { Right } from '../core/contract.ts';
import { hubEndpoint } from '../endpoint.ts';
import { afterFix, HubError } from '../error.ts';
import { openPolicies } from '../policies/policies.ts';
import { signSas } from '../sas.ts';

export interface RestCall {
  readonly method: 'GET' | 'PATCH' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What it takes. Default `serviceConnect`. */
  readonly right?: Right;
  /** JSON. */
  readonly body?: unknown;
  /** Instead of `body`, as it is. */
  readonly text?: string;
}

/** The token is used at once. */
const tokenSeconds = 300;

/**
 * Asks the hub that runs in this folder, over its own REST API and with a key of one of its policies. Resolves with the body of the answer;
 * rejects with HubError: no hub runs, it has no REST port, it says no.
 */
export async function callHub(folder: string, call: RestCall): Promise<unknown> {
  return (await answerOf(folder, call)).body;
}

/** All rows of a query, however many pages they are. */
export async function queryHub(folder: string, query: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const rows: Readonly<Record<string, unknown>>[] = [];
  for (let continuation: string | undefined, first = true; first || continuation !== undefined; first = false) {
    const headers = { 'x-ms-max-item-count': '1000', ...(continuation !== undefined && { 'x-ms-continuation': continuation }) };
    const page = await answerOf(folder, { method: 'POST', path: '/devices/query', headers, body: { query } });
    rows.push(...(page.body as typeof rows));
    continuation = page.continuation;
  }
  return rows;
}

async function answerOf(folder: string, call: RestCall): Promise<{ readonly body: unknown; readonly continuation: string | undefined }> {
  const endpoint = hubEndpoint(folder);
  if (!endpoint) throw afterFix('hub-not-running', `no hub runs in ${folder}`, 'start it with: dragoman hub');
  const { httpsPort, host, listen, caFile } = endpoint;
  if (httpsPort === undefined) {
    throw afterFix(
      'hub-no-rest',
      `the hub in ${folder} runs without its REST API`,
      'start it with a port for it: dragoman hub --https 8443',
    );
  }
  const sent = request({
    method: call.method,
    path: `${call.path}?api-version=2021-04-12`,
    // It runs on this machine: its own name may lead elsewhere.
    host: listen ?? '127.0.0.1',
    port: httpsPort,
    servername: host,
    headers: {
      host,
      authorization: tokenFor(folder, host, call.right ?? 'serviceConnect'),
      ...((call.body !== undefined || call.text !== undefined) && { 'content-type': 'application/json; charset=utf-8' }),
      ...call.headers,
    },
    ...(caFile !== undefined && { ca: readFileSync(caFile) }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<{
    readonly status: number;
    readonly text: string;
    readonly continuation: string | undefined;
  }>();
  sent.on('error', (cause) =>
    reject(
      new HubError('hub-unreachable', `the hub at ${host}:${httpsPort} does not answer: ${cause.message}`, {
        retry: 'with-backoff',
        cause,
      }),
    ),
  );
  sent.on('response', (response) => {
    const continuation = response.headers['x-ms-continuation'] as string | undefined;
    void readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text, continuation }), reject);
  });
  sent.end(call.text ?? (call.body === undefined ? undefined : JSON.stringify(call.body)));
  const { status, text, continuation } = await promise;
  if (status >= 300) throw refused(text);
  return { body: text === '' ? undefined : JSON.parse(text), continuation };
}

function tokenFor(folder: string, host: string, right: Right): string {
  const policies = openPolicies(folder);
  const policy = policies.names.map((name) => policies.get(name)).find((found) => found?.rights.includes(right));
  if (!policy) {
    throw afterFix('hub-policies', `no policy of the hub in ${folder} has the right ${right}`, 'give it one in the file of --policies');
  }
  const expiry = String(Math.floor(Date.now() / 1000) + tokenSeconds);
  const sr = encodeURIComponent(host);
  const signature = encodeURIComponent(signSas(policy.primaryKey, sr, expiry));
  return `SharedAccessSignature sr=${sr}&sig=${signature}&se=${expiry}&skn=${encodeURIComponent(policy.name)}`;
}

const hints: Readonly<Record<string, string>> = {
  DeviceNotFound: 'see them with: dragoman hub device list',
  ConfigurationNotFound: 'see them with: dragoman hub deployments',
  ConfigurationAlreadyExists: 'a deployment never changes: give this one another name with --id; the newest of equal priority wins',
};

/** `ErrorCode:DeviceNotFound;text`, or JSON with a message inside. */
function refused(body: string): HubError {
  const { Message: message = '' } = JSON.parse(body) as { Message?: string };
  const [, name, text] = /^ErrorCode:(\w+);(.*)$/s.exec(message) ?? [];
  if (name !== undefined && text !== undefined) {
    const hint = hints[name];
    return new HubError('hub-refused', text, { retry: 'never', ...(hint !== undefined && { hint }) });
  }
  const inner = JSON.parse(message) as { message: string };
  return new HubError('hub-refused', inner.message, { retry: 'with-backoff', hint: 'dragoman hub device list says who is connected' });
}
