#!/usr/bin/env node
// Starts the gateway on the Node that this package brings along, whatever Node started this file.
// From a clone the TypeScript sources run as they are; the published package and the image carry dist/.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'gateway', 'main.ts');
const main = existsSync(sources) ? sources : join(root, 'dist', 'gateway', 'main.js');
const bundled = join(root, 'node_modules', 'node', 'bin', 'node');
const wanted = 24;

let node = bundled;
if (!existsSync(bundled)) {
  if (Number(process.versions.node.split('.')[0]) < wanted) {
    process.stderr.write(
      `dragoman needs Node ${wanted}; this is ${process.version}, and the Node that npm should have installed with the package is missing.\n` +
        'Run "npm ci" again without --ignore-scripts, or install Node 24 or later.\n',
    );
    process.exit(1);
  }
  node = process.execPath;
}

// The child shares our process group, so Ctrl-C reaches it directly; we only wait and pass on what is sent to us alone.
const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
process.on('SIGINT', () => {});
process.on('SIGHUP', () => child.kill('SIGHUP'));
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('error', (error) => {
  process.stderr.write(`cannot start ${node}: ${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));
