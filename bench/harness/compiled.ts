import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { node, root } from './tools.ts';

/** Builds the gateway into `folder` as the package carries it; gives the path of its main file. */
export function buildInto(folder: string): string {
  const output = join(folder, 'dist');
  const config = join(root, 'tsconfig.build.json');
  if (!existsSync(config)) throw new Error('there is no tsconfig.build.json');
  const built = spawnSync(node, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config, '--outDir', output], { encoding: 'utf8' });
  const main = join(output, 'gateway', 'main.js');
  if (!existsSync(main)) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`);
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return main;
}
