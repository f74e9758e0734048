import { writeSync } from 'node:fs';
import { openOutbox } from '../outbox.ts';
import { eventsOf, killDestinations, noise, plainOptions, settings, type TestEvent } from './support.ts';

/**
 * Appends until it is killed and prints what it was promised: `+SEQUENCE n` when an append resolved, `-SEQUENCE n` when an event was
 * acknowledged, `!SEQUENCE n` when it was refused; before the last two stands the destination, when there is more than the default one.
 * Written synchronously: a line that is there was true.
 *
 * `drains`: `drain` takes everything for the default destination. `two` has a slow destination and one that refuses every fifth batch.
 */
const [folder, firstN = '0', drains = ''] = process.argv.slice(2);
const two = drains === 'two';
const more = { commitEveryMs: 2, maxSizeBytes: 256 * 1024 * 1024, ...(two ? { destinations: killDestinations } : {}) };
const outbox = await openOutbox(settings(folder!, more));
const say = (text: string): void => {
  writeSync(1, text);
};
say(`open ${outbox.counters().nextSequence}\n`);

interface Habits {
  /** Milliseconds before each acknowledgement. */
  readonly slowMs?: number;
  /** Every so many batches one is refused. */
  readonly refusesEvery?: number;
}

function gapText({ gap }: TestEvent): string {
  return two ? JSON.stringify(gap) : 'gap';
}

async function consume(name: string, { slowMs = 0, refusesEvery = Number.POSITIVE_INFINITY }: Habits): Promise<void> {
  const cursor = outbox.cursor(name);
  for (let count = 1; ; count++) {
    const batch = await cursor.next(plainOptions, new AbortController().signal);
    if (!batch) return;
    if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs));
    const refuses = count % refusesEvery === 0;
    const sign = `${two ? name : ''}${refuses ? '!' : '-'}`;
    say(
      eventsOf(batch)
        .map((e) => `${sign}${e.sequence} ${e.n ?? gapText(e)}\n`)
        .join(''),
    );
    if (refuses) cursor.reject(batch, 'not mine');
    else cursor.acknowledge(batch, `${batch.lastSequence}`);
  }
}
if (drains === 'drain') void consume('hub', {});
if (two) {
  void consume('slow', { slowMs: 25 });
  void consume('picky', { refusesEvery: 5 });
}

let n = Number(firstN);
for (;;) {
  const turn: Promise<string>[] = [];
  for (let i = 0; i < 40; i++) {
    const own = n++;
    let sequence = 0;
    const fill = noise((own * 7919) % 3000, own + 1);
    const encode = (s: number): string => {
      sequence = s;
      return JSON.stringify({ sequence: s, n: own, fill });
    };
    turn.push(outbox.append({ encode, readings: 1, fromMs: own, toMs: own }).then(() => `+${sequence} ${own}\n`));
  }
  say((await Promise.all(turn)).join(''));
}
