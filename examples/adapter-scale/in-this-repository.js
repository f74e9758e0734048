// Loads the adapter as the gateway does, checks its mapping and asks a machine that is not there.
import { readFileSync } from 'node:fs';
import { offerKit } from '../../adapters/offer-kit.ts';
import { compileMapping } from '../../mappings/load.ts';
import { NotConnectedError } from '../../model/error.ts';

offerKit();
const { adapter } = await import('./index.js');
const text = readFileSync(new URL('mapping.yaml', import.meta.url), 'utf8');
const { problems, samples } = compileMapping('mapping.yaml', text, [adapter]);
console.log(JSON.stringify({ problems, passed: samples.map(({ passed }) => passed) }));
const { connect } = await adapter.load();
const settings = adapter.connection.parse({ host: '127.0.0.1', port: 1 });
await connect(settings, {}, new AbortController().signal).catch((error) => {
  console.log(error instanceof NotConnectedError, error.message);
});
