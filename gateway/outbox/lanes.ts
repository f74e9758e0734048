import type { LoadedBlock } from './batches.ts';
import type { EncodedBlock } from './block.ts';
import type { SegmentLog } from './log.ts';
import type { Fresh, Item, LogBatch, ReadRequest, Served } from './messages.ts';
import { LogReader } from './reader.ts';

/** One turn reads no more and takes hardly longer: a destination that drains a backlog lets commits and the others through. */
const [turnBytes, turnMs] = [512 * 1024, 4];

/** The readers of all destinations, by their index in the settings. Who has credit is served in turn. */
export class Lanes {
  readonly #lanes: readonly Lane[];
  #turn = 0;

  constructor(log: SegmentLog, destinations: number) {
    this.#lanes = Array.from({ length: destinations }, (_, destination) => new Lane(log, destination));
  }

  start(destination: number, request: ReadRequest): void {
    this.#lanes[destination]!.start(request);
  }

  credit(destination: number, bytes: number): void {
    this.#lanes[destination]!.credit += bytes;
  }

  /** Those that what is committed next can be handed to from memory. */
  live(): readonly Lane[] {
    return this.#lanes.filter((lane) => lane.credit > 0 && lane.reader.atEnd);
  }

  /** The blocks that were just committed, made into batches once for all that want them alike. `live` is from before the commit. */
  fresh(live: readonly Lane[], encoded: readonly EncodedBlock[]): readonly Fresh[] {
    if (live.length === 0) return [];
    const blocks = encoded.map(({ header, meta, body, plain }): LoadedBlock => ({ header, meta, body, plain }));
    const forms = Map.groupBy(live, ({ options: { maxBodyBytes, compressed } }) => `${maxBodyBytes} ${compressed}`);
    return [...forms.values()].map((lanes) => {
      const made = lanes[0]!.reader.fresh(blocks);
      for (const lane of lanes.slice(1)) lane.reader.passed(blocks);
      for (const lane of lanes) lane.spend(made);
      return { readers: lanes.map(({ destination, epoch }) => ({ destination, epoch })), items: made };
    });
  }

  get wanting(): boolean {
    return this.#lanes.some((lane) => lane.wanting);
  }

  /** What the next one in turn gets from the disk; undefined when nobody is behind. */
  turn(): Served | undefined {
    for (let i = 0; i < this.#lanes.length; i++) {
      const lane = this.#lanes[(this.#turn + i) % this.#lanes.length]!;
      if (!lane.wanting) continue;
      const items = lane.reader.read(Math.min(lane.credit, turnBytes), performance.now() + turnMs);
      if (items.length === 0) continue;
      this.#turn = lane.destination + 1;
      lane.spend(items);
      return { destination: lane.destination, epoch: lane.epoch, items };
    }
    return undefined;
  }

  close(): void {
    for (const lane of this.#lanes) lane.reader.close();
  }
}

class Lane {
  readonly destination: number;
  readonly reader: LogReader;
  epoch = 0;
  /** Bytes of bodies that it may still be sent. */
  credit = 0;
  options: ReadRequest['options'] = { maxBodyBytes: 0, compressed: false };

  constructor(log: SegmentLog, destination: number) {
    this.destination = destination;
    this.reader = new LogReader(log);
  }

  start({ epoch, from, options, credit }: ReadRequest): void {
    this.epoch = epoch;
    this.options = options;
    this.credit = credit;
    this.reader.start(from, options);
  }

  get wanting(): boolean {
    return this.credit > 0 && !this.reader.atEnd;
  }

  spend(items: readonly Item[]): void {
    for (const item of items) if ('batch' in item) this.credit -= sizeOf(item.batch);
  }
}

/** As the receiver counts it when it gives the credit back. */
function sizeOf({ body, inGroup }: LogBatch): number {
  return inGroup ? inGroup[1] - inGroup[0] : body.byteLength;
}
