import type { ModuleSpec } from '../contract.ts';
import type { ContainerBody } from './contract.ts';

/** What the gateway adds to the options of a manifest. */
export interface ContainerHost {
  /** Its name, for the labels. */
  readonly gateway: string;
  /** `sha256:…`, as `Images.ensure` answered. */
  readonly imageId: string;
  /** A network of our own; made by `Engine.ensureNetwork`. */
  readonly network: string;
  /** Wins over the manifest's: `IOTEDGE_…`. */
  readonly env: Readonly<Record<string, string>>;
  /** `/on/host:/in/container[:ro]`. */
  readonly binds: readonly string[];
  /** Of the runtime of the manifest; see {@link readLoggingOptions}. */
  readonly loggingOptions: string;
}

/** The body of Docker's ContainerCreate for a module whose options passed the policy. Pure. */
export function containerBody(spec: ModuleSpec, host: ContainerHost): ContainerBody {
  return { ...spec.createOptions, Image: host.imageId };
}
