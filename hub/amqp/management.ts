import rhea, { type Message } from 'rhea';
import type { HubCore } from '../core/contract.ts';
import { eventHubName } from './address.ts';

const { types } = rhea;

/** Answers a `READ` about the event hub or one of its partitions, as Event Hubs does on `$management`. */
export function answerManagement(core: HubCore, startedMs: number, request: Message): Message {
  const asked = (request.application_properties ?? {}) as Record<string, unknown>;
  if (asked.operation !== 'READ') return refused(request, 501, `there is no operation ${String(asked.operation)}, only READ`);
  const { name } = asked;
  if (typeof name !== 'string' || ![eventHubName, 'messages/events'].includes(name.toLowerCase())) {
    return refused(request, 404, `there is no event hub ${String(name)}; it is called ${eventHubName}`);
  }
  if (asked.type === 'com.microsoft:eventhub') return answered(request, hubInfo(core, name, startedMs));
  if (asked.type === 'com.microsoft:partition') {
    const info = partitionInfo(core, name, String(asked.partition));
    return info ? answered(request, info) : refused(request, 404, `there is no partition ${String(asked.partition)}`);
  }
  return refused(request, 400, `there is nothing to read of type ${String(asked.type)}`);
}

const hubInfo = (core: HubCore, name: string, startedMs: number): object => ({
  name,
  type: 'com.microsoft:eventhub',
  created_at: types.wrap_timestamp(startedMs),
  partition_count: types.wrap_int(core.events.partitionIds.length),
  partition_ids: types.wrap_array([...core.events.partitionIds], 0xa1, undefined),
  georeplication_factor: types.wrap_int(1),
});

function partitionInfo(core: HubCore, name: string, id: string): object | undefined {
  const partition = core.events.partition(id);
  return (
    partition && {
      name,
      type: 'com.microsoft:partition',
      partition: partition.id,
      begin_sequence_number: types.wrap_long(partition.firstSequenceNumber),
      last_enqueued_sequence_number: types.wrap_long(partition.lastSequenceNumber),
      last_enqueued_offset: partition.lastOffset,
      last_enqueued_time_utc: types.wrap_timestamp(partition.lastEnqueuedMs),
      is_partition_empty: partition.empty,
    }
  );
}

const answered = (request: Message, body: object): Message => reply(request, 200, 'OK', types.wrap_map(body));

const refused = (request: Message, status: number, description: string): Message => reply(request, status, description, undefined);

/** An answer to a request on a node that talks in requests (`$cbs`, `$management`). */
export function reply(request: Message, status: number, description: string, body: unknown): Message {
  const condition = status === 404 ? 'amqp:not-found' : status === 401 ? 'amqp:unauthorized-access' : 'amqp:not-allowed';
  return {
    correlation_id: request.message_id,
    application_properties: {
      'status-code': types.wrap_int(status),
      'status-description': description,
      ...(status >= 300 && { 'error-condition': condition }),
    },
    body,
  } as unknown as Message;
}
