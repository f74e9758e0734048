import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Log } from '../../../adapters/contract.ts';
import type { ModuleIdentity } from '../../../deployments/contract.ts';
import type { IdentitySource } from '../../../deployments/identities/module-identities.ts';
import type { Identity } from '../../../hub-client/azure/credentials.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import type { EdgePlace } from './place.ts';
import { noRest, registryRefusal } from './registry-refusal.ts';
import { DeviceRest, type RestAnswer, type RestCall } from './rest-call.ts';

export interface ModuleRegistryParts {
  readonly place: EdgePlace;
  /** What this box has for a module: it is kept where the hub has no keys for it, or does not show them. */
  readonly known: (moduleId: string) => ModuleIdentity | undefined;
  readonly log: Log;
}

/** As much of an identity as is read here. */
const Document = z.object({
  generationId: z.string(),
  authentication: z.object({
    type: z.string().nullish(),
    symmetricKey: z.object({ primaryKey: z.string().nullish(), secondaryKey: z.string().nullish() }).nullish(),
  }),
});
type Document = z.infer<typeof Document>;

/** These come with an IoT Edge device and go with it. */
const isRuntime = (moduleId: string): boolean => moduleId.startsWith('$');

/**
 * The identities of this device's modules in the registry of its hub, by the device's own right, as the runtime of IoT Edge makes them. A hub that
 * cannot be asked is said once, and said again when it answers.
 */
export class ModuleRegistry implements IdentitySource, Disposable {
  readonly #parts: ModuleRegistryParts;
  readonly #rest = new DeviceRest();
  readonly #stop = new AbortController();
  #away = false;

  constructor(parts: ModuleRegistryParts) {
    this.#parts = parts;
  }

  async create(moduleId: string): Promise<ModuleIdentity> {
    const device = await this.#device();
    const found = await this.#ask(device, moduleId, { method: 'GET' });
    if (found.status === 404 && !isRuntime(moduleId)) {
      const made = await this.#ask(device, moduleId, { method: 'PUT', body: wanted(device, moduleId, undefined) });
      // Somebody was faster, or it was us, and the answer was lost.
      if (made.status === 409) return this.#withKeys(device, moduleId, await this.#ask(device, moduleId, { method: 'GET' }));
      return this.#withKeys(device, moduleId, made);
    }
    return this.#withKeys(device, moduleId, found);
  }

  async delete(moduleId: string): Promise<void> {
    if (isRuntime(moduleId)) return;
    const device = await this.#device();
    const answer = await this.#ask(device, moduleId, { method: 'DELETE', ifMatch: '*' });
    if (answer.status >= 300 && answer.status !== 404) throw registryRefusal(answer, device, moduleId);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#rest[Symbol.dispose]();
  }

  /** $edgeAgent and $edgeHub of a new device have no keys in Azure: they get some, as from the daemon of iotedge. */
  async #withKeys(device: Identity, moduleId: string, answer: RestAnswer): Promise<ModuleIdentity> {
    const document = documentOf(answer, device, moduleId);
    const identity = identityFrom(document, device, moduleId);
    if (identity) return identity;
    const { type } = document.authentication;
    if (type === 'selfSigned' || type === 'certificateAuthority') throw withoutKeys(device, moduleId);
    const body = wanted(device, moduleId, this.#parts.known(moduleId));
    const set = documentOf(await this.#ask(device, moduleId, { method: 'PUT', ifMatch: '*', body }), device, moduleId);
    const { primaryKey, secondaryKey } = body.authentication.symmetricKey;
    return { deviceId: device.deviceId, moduleId, generationId: set.generationId, primaryKey, secondaryKey };
  }

  async #device(): Promise<Identity> {
    try {
      return await this.#parts.place.device(this.#stop.signal);
    } catch (error) {
      this.#note(error);
      throw error;
    }
  }

  async #ask(device: Identity, moduleId: string, call: Omit<RestCall, 'path'>): Promise<RestAnswer> {
    const path = `/devices/${encodeURIComponent(device.deviceId)}/modules/${encodeURIComponent(moduleId)}`;
    try {
      const port = this.#parts.place.httpsPort();
      if (port === undefined) throw noRest(device);
      const answer = await this.#rest.call(device, port, { ...call, path });
      if (answer.status === 429 || answer.status >= 500) throw registryRefusal(answer, device, moduleId);
      this.#note(undefined);
      return answer;
    } catch (error) {
      this.#note(error);
      throw error;
    }
  }

  #note(error: unknown): void {
    if (this.#stop.signal.aborted || this.#away === (error !== undefined)) return;
    this.#away = error !== undefined;
    const { log } = this.#parts;
    if (error === undefined) log.info({}, 'the hub can be asked about identities of modules again');
    else {
      const { code, hint } = error instanceof GatewayError ? error : { code: 'unexpected', hint: undefined };
      log.warn(
        { code, reason: (error as Error).message, ...(hint !== undefined && { hint }) },
        'the hub cannot be asked about identities of modules; modules go on with those that are on disk, new ones have to wait',
      );
    }
  }
}

function documentOf(answer: RestAnswer, device: Identity, moduleId: string): Document {
  if (answer.status >= 300) throw registryRefusal(answer, device, moduleId);
  const found = Document.safeParse(answer.body);
  if (found.success) return found.data;
  throw new NotConnectedError('hub-rest', `What answers for ${device.hub} about module ${moduleId} is no registry of IoT Hub.`, {
    retry: 'with-backoff',
    hint: 'A proxy in between may answer in its name; the port must be that of the REST API.',
  });
}

/** Undefined: the hub has no keys for it, or does not show them. */
function identityFrom({ generationId, authentication }: Document, { deviceId }: Identity, moduleId: string): ModuleIdentity | undefined {
  const { primaryKey, secondaryKey } = authentication.symmetricKey ?? {};
  if (!primaryKey || (authentication.type ?? 'sas') !== 'sas') return undefined;
  return { deviceId, moduleId, generationId, primaryKey, ...(secondaryKey && { secondaryKey }) };
}

function wanted({ deviceId }: Identity, moduleId: string, known: ModuleIdentity | undefined) {
  const symmetricKey = { primaryKey: known?.primaryKey ?? newKey(), secondaryKey: known?.secondaryKey ?? newKey() };
  return { deviceId, moduleId, managedBy: 'IotEdge', authentication: { type: 'sas', symmetricKey } };
}

const newKey = (): string => randomBytes(32).toString('base64');

function withoutKeys({ hub, deviceId }: Identity, moduleId: string): GatewayError {
  const text = `Module ${moduleId} of device ${deviceId} proves itself by certificates in ${hub}; modules of a gateway do so by keys.`;
  return new GatewayError('hub-module-certificate', text, {
    retry: 'after-fix',
    hint: 'Delete the module in the registry of the hub: it is then made with keys.',
  });
}
