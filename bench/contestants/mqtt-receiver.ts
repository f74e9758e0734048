/**
 * The limit of MQTT: an mqtt.js client, version 5, that takes up its session and only counts; the library acknowledges each message.
 *
 * usage: node mqtt-receiver.ts PORT CLIENT_ID TOPIC RECEIVE_MAXIMUM
 */
import { connect } from 'mqtt';
import { sessionOptions } from '../harness/mqtt.ts';
import { add, ready } from './tally.ts';

const [port, clientId = '', topic = '', receiveMaximum] = process.argv.slice(2);
const client = connect(`mqtt://127.0.0.1:${port}`, sessionOptions(clientId, Number(receiveMaximum)));
client.on('message', () => add(1));
client.on('connect', () => {
  (client.stream as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
  client.subscribe(topic, { qos: 1 }, ready);
});
