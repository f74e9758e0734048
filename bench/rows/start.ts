import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnGateway } from '../harness/gateway.ts';
import { startHubEnd } from '../harness/hub-end.ts';
import { tooBusy, watchLoad } from '../harness/machine.ts';
import { modbusMappings, opcuaMappings } from '../harness/mappings.ts';
import { startModbusBank } from '../harness/modbus.ts';
import { startOpcuaBank } from '../harness/opcua.ts';
import { startProcess } from '../harness/process.ts';
import type { Bar, EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { node, scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

/** From starting the process to the first reading at the far end of the hub. */
export const start: Row = {
  name: 'start',
  title: 'start to first reading at the hub, seconds',
  async run(options) {
    using folder = scratch();
    await using bank = await startModbusBank(1, 100);
    await using opcua = await startOpcuaBank(100, 1000, folder.path);
    const modbusFiles = modbusMappings(bank.ports, 100);
    const opcuaFiles = opcuaMappings(opcua.port, 100, '1s');
    let runs = 0;
    const gateway = (mappings: Record<string, string>, compiled: boolean) => {
      // One folder for all repeats, emptied of nothing: certificates and outbox are there, as on any start but the very first.
      const home = join(folder.path, `run-${++runs}`);
      return async (): Promise<number> => {
        await using hub = await startHubEnd(folder.path, { count: true });
        const beganMs = Date.now();
        const main = compiled ? { main: options.compiled() } : {};
        const { process } = await spawnGateway({ name: 'dragoman run', folder: home, mappings, points: 100, hub, ...main });
        await using _running = process;
        const first = await hub.counter!.line(/^first (\d+)\n/m, 30_000);
        const seconds = (Number(first[1]) - beganMs) / 1000;
        await process.stop('SIGTERM');
        return seconds;
      };
    };
    const bare = async (): Promise<number> => {
      const began = performance.now();
      await using started = startProcess(node, ['-e', 'console.log("ready")'], { name: 'bare Node' });
      await started.line(/^ready\n/m);
      return (performance.now() - began) / 1000;
    };
    options.compiled();
    const contestants = [
      { name: 'bare Node, first line printed', role: 'limit', run: bare },
      { name: 'dragoman run, compiled, Modbus', role: 'ours', run: gateway(modbusFiles, true) },
      { name: 'dragoman run, compiled, OPC UA', role: 'ours', run: gateway(opcuaFiles, true) },
      { name: 'dragoman run, sources, Modbus', role: 'ours', run: gateway(modbusFiles, false) },
      { name: 'dragoman run, sources, OPC UA', role: 'ours', run: gateway(opcuaFiles, false) },
    ] as const;
    const times: number[][] = contestants.map(() => []);
    const watch = watchLoad();
    const watched = [bank.server, opcua.server];
    const own = watched.map((process) => process.usage().cpuSeconds);
    // The first round makes keys and fills caches; it is not counted.
    for (let repeat = 0; repeat <= options.repeats; repeat++) {
      for (const [at, { name, run }] of contestants.entries()) {
        options.progress(`${name}, ${repeat === 0 ? 'uncounted' : `${repeat} of ${options.repeats}`}`);
        const seconds = await run();
        if (repeat > 0) times[at]!.push(seconds);
        await sleep(200);
      }
    }
    const load = watch.stop(watched.reduce((sum, process, at) => sum + process.usage().cpuSeconds - own[at]!, 0));
    // Processes that came and went are among the others here, so only a queue for the cores counts as busy.
    const busy = tooBusy({ ...load, otherCores: 0 });
    const entries = contestants.map(({ name, role }, at): EntryResult => {
      return { name, role, figures: { s: median(times[at]!) }, spread: spread(times[at]!), repeats: options.repeats, runs: times[at]! };
    });
    const bar = (at: number, bound: number, what: string): Bar => {
      const value = median(times[at]!);
      const text = `≤ ${bound} s, ${what}`;
      if (busy && value > bound) return { text, value, holds: undefined, reason: `machine busy: ${busy}` };
      return { text, value, holds: value <= bound };
    };
    return {
      row: this.name,
      title: this.title,
      entries,
      bars: [bar(1, 0.8, 'Modbus only'), bar(2, 1.6, 'with OPC UA')],
      notes: ['keys, outbox and certificates exist already; the hub end is up and waits'],
    };
  },
};
