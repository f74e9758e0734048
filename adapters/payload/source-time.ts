import type { PayloadAddress } from './address.ts';
import { binaryForm } from './binary.ts';
import type { DecodedBody } from './body.ts';
import type { Message, Tree } from './contract.ts';
import { type Fetch, fetchOf } from './fetch.ts';
import { type Instant, type TimeReader, timeReader } from './time.ts';

/** The time of a message or row, read once for all points that find it in the same place. */
export class SourceTime {
  readonly shown: string;
  /** What the last `find` came upon. */
  readonly instant: Instant = { timeMs: 0, ticks: 0, doubtful: false };
  node: Tree | undefined;
  readonly #fetch: Fetch;
  readonly #read: TimeReader;
  #turn = -1;
  #found = false;

  constructor({ time, timeFormat, timeZone }: PayloadAddress) {
    this.shown = time!.shown;
    this.#fetch = fetchOf(time!.place);
    if (time!.place.kind === 'byte' && timeFormat?.kind === 'registers') {
      const { offset } = time!.place;
      const form = binaryForm(timeFormat.type);
      this.#fetch = (_message, { bytes }) =>
        offset + form.bytes > bytes!.length ? undefined : (form.decode(bytes!, offset) as string | undefined);
    }
    this.#read = timeReader(timeFormat, timeZone);
  }

  /** True when there is a time, which `instant` then holds. `turn` is another number for every message and row. */
  find(message: Message, body: DecodedBody, row: number, turn: number): boolean {
    if (this.#turn === turn) return this.#found;
    this.#turn = turn;
    this.node = this.#fetch(message, body, row);
    this.#found = this.node !== undefined && this.#read(this.node, this.instant);
    return this.#found;
  }
}
