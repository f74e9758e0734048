import type { TwinObject } from '../../../twin/section.ts';
import type { AgentAct, AgentClock, AgentOptions } from '../contract.ts';
import { type BundleRequest, readBundleRequest, readCorrelationId, readLogRequest, readModuleId, readSasUrl } from './log-request.ts';
import { type LogParts, linesOf, logsOf, namesOf } from './module-logs.ts';
import { AgentRefusal } from './refusal.ts';
import { Tasks } from './tasks.ts';
import { type Blob, uploadBlob } from './upload.ts';
import { zipOf } from './zip.ts';

export interface MethodParts extends LogParts, Pick<AgentOptions, 'bundleFiles'> {
  readonly clock: AgentClock;
  readonly closing: AbortSignal;
  readonly audit: (act: AgentAct) => void;
  readonly reported: () => TwinObject;
}

/** As a direct method answers. */
export interface AgentAnswer {
  readonly status: number;
  readonly payload: unknown;
}

/** A direct method takes 128 KB back; IoT Edge stops a little before. */
const mostBytes = 127_000;

/** The direct methods of `$edgeAgent`. */
export class AgentMethods {
  readonly #parts: MethodParts;
  readonly #tasks = new Tasks();
  readonly #methods: Readonly<Record<string, (payload: unknown, from: string) => Promise<unknown>>>;

  constructor(parts: MethodParts) {
    this.#parts = parts;
    this.#methods = {
      ping: async () => null,
      restartmodule: (payload, from) => this.#restart(payload, from),
      getmodulelogs: (payload) => this.#logs(payload),
      uploadmodulelogs: (payload, from) => this.#uploadLogs(payload, from),
      uploadsupportbundle: (payload, from) => this.#uploadBundle(payload, from),
      gettaskstatus: async (payload) => this.#tasks.status(readCorrelationId(payload)),
    };
  }

  /** Names in any case, as in IoT Edge. Never rejects. `from` says who called, for the audit. */
  async call(name: string, payload: unknown, from: string): Promise<AgentAnswer> {
    const lower = name.toLowerCase();
    if (!Object.hasOwn(this.#methods, lower)) {
      const known = 'ping, RestartModule, GetModuleLogs, UploadModuleLogs, UploadSupportBundle, GetTaskStatus';
      return { status: 400, payload: { message: `there is no method "${name.slice(0, 100)}"; there are ${known}` } };
    }
    try {
      return { status: 200, payload: await this.#methods[lower]!(payload, from) };
    } catch (error) {
      return { status: error instanceof AgentRefusal ? error.status : 500, payload: { message: (error as Error).message } };
    }
  }

  /** Resolves when no upload is under way. */
  idle(): Promise<void> {
    return this.#tasks.idle();
  }

  async #restart(payload: unknown, from: string): Promise<null> {
    const id = readModuleId(payload);
    const { modules, audit } = this.#parts;
    const runner = modules.get(id);
    if (!runner?.view.spec) {
      const names = modules.all().map(({ name }) => name);
      throw new AgentRefusal(400, `there is no module "${id.slice(0, 200)}"; there are ${names.join(', ') || 'none'}`);
    }
    if (runner.view.spec.status === 'stopped')
      throw new AgentRefusal(400, `${id} is to be stopped, by the deployment; deploy it with status running`);
    try {
      await runner.restart();
      audit({ action: 'restart by hand', target: id, from, outcome: 'done' });
    } catch (error) {
      audit({ action: 'restart by hand', target: id, from, outcome: 'failed', reason: (error as Error).message });
      throw error;
    }
    return null;
  }

  async #logs(payload: unknown): Promise<readonly unknown[]> {
    const request = readLogRequest(payload, this.#parts.clock.now());
    const answer: unknown[] = [];
    let bytes = 2;
    for await (const { id, body } of logsOf(this.#parts, request)) {
      const one = request.encoding === 'gzip' ? { id, payloadBytes: body.toString('base64') } : { id, payload: body.toString() };
      bytes += Buffer.byteLength(JSON.stringify(one)) + 1;
      if (bytes > mostBytes) {
        throw new AgentRefusal(
          400,
          `these logs have more than ${mostBytes} bytes; ask for fewer lines (tail, since, regex), for gzip, or use UploadModuleLogs`,
        );
      }
      answer.push(one);
    }
    return answer;
  }

  async #uploadLogs(payload: unknown, from: string): Promise<unknown> {
    const { clock } = this.#parts;
    const request = readLogRequest(payload, clock.now());
    const container = readSasUrl(payload);
    const ending = `${request.contentType === 'json' ? 'json' : 'log'}${request.encoding === 'gzip' ? '.gz' : ''}`;
    const contentType =
      request.encoding === 'gzip' ? 'application/gzip' : request.contentType === 'json' ? 'application/json' : 'text/plain';
    return this.#inBackground('upload logs', from, async () => {
      for await (const { id, body } of logsOf(this.#parts, request))
        await this.#put(container, { name: this.#blobName(id, ending), body, contentType });
    });
  }

  async #uploadBundle(payload: unknown, from: string): Promise<unknown> {
    const request = readBundleRequest(payload, this.#parts.clock.now());
    return this.#inBackground('upload support bundle', from, async () => {
      const body = await zipOf(await this.#bundle(request), new Date(this.#parts.clock.now()));
      await this.#put(request.sasUrl, { name: this.#blobName('support-bundle', 'zip'), body, contentType: 'application/zip' });
    });
  }

  /** What was asked for is checked before: only what takes long is in the background. */
  #inBackground(action: string, from: string, work: () => Promise<void>): unknown {
    const { audit } = this.#parts;
    return this.#tasks.start(async () => {
      try {
        await work();
        audit({ action, target: 'modules', from, outcome: 'done' });
      } catch (error) {
        audit({ action, target: 'modules', from, outcome: 'failed', reason: (error as Error).message });
        throw error;
      }
    });
  }

  #put(container: URL, blob: Blob): Promise<void> {
    return uploadBlob(container, blob, this.#parts.clock, this.#parts.closing);
  }

  /** As IoT Edge names them: `hub/device/module-2026-11-24--08-00-01.log`. */
  #blobName(id: string, ending: string): string {
    const { hub, deviceId } = this.#parts.identity?.() ?? { hub: 'gateway', deviceId: 'gateway' };
    const time = new Date(this.#parts.clock.now()).toISOString().slice(0, 19).replace('T', '--').replaceAll(':', '-');
    return `${hub}/${deviceId}/${id}-${time}.${ending}`;
  }

  async #bundle({ since, until, runtimeOnly }: BundleRequest): Promise<ReadonlyMap<string, string | Uint8Array>> {
    const files = new Map<string, string | Uint8Array>((await this.#parts.bundleFiles?.()) ?? []);
    files.set('reported.json', JSON.stringify(withoutValues(this.#parts.reported()), undefined, 2));
    const filter = { tail: undefined, since, until, loglevel: undefined, regex: undefined };
    for (const id of namesOf(this.#parts)) {
      if (runtimeOnly && id !== 'edgeAgent' && id !== 'edgeHub') continue;
      // One log that cannot be had must not cost the others.
      const lines = await linesOf(this.#parts, id, filter).catch((error: Error) => [
        { time: '', stream: 'stderr' as const, text: error.message },
      ]);
      files.set(`logs/${id.replaceAll(/[^\w.-]/g, '_')}.log`, lines.map(({ time, text }) => `${time} ${text}\n`).join(''));
    }
    return files;
  }
}

/** Values of variables may be passwords; the bundle goes to whoever helps. */
function withoutValues(reported: TwinObject): unknown {
  return JSON.parse(
    JSON.stringify(reported, (key, value) =>
      key === 'env' ? Object.keys(value as object) : key.startsWith('createOptions') ? undefined : value,
    ),
  );
}
