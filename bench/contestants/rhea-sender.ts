/**
 * The limit out to AMQP: a rhea sender that sends the same messages round and round, encoded beforehand, and counts the readings in what
 * was accepted.
 *
 * usage: node rhea-sender.ts PORT ADDRESS BODIES_FILE WINDOW
 */
import rhea, { type EventContext } from 'rhea';
import { rabbitUser } from '../harness/brokers.ts';
import { readBodies } from './bodies.ts';
import { add, ready } from './tally.ts';

const [port, address = '', file = '', window] = process.argv.slice(2);
const messages = readBodies(file).map(({ bytes, readings }) => ({
  encoded: rhea.message.encode({ durable: true, content_type: 'application/json', body: rhea.message.data_section(bytes) }),
  readings,
}));
const connection = rhea.connect({
  host: '127.0.0.1',
  port: Number(port),
  username: rabbitUser.user,
  password: rabbitUser.password,
  reconnect: false,
});
const sender = connection.open_sender({ target: { address } });
let underWay = 0;
let next = 0;
/** Deliveries are settled in the order in which they were sent, or nearly: the readings of the oldest count. */
let settled = 0;
function send(): void {
  for (; underWay < Number(window) && sender.sendable(); underWay++) sender.send(messages[next++ % messages.length]!.encoded, undefined, 0);
}
sender.on('accepted', (_context: EventContext) => {
  add(messages[settled++ % messages.length]!.readings);
  underWay--;
  send();
});
sender.on('sendable', send);
sender.on('sender_open', ready);
