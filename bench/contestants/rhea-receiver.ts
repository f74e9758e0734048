/**
 * The limit of AMQP: a rhea receiver that accepts every delivery and only counts.
 *
 * usage: node rhea-receiver.ts PORT ADDRESS CREDIT
 */
import rhea from 'rhea';
import { rabbitUser } from '../harness/brokers.ts';
import { add, ready } from './tally.ts';

const [port, address = '', credit] = process.argv.slice(2);
const connection = rhea.connect({
  host: '127.0.0.1',
  port: Number(port),
  username: rabbitUser.user,
  password: rabbitUser.password,
  reconnect: false,
});
const receiver = connection.open_receiver({ source: { address }, credit_window: Number(credit), autoaccept: true });
receiver.on('message', () => add(1));
receiver.on('receiver_open', ready);
