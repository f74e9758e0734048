import type { RoutedMessage } from '../../../deployments/contract.ts';
import type { ForwardedMessage } from '../../../hub-client/azure/property-bag.ts';

/** System properties as routes call them, and as they go on the wire. Who sent it, the hub says by the connection. */
const wireNames: Readonly<Record<string, string>> = {
  messageId: '$.mid',
  correlationId: '$.cid',
  userId: '$.uid',
  to: '$.to',
  absoluteExpiryTime: '$.exp',
  contentType: '$.ct',
  contentEncoding: '$.ce',
  outputName: '$.on',
  messageSchema: '$.schema',
  interfaceId: '$.ifid',
  'dt-subject': '$.sub',
};

/** As the hub gets it over the connection of its own module. */
export function ownMessage({ body, properties, system }: RoutedMessage): ForwardedMessage {
  const known = Object.entries(wireNames).flatMap(([name, wire]) => (system[name] === undefined ? [] : [[wire, system[name]] as const]));
  const created = system.creationTime;
  return {
    body,
    system: Object.fromEntries(known),
    properties: created === undefined ? properties : { 'iothub-creation-time-utc': created, ...properties },
  };
}

/** As the hub gets it over the connection of `$edgeHub`, because its module has none: who sent it stands in its properties. */
export function borneMessage(message: RoutedMessage): ForwardedMessage {
  const { connectionModuleId, outputName } = message.system;
  const own = ownMessage(message);
  const { '$.on': _output, ...system } = own.system;
  return {
    ...own,
    system,
    properties: {
      ...own.properties,
      ...(connectionModuleId !== undefined && { 'dragoman-module': connectionModuleId }),
      ...(outputName !== undefined && { 'dragoman-output': outputName }),
    },
  };
}
