import type { RoutedMessage } from '../../../deployments/contract.ts';
import type { CloudMessage } from '../../../hub/core/contract.ts';
import type { IncomingMessage } from '../../../hub/telemetry/writer.ts';

/** System properties on the wire, and what routes call them. */
const routingNames: Readonly<Record<string, string>> = {
  '$.mid': 'messageId',
  '$.cid': 'correlationId',
  '$.uid': 'userId',
  '$.to': 'to',
  '$.exp': 'absoluteExpiryTime',
  '$.ct': 'contentType',
  '$.ce': 'contentEncoding',
  '$.on': 'outputName',
  '$.cdid': 'connectionDeviceId',
  '$.cmid': 'connectionModuleId',
  '$.ctime': 'creationTime',
  '$.schema': 'messageSchema',
  '$.ifid': 'interfaceId',
  '$.sub': 'dt-subject',
};

/** Those that an input message carries besides the ones that `CloudMessage` has. */
const carried: readonly (readonly [string, string])[] = Object.entries(routingNames)
  .filter(([wire]) => ['$.uid', '$.ctime', '$.schema', '$.ifid', '$.sub'].includes(wire))
  .map(([wire, name]) => [name, wire]);

/** A module's telemetry as routes see it. */
export function routedFrom({ device, properties: bag, body }: IncomingMessage): RoutedMessage {
  const properties: Record<string, string> = {};
  const system: Record<string, string> = { connectionDeviceId: device };
  for (const [key, value] of Object.entries(bag)) {
    const name = routingNames[key];
    if (name !== undefined) system[name] = value;
    else properties[key] = value;
  }
  return { source: sourceOf(system.connectionModuleId ?? '', system.outputName), body, properties, system };
}

/** `/messages/modules/filter/outputs/out`, or without an output. */
export const sourceOf = (moduleId: string, output: string | undefined): string =>
  output ? `/messages/modules/${moduleId}/outputs/${output}` : `/messages/modules/${moduleId}`;

/** As it goes to a module's input; the sender is said apart. */
export function inputMessage({ body, properties, system }: RoutedMessage): CloudMessage {
  const extra = carried.flatMap(([name, wire]) => (system[name] === undefined ? [] : [[wire, system[name]] as const]));
  return {
    body,
    properties: extra.length === 0 ? properties : { ...properties, ...Object.fromEntries(extra) },
    messageId: system.messageId,
    correlationId: system.correlationId,
    contentType: system.contentType,
    contentEncoding: system.contentEncoding,
  };
}

/** What a message takes of the room for queues. */
export function sizeOf({ source, body, properties, system }: RoutedMessage): number {
  let bytes = body.length + source.length;
  for (const bag of [properties, system]) for (const key in bag) bytes += key.length + (bag[key]?.length ?? 0);
  return bytes;
}
