import type { OpenEngine } from '../../deployments/engine/contract.ts';
import type { Images, RefusedImage } from '../../deployments/images/contract.ts';
import { openImages } from '../../deployments/images/images.ts';
import { type GatewayConfig, inConfigFolder } from '../config.ts';
import type { ModulesSettings } from './settings.ts';
import { signersOf } from './settings-files.ts';

/** Where the images of modules come from, and which may run, as dragoman.yaml says. Rejects with `modules-file` or `image-signer`. */
export async function imagesOf(
  settings: ModulesSettings,
  config: GatewayConfig,
  parts: { readonly engine: OpenEngine; readonly data: string; readonly onRefused: (refused: RefusedImage) => void },
): Promise<Images> {
  const { folder, signatures, digests } = settings.images;
  const signers = await signersOf(settings, config);
  const at = (path: string | undefined) => (path === undefined ? undefined : inConfigFolder(config, path));
  return openImages({ ...parts, folder: at(folder), signatures: at(signatures), policy: { digests, signers } });
}
