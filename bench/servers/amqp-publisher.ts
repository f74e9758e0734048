/**
 * Puts messages of the press into a queue of RabbitMQ, by AMQP 0-9-1: the load, not a contestant.
 *
 * usage: node amqp-publisher.ts PORT QUEUE COUNT RATE
 * RATE messages a second, or as fast as it goes with 0; COUNT of them, or for ever with 0. Prints `ready`, and `done` when the broker has all.
 */
import amqplib from 'amqplib';
import { rabbitUser } from '../harness/brokers.ts';
import { pressMessage } from '../harness/press.ts';
import { paced } from './pace.ts';

const [port, queue = '', count, rate] = process.argv.slice(2);
const connection = await amqplib.connect(`amqp://${rabbitUser.user}:${rabbitUser.password}@127.0.0.1:${port}`);
const channel = await connection.createConfirmChannel();
process.stdout.write('ready\n');
await paced(Number(count), Number(rate), (n) => {
  const mayGoOn = channel.sendToQueue(queue, Buffer.from(pressMessage(n)), { contentType: 'application/json' });
  return mayGoOn ? undefined : new Promise((resolve) => channel.once('drain', () => resolve()));
});
await channel.waitForConfirms();
await connection.close();
process.stdout.write('done\n');
