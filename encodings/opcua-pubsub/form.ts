import { z } from 'zod';
import type { EncodingForm } from '../contract.ts';

const settings = z.strictObject({
  publisherId: z.string().min(1).optional().describe('PublisherId of every message; default: the id of the gateway'),
  writerGroupName: z.string().min(1).default('dragoman').describe('WriterGroupName of every message'),
  raw: z.boolean().default(false).describe('true: the payload has values alone, without status and times of their own (RawData)'),
  metadata: z.boolean().default(true).describe('Descriptions of the data sets (ua-metadata) go before their first data and after changes'),
  contentType: z
    .enum(['json', 'network-message'])
    .default('json')
    .describe(
      'json: application/json, which routing by body needs at Azure IoT Hub; network-message: application/x-network-message-json-v1',
    ),
});
export type PubSubSettings = z.output<typeof settings>;

export const pubSubForm: EncodingForm<PubSubSettings> = { name: 'opcua-pubsub', settings };
