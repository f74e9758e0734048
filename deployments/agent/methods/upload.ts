import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { AgentClock } from '../contract.ts';

export interface Blob {
  /** Within the container, with `/` between folders. */
  readonly name: string;
  readonly body: Buffer;
  readonly contentType: string;
}

const attempts = 3;
const idleMs = 60_000;
const waitMs = 2_000;

/**
 * Puts a blob into a container of Azure Storage by its SAS URL. Tries again where the other side may recover. Rejects with a message that
 * has neither the signature nor the path.
 */
export async function uploadBlob(container: URL, blob: Blob, clock: AgentClock, signal: AbortSignal): Promise<void> {
  const url = new URL(container);
  url.pathname = [container.pathname.replace(/\/$/, ''), ...blob.name.split('/').map(encodeURIComponent)].join('/');
  for (let attempt = 1; ; attempt++) {
    const outcome = await put(url, blob, signal);
    if (outcome.done) return;
    if (!outcome.again || attempt === attempts || signal.aborted)
      throw new Error(`${blob.name} could not be uploaded to ${url.host}: ${outcome.reason}`);
    await clock.sleep(waitMs * attempt, signal);
  }
}

type Outcome = { readonly done: true } | { readonly done: false; readonly again: boolean; readonly reason: string };

function put(url: URL, { body, contentType }: Blob, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const headers = {
      'content-type': contentType,
      'content-length': body.length,
      'x-ms-blob-type': 'BlockBlob',
      'x-ms-version': '2021-08-06',
    };
    const failed = (error: Error): void => resolve({ done: false, again: true, reason: error.message });
    const request = (url.protocol === 'https:' ? tlsRequest : plainRequest)(url, { method: 'PUT', headers, signal }, (response) => {
      const { statusCode = 0, headers: answered } = response;
      response.on('error', failed).resume();
      response.on('end', () => {
        if (statusCode >= 200 && statusCode < 300) return resolve({ done: true });
        const code = answered['x-ms-error-code'];
        const again = statusCode >= 500 || statusCode === 429 || statusCode === 408;
        resolve({ done: false, again, reason: `it answered ${statusCode}${code === undefined ? '' : ` ${code}`}` });
      });
    });
    request.on('error', failed);
    request.setTimeout(idleMs, () => request.destroy(new Error(`no answer within ${idleMs / 1000} s`)));
    request.end(body);
  });
}
