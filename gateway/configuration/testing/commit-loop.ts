import { digestOf } from '../blobs.ts';
import { emptyState } from '../snapshot.ts';
import { ConfigurationStore } from '../store.ts';

/** Commits one snapshot after the other until it is killed; says each that is durable. For the test that kills it. */
const store = await ConfigurationStore.open(process.argv[2]!);
for (let n = 0; n < 10_000; n++) {
  const text = `equipment: machine-${process.pid}-${n}\n${'# a line of some length\n'.repeat(200)}`;
  const { number, remote } = await store.commit(
    { ...emptyState, remote: { 'a.yaml': digestOf(text) } },
    [text],
    { who: 'test', from: 'test' },
    [],
  );
  process.stdout.write(`${number} ${remote['a.yaml']}\n`);
}
