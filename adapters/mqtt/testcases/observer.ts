/** A process that observes topic `a` and never has anything on disk: `observer.ts PORT STATEFOLDER VERSION`. Prints each value. */
import { mqtt } from '../adapter.ts';
import { pointsOf, settingsOf } from './points.ts';
import { watch } from './watching.ts';

const [port, stateFolder = '', version] = process.argv.slice(2);
const settings = settingsOf({ url: `mqtt://127.0.0.1:${port}`, version });
await watch(mqtt, settings, pointsOf(settings, { v: { topic: 'a', at: '/v' } }), {
  stateFolder,
  onBatch(batch) {
    for (let k = 0; k < batch.points.length; k++) process.stdout.write(`value ${String(batch.values[k])}\n`);
  },
});
