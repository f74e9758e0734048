import { join } from 'node:path';
import { type Contestant, contest } from '../harness/contest.ts';
import { bareSocketLoop, loop, often, readingLimit, readingPeers, startModbusBank } from '../harness/modbus.ts';
import { atMost, entryResult, ratio } from '../harness/report.ts';
import { bench, node, scratch } from '../harness/tools.ts';
import { type Row, windowOf } from './row.ts';

/** What the adapter costs beside a program that reads the same blocks and looks at nothing. */
export const modbusAdapter: Row = {
  name: 'modbus-adapter',
  title: 'Modbus adapter alone: every register a point, once a second',
  async run(options) {
    using folder = scratch();
    await using bank = await startModbusBank(10, options.quick ? 2000 : 10_000);
    const ours = (periodMs: number): Contestant =>
      loop(`Dragoman adapter${often(periodMs)}`, 'ours', [node, join(bench, 'contestants', 'modbus-adapter.ts')], bank, periodMs);
    const limit = readingLimit(bank, 1000, folder.path);
    const peers = readingPeers(bank, 1000);
    const contestants = [limit.contestant, ours(1000), bareSocketLoop(bank, 1000), ...peers.contestants];
    // At five rounds a second the fixed cost of a process that sleeps most of the time is gone.
    const fast = [readingLimit(bank, 200, folder.path).contestant, ours(200)];
    const entries = await contest(contestants, [bank.server], options.repeats, windowOf(options), options.progress);
    const fastEntries = await contest(fast, [bank.server], options.repeats, windowOf(options), options.progress);
    const [theirs, mine] = entries;
    const [theirsFast, mineFast] = fastEntries;
    return {
      row: this.name,
      title: this.title,
      entries: [...entries, ...fastEntries].map((entry) => entryResult(entry)),
      bars: [
        atMost(`≤ 1.5× ${theirs!.name}`, ratio(mine!, theirs!), 1.5, mine!, theirs!),
        atMost(`≤ 1.5× ${theirsFast!.name}`, ratio(mineFast!, theirsFast!), 1.5, mineFast!, theirsFast!),
        atMost(`≤ 3× ${theirs!.name}, for an adapter on modbus-serial`, ratio(mine!, theirs!), 3, mine!, theirs!),
      ],
      notes: [
        `${bank.ports.length} machines of ${bank.registers} registers, one connection each, one request at a time`,
        'ours decodes, checks and hands on each register; the loops only read',
        ...(limit.note ? [limit.note] : []),
        ...peers.notes,
      ],
    };
  },
};
