/** A process that writes messages until it is killed, and says the id of each that was taken over: `writer.ts FOLDER COMPRESSION`. */
import { hubContext, hubMessage } from '../../../test/contract/hub-client.ts';
import { connect } from '../client.ts';
import { file } from '../definition.ts';

const [folder = '', compression = 'none'] = process.argv.slice(2);
const settings = file.settings.parse({ folder, compression, rotate: { size: '20KB' } });
const session = await connect(settings, hubContext(folder), new AbortController().signal);
for (let n = 0; ; n++) {
  const id = `m-${String(n).padStart(6, '0')}`;
  const body = JSON.stringify([{ id }, { id: `${id}-b`, fill: 'x'.repeat(n % 700) }]);
  const sent = session.send(hubMessage(id, body)).then(() => process.stdout.write(`${id}\n`));
  if (n % 8 === 0) await sent;
}
