import { type AzureSettings, azure } from '../hub-client/azure/definition.ts';
import type { HubContext, HubSession } from '../hub-client/contract.ts';
import { GatewayError } from '../model/error.ts';
import { type ChildHub, startChildHub } from './child-hub.ts';
import type { DestinationConfig, EmbeddedHub } from './destination/settings.ts';
import { hubKindNamed } from './hub-kinds.ts';
import type { EdgePlace } from './modules/upstream/place.ts';

/** The way to one hub, ready to be opened again and again. */
export interface HubLink extends AsyncDisposable {
  /** For the start lines: `embedded, localhost:8883 (data in …)`. */
  readonly where: string;
  connect(signal: AbortSignal): Promise<HubSession>;
  /** This box as an IoT Edge device of that hub; absent where the hub knows none. */
  readonly edge?: EdgePlace;
}

export async function openHubLink({ kind: name, settings }: DestinationConfig, context: HubContext, signal: AbortSignal): Promise<HubLink> {
  if (name === 'embedded') return openEmbedded(settings as EmbeddedHub, context, signal);
  const kind = hubKindNamed(name)!;
  return {
    where: kind.where?.(settings) ?? kind.summary,
    connect: async (abort) => (await kind.load()).connect(settings, context, abort),
    ...(name === azure.name && { edge: edgeOf(settings as AzureSettings, context) }),
    async [Symbol.asyncDispose]() {},
  };
}

function edgeOf(settings: AzureSettings, context: HubContext): EdgePlace {
  return {
    settings,
    httpsPort: () => settings.https,
    device: async (abort) => (await import('../hub-client/azure/client.ts')).deviceIdentity(settings, context, abort),
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
  const [{ hubFiles }, { lastEndpoint }] = await Promise.all([import('../hub/folder.ts'), import('../hub/endpoint.ts')]);
  const stopping = new AbortController();
  const services = { https, amqp, policies: policies === undefined ? undefined : context.resolve(policies) };
  let knownPort = port;
  let hub: ChildHub | undefined;
  let before = false;
  // One that ended, or could not start, is started again when the forwarder next tries to connect.
  const running = async (abort: AbortSignal): Promise<void> => {
    if (hub || stopping.signal.aborted) return;
    const started = await startChildHub({ folder, port: knownPort, ...services }, abort);
    hub = started;
    knownPort = started.port;
    void started.exited.then(() => {
      hub = undefined;
    });
    createDevice(folder, context.gateway);
    if (before) context.log.warn({ port: knownPort }, 'the embedded hub had ended and was started again');
    before = true;
  };
  // The gateway does its work without: the forwarder says what is wrong and goes on trying.
  await running(signal).catch((error: unknown) => {
    if (!(error instanceof GatewayError) || signal.aborted) throw error;
  });
  const settings: AzureSettings = azure.settings.parse({
    connectionString: { env: 'unused' },
    compression,
    ca: hubFiles(folder).caCertificate,
  });
  // The hub is ours: what the client asks for by this name is made here, the CA file is read as any other.
  const secret: HubContext['secret'] = (reference) =>
    'env' in reference ? Promise.resolve(connectionString(folder, context.gateway)) : context.secret(reference);
  const edge = edgeOf(settings, { ...context, secret });
  return {
    edge: {
      ...edge,
      httpsPort: () => lastEndpoint(folder)?.httpsPort,
      async device(abort) {
        // Its hub is ours: nobody else would make it one.
        createDevice(folder, context.gateway, { edge: true });
        return edge.device(abort);
      },
    },
    where: hub ? `embedded, localhost:${knownPort}` : `embedded, localhost:${knownPort}, does not run yet`,
    async connect(abort) {
      await running(abort);
      return (await azure.load()).connect(settings, { ...context, secret }, abort);
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await hub?.[Symbol.asyncDispose]();
    },
  };
}
