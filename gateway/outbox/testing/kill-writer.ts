import { writeSync } from 'node:fs';
import { openOutbox } from '../outbox.ts';
import { eventsOf, noise, plainOptions, settings } from './support.ts';

/**
 * Appends until it is killed and prints what it was promised: `+SEQUENCE n` when an append resolved, `-SEQUENCE n` when an event was
 * acknowledged. Written synchronously: a line that is there was true.
 */
const [folder, firstN = '0', drains = ''] = process.argv.slice(2);
const outbox = await openOutbox(settings(folder!, { commitEveryMs: 2, maxSizeBytes: 256 * 1024 * 1024 }));
const say = (text: string): void => {
  writeSync(1, text);
};
say(`open ${outbox.counters().nextSequence}\n`);

async function consume(): Promise<void> {
  for (;;) {
    const batch = await outbox.cursor('hub').next(plainOptions, new AbortController().signal);
    if (!batch) return;
    say(
      eventsOf(batch)
        .map((e) => `-${e.sequence} ${e.n ?? 'gap'}\n`)
        .join(''),
    );
    outbox.cursor('hub').acknowledge(batch);
  }
}
if (drains === 'drain') void consume();

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
