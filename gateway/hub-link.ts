import { type AzureSettings, azure } from '../hub-client/azure/definition.ts';
import type { HubContext, HubSession } from '../hub-client/contract.ts';
import { startChildHub } from './child-hub.ts';
import type { DestinationConfig, EmbeddedHub } from './destination/settings.ts';
import { hubKindNamed } from './hub-kinds.ts';

/** The way to one hub, ready to be opened again and again. */
export interface HubLink extends AsyncDisposable {
  /** For the start lines: `embedded, localhost:8883 (data in …)`. */
  readonly where: string;
  connect(signal: AbortSignal): Promise<HubSession>;
}

export async function openHubLink({ kind: name, settings }: DestinationConfig, context: HubContext, signal: AbortSignal): Promise<HubLink> {
  if (name === 'embedded') return openEmbedded(settings as EmbeddedHub, context, signal);
  const kind = hubKindNamed(name)!;
  return {
    where: kind.where?.(settings) ?? kind.summary,
    connect: async (abort) => (await kind.load()).connect(settings, context, abort),
    async [Symbol.asyncDispose]() {},
  };
}

/** Runs the embedded hub as a child process and joins it like any other hub: same client, same protocol. */
async function openEmbedded(
  { data, port, compression, https, amqp, policies }: EmbeddedHub,
  context: HubContext,
  signal: AbortSignal,
): Promise<HubLink> {
  const folder = context.resolve(data);
  const { createDevice, connectionString } = await import('../hub/access.ts');
  const { hubFiles } = await import('../hub/folder.ts');
  const stopping = new AbortController();
  const services = { https, amqp, policies: policies === undefined ? undefined : context.resolve(policies) };
  let hub = await startChildHub({ folder, port, ...services }, signal);
  // A hub that crashed is started again, on the port it had, when the forwarder next tries to connect.
  let alive = true;
  const watch = (): void => {
    alive = true;
    void hub.exited.then(() => {
      alive = false;
    });
  };
  watch();
  createDevice(folder, context.gateway);
  const settings: AzureSettings = azure.settings.parse({
    connectionString: { env: 'unused' },
    compression,
    ca: hubFiles(folder).caCertificate,
  });
  // The hub is ours: what the client asks for by this name is made here, the CA file is read as any other.
  const secret: HubContext['secret'] = (reference) =>
    'env' in reference ? Promise.resolve(connectionString(folder, context.gateway)) : context.secret(reference);
  return {
    where: `embedded, localhost:${hub.port}`,
    async connect(abort) {
      if (!alive && !stopping.signal.aborted) {
        hub = await startChildHub({ folder, port: hub.port, ...services }, abort);
        watch();
        context.log.warn({ port: hub.port }, 'the embedded hub had ended and was started again');
      }
      return (await azure.load()).connect(settings, { ...context, secret }, abort);
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await hub[Symbol.asyncDispose]();
    },
  };
}
