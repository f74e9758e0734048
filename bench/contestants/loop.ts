/** What the loops written for Node share: a fixed grid of rounds, a ready line, a count on SIGUSR2. */

let count = 0;

/** `add` is called with how many values came. Rounds start every `periodMs` on a fixed grid; a round that is late starts at once. */
export async function runRounds(periodMs: number, round: (add: (values: number) => void) => Promise<void>): Promise<never> {
  process.on('SIGUSR2', () => process.stdout.write(`count ${count}\n`));
  const add = (values: number): void => {
    count += values;
  };
  let due = performance.now();
  for (let turn = 0; ; turn++) {
    await round(add);
    if (turn === 0) process.stdout.write('ready\n');
    due += periodMs;
    const waitMs = due - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    else if (periodMs > 0) due -= waitMs;
  }
}

export const blockSize = 125;

/** The blocks that cover `registers` registers from 0. */
export function blocks(registers: number): readonly { readonly start: number; readonly quantity: number }[] {
  const list: { start: number; quantity: number }[] = [];
  for (let start = 0; start < registers; start += blockSize) list.push({ start, quantity: Math.min(blockSize, registers - start) });
  return list;
}
