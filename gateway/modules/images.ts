import type { OpenEngine } from '../../deployments/engine/contract.ts';
import type { Images, RefusedImage } from '../../deployments/images/contract.ts';
import type { GatewayConfig } from '../config.ts';
import type { ModulesSettings } from './settings.ts';

export async function openImages(
  _settings: ModulesSettings,
  _config: GatewayConfig,
  engine: OpenEngine,
  _refused: (image: RefusedImage) => void,
): Promise<Images> {
  return {
    check: async () => [],
    cleanUp: async () => [],
    async ensure(spec) {
      await using open = await engine();
      const known = await open.image(spec.image);
      if (known) return { imageId: known.id, from: 'engine' };
      await open.pull(spec.image, { credentials: undefined });
      return { imageId: (await open.image(spec.image))!.id, from: 'registry' };
    },
  };
}
