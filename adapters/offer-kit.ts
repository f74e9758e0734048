import { registerHooks } from 'node:module';

const entry = new URL(import.meta.url.endsWith('.ts') ? './published.ts' : './published.js', import.meta.url).href;
let offered = false;

/**
 * From now on `import … from 'dragoman/adapter'` leads to this very program, wherever the importing package lies and whatever it has
 * installed beside it: one `NotConnectedError`, one zod. Call it before an adapter of another package is loaded.
 */
export function offerKit(): void {
  if (offered) return;
  offered = true;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'dragoman/adapter' ? { url: entry, shortCircuit: true } : next(specifier, context),
  });
}
