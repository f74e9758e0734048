/** What contestants that count messages share: SIGUSR2 prints the count. */
let count = 0;
process.on('SIGUSR2', () => process.stdout.write(`count ${count}\n`));
process.on('SIGTERM', () => process.exit(0));

export function add(values: number): void {
  count += values;
}

export function ready(): void {
  process.stdout.write('ready\n');
}
