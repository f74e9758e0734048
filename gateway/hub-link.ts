import { type AzureSettings, azure } from '../hub-client/azure/definition.ts';
import type { HubContext, HubSession } from '../hub-client/contract.ts';
import { startChildHub } from './child-hub.ts';
import { type GatewayConfig, inConfigFolder } from './config.ts';

/** The way to the configured hub, ready to be opened again and again. */
export interface HubLink extends AsyncDisposable {
  /** For the start lines: `embedded, localhost:8883 (data in …)`. */
  readonly where: string;
  readonly compressed: boolean;
  connect(signal: AbortSignal): Promise<HubSession>;
}

export async function openHubLink(config: GatewayConfig, context: HubContext, signal: AbortSignal): Promise<HubLink> {
  const { hub } = config;
  if (hub.kind === 'embedded') return openEmbedded(inConfigFolder(config, hub.data), hub.port, hub.compression, context, signal);
  const settings = {
    ...hub,
    ...(hub.ca === undefined ? {} : { ca: inConfigFolder(config, hub.ca) }),
    ...(hub.certificate === undefined ? {} : { certificate: inConfigFolder(config, hub.certificate) }),
  };
  return {
    where: `Azure IoT Hub${hub.host ? `, ${hub.host}` : ''}`,
    compressed: hub.compression === 'zstd',
    connect: async (abort) => (await azure.load()).connect(settings, context, abort),
    async [Symbol.asyncDispose]() {},
  };
}

/** Runs the embedded hub as a child process and joins it like any other hub: same client, same protocol. */
async function openEmbedded(
  folder: string,
  port: number,
  compression: AzureSettings['compression'],
  context: HubContext,
  signal: AbortSignal,
): Promise<HubLink> {
  const { createDevice, connectionString } = await import('../hub/access.ts');
  const { hubFiles } = await import('../hub/folder.ts');
  const stopping = new AbortController();
  let hub = await startChildHub({ folder, port }, signal);
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
    compressed: compression === 'zstd',
    async connect(abort) {
      if (!alive && !stopping.signal.aborted) {
        hub = await startChildHub({ folder, port: hub.port }, abort);
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
