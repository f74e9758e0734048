import { createHash } from 'node:crypto';
import { GatewayError } from '../../model/error.ts';
import { containerBody } from '../engine/container-body.ts';
import type { Container, Engine } from '../engine/contract.ts';
import { containerName, labelNames, ownLabels } from '../engine/labels.ts';
import type { AgentOptions, ModuleHost } from './contract.ts';
import { attemptLabel, temporaryName } from './names.ts';
import type { Incarnation } from './records.ts';

export interface ContainerParts extends Pick<AgentOptions, 'gateway' | 'policy' | 'environmentOf' | 'identities' | 'log'> {
  readonly network: string;
  /** Of the manifest that is carried out. */
  readonly loggingOptions: () => string;
}

/** All containers of one module, by our labels. */
export const containersOf = (engine: Engine, gateway: string, module: string): Promise<readonly Container[]> =>
  engine.containers({ ...ownLabels(gateway), [labelNames.module]: module });

/** What a module gets from this box; its identity is there then. */
export async function hostOf({ identities, environmentOf }: ContainerParts, module: string): Promise<ModuleHost> {
  await identities.ensure(module);
  return environmentOf(module);
}

/** Equal when a container need not be made anew for it. SHA-256, hex: there may be secrets in it. */
export function hostHash({ env, binds, extraHosts = [] }: ModuleHost): string {
  const sorted = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([sorted, binds, extraHosts]))
    .digest('hex');
}

/** Makes the container of an incarnation, under a name that nobody has; not started. Its id. */
export async function createContainer(
  parts: ContainerParts,
  engine: Engine,
  module: string,
  { attempt, spec, imageId }: Incarnation,
  { env, binds, extraHosts = [] }: ModuleHost,
): Promise<string> {
  const { gateway, policy, network, loggingOptions } = parts;
  await refuseTakenName(engine, gateway, module);
  const unknownOptions = policy.allow.includes('unknown-options');
  const body = containerBody(spec, { gateway, imageId, network, env, binds, extraHosts, loggingOptions: loggingOptions(), unknownOptions });
  await engine.ensureNetwork(network);
  return engine.create(temporaryName(module, attempt), { ...body, Labels: { ...(body.Labels as object), [attemptLabel]: attempt } });
}

/** Removes what does not count, and gives the one that does its name. The one that counts, as it is now. */
export async function tidyContainers(
  { gateway, log }: Pick<ContainerParts, 'gateway' | 'log'>,
  engine: Engine,
  module: string,
  current: Incarnation | undefined,
): Promise<Container | undefined> {
  let found: Container | undefined;
  for (const container of await containersOf(engine, gateway, module)) {
    if (current && container.labels[attemptLabel] === current.attempt) found = container;
    else {
      // It may hold files that it has to close.
      if (container.state === 'running') await engine.stop(container.id, graceSeconds);
      await engine.remove(container.id);
    }
  }
  const name = containerName(module);
  if (found && found.name !== name) {
    await engine.rename(found.id, name).catch((error: Error) => {
      if ((error as GatewayError).code !== 'engine-conflict') throw error;
      log.warn({ module, name, reason: error.message }, 'the container keeps its temporary name');
    });
  }
  return found;
}

/** Seconds between SIGTERM and SIGKILL for what nobody will miss. */
const graceSeconds = 10;

async function refuseTakenName(engine: Engine, gateway: string, module: string): Promise<void> {
  const name = containerName(module);
  const other = await engine.container(name);
  if (!other || (other.labels[labelNames.gateway] === gateway && other.labels[labelNames.module] === module)) return;
  throw new GatewayError('container-name-taken', `${module}: there is a container ${name} on this engine that this gateway did not make`, {
    retry: 'after-fix',
    hint: `remove it or rename it (docker rename ${name} …, or podman rename), or give the module another name`,
  });
}
