import type { OpenEngine } from '../../deployments/engine/contract.ts';
import { pathOnHost } from '../../deployments/engine/own-container.ts';
import { GatewayError } from '../../model/error.ts';

/** Resolves with the folder as the engine sees it. */
export type MountFrom = () => Promise<string>;

/**
 * Where the engine finds the folder of the sockets. `setting`: what dragoman.yaml says; otherwise the engine is asked, once, whether this process is in a
 * container of its own making. Rejects as the engine does, and with `modules-sockets` where it could not mount that folder into another container.
 */
export function mountFrom(sockets: string, setting: string | undefined, open: OpenEngine): MountFrom {
  let known = setting;
  return async () => (known ??= await ask(sockets, open));
}

async function ask(sockets: string, open: OpenEngine): Promise<string> {
  await using engine = await open();
  const place = await pathOnHost(engine, sockets);
  if (place.kind === 'same') return sockets;
  if (place.kind === 'mounted') return place.path;
  throw new GatewayError(
    'modules-sockets',
    `the sockets of modules are in ${sockets}, which is inside the gateway's own container ${place.container}: no other container can have them`,
    { retry: 'after-fix', hint: 'put the data folder of the gateway on a volume, or modules.sockets on one of their own' },
  );
}
