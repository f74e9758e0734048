/**
 * The far end: takes everything that a broker gets and counts the readings, without understanding more than it must.
 *
 * usage: node counting-subscriber.ts PORT
 * Prints `ready`, `first EPOCH_MS` when the first reading is there; on SIGUSR2 `count READINGS`, and `bytes BYTES` before it.
 */
import { zstdDecompressSync } from 'node:zlib';
import { connectAsync } from 'mqtt';

const marker = Buffer.from('{"point":');
let readings = 0;
let bytes = 0;

function occurrences(body: Buffer): number {
  let found = 0;
  for (let at = body.indexOf(marker); at !== -1; at = body.indexOf(marker, at + marker.length)) found++;
  return found;
}

const client = await connectAsync(`mqtt://127.0.0.1:${process.argv[2]}`, { protocolVersion: 4 });
client.stream.on('error', () => {});
client.on('message', (_topic, body) => {
  bytes += body.length;
  const zstd = body.length > 4 && body.readUInt32LE(0) === 0xfd2fb528;
  const found = occurrences(zstd ? zstdDecompressSync(body) : body);
  if (readings === 0 && found > 0) process.stdout.write(`first ${Date.now()}\n`);
  readings += found;
});
await client.subscribeAsync('devices/#', { qos: 0 });
process.on('SIGTERM', () => process.exit(0));
process.on('SIGUSR2', () => process.stdout.write(`bytes ${bytes}\ncount ${readings}\n`));
process.stdout.write('ready\n');
