import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway } from '../harness/gateway.ts';
import { startHubEnd } from '../harness/hub-end.ts';
import { modbusMappings, opcuaMappings } from '../harness/mappings.ts';
import { startModbusBank } from '../harness/modbus.ts';
import { startOpcuaBank } from '../harness/opcua.ts';
import { startProcess } from '../harness/process.ts';
import type { EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { node, scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

/** What the process holds when next to nothing is asked of it. */
export const idle: Row = {
  name: 'idle',
  title: 'RSS with ten points @ 1 Hz, Modbus only / with OPC UA',
  async run(options) {
    using folder = scratch();
    const settleMs = options.quick ? 8_000 : 15_000;
    await using bank = await startModbusBank(1, 10);
    await using opcua = await startOpcuaBank(10, 1000, folder.path);
    await using hub = await startHubEnd(folder.path, { count: false });
    const modbusFiles = modbusMappings(bank.ports, 10);
    const bothFiles = { ...modbusFiles, ...opcuaMappings(opcua.port, 10, '1s') };
    let runs = 0;
    const gateway = (mappings: Record<string, string>, points: number, compiled: boolean) => async (): Promise<number> => {
      await using running = await startGateway({
        name: 'dragoman run',
        folder: join(folder.path, `run-${++runs}`),
        mappings,
        points,
        hub,
        ...(compiled ? { main: options.compiled() } : {}),
      });
      await sleep(settleMs);
      return running.process.usage().rssMB;
    };
    const bare = async (): Promise<number> => {
      await using started = startProcess(node, ['-e', 'setInterval(() => {}, 1000); console.log("ready")'], { name: 'bare Node' });
      await started.line(/^ready\n/m);
      await sleep(1_000);
      return started.usage().rssMB;
    };
    const contestants = [
      { name: 'bare Node', role: 'limit', rss: bare },
      { name: 'dragoman run, compiled, Modbus only', role: 'ours', rss: gateway(modbusFiles, 10, true) },
      { name: 'dragoman run, compiled, with OPC UA', role: 'ours', rss: gateway(bothFiles, 20, true) },
      { name: 'dragoman run, sources, with OPC UA', role: 'ours', rss: gateway(bothFiles, 20, false) },
    ] as const;
    const sizes: number[][] = contestants.map(() => []);
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
      for (const [at, { name, rss }] of contestants.entries()) {
        options.progress(`${name}, ${repeat} of ${options.repeats}`);
        sizes[at]!.push(await rss());
      }
    }
    const entries = contestants.map(({ name, role }, at): EntryResult => {
      return {
        name,
        role,
        figures: { 'RSS MB': median(sizes[at]!) },
        spread: spread(sizes[at]!),
        repeats: options.repeats,
        runs: sizes[at]!,
      };
    });
    const times = (at: number): number => median(sizes[at]!) / median(sizes[0]!);
    return {
      row: this.name,
      title: this.title,
      entries,
      bars: [
        { text: '≤ 2.5× bare Node, Modbus only', value: times(1), holds: times(1) <= 2.5 },
        { text: '≤ 3.2× bare Node, with OPC UA', value: times(2), holds: times(2) <= 3.2 },
      ],
      notes: [
        `looked at ${settleMs / 1000} s after every point was at the hub; all state in place: outbox, hub session over TLS, status page`,
      ],
    };
  },
};
