import { isDeepStrictEqual } from 'node:util';
import type { Adapter } from '../contract.ts';
import { type AmqpAddress, amqpPoint, compileAmqpPoint } from './address.ts';
import { amqpSample } from './sample.ts';
import { type AmqpSettings, amqpConnection } from './settings.ts';

/** AMQP 1.0: client of a broker, or listener that machines connect to. Loads rhea on `load` alone. */
export const amqp: Adapter<AmqpSettings, AmqpAddress> = {
  name: 'amqp',
  summary: 'AMQP 1.0: client of a broker, or listener for machines that connect to the gateway',
  pushes: true,
  connection: amqpConnection,
  point: amqpPoint,
  compilePoint: compileAmqpPoint,
  sample: amqpSample,
  takes: ({ address }) => address,
  // The address of the connection is that of its points, and no part of the wire.
  sameConnection: (a, b) => isDeepStrictEqual({ ...a, address: undefined }, { ...b, address: undefined }),
  async load() {
    const { connectAmqp } = await import('./connection.ts');
    return { connect: connectAmqp };
  },
};
