import { join } from 'node:path';
import { type BenchProcess, startProcess } from './process.ts';
import { bench, node } from './tools.ts';

export interface OpcuaBank extends AsyncDisposable {
  readonly server: BenchProcess;
  readonly port: number;
  readonly items: number;
  readonly periodMs: number;
}

/** A node-opcua server whose `items` variables all change every `periodMs`. Its keys and those of its clients go below `folder`. */
export async function startOpcuaBank(items: number, periodMs: number, folder: string): Promise<OpcuaBank> {
  const server = startProcess(node, [join(bench, 'servers', 'opcua-server.ts'), String(items), String(periodMs)], {
    name: 'OPC UA server',
    env: { XDG_CONFIG_HOME: folder },
  });
  const port = Number((await server.line(/^ready (\d+)\n/m, 120_000))[1]);
  return { server, port, items, periodMs, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
