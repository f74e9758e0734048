import { connectAsync, type IClientOptions } from 'mqtt';

/** A session that the broker keeps while its client is away. */
export function sessionOptions(clientId: string, receiveMaximum: number): IClientOptions {
  return {
    protocolVersion: 5,
    clientId,
    clean: false,
    reconnectPeriod: 0,
    properties: { sessionExpiryInterval: 3600, receiveMaximum },
  };
}

/** Leaves a subscription behind: what is published from now on waits for this client. */
export async function leaveSubscription(port: number, clientId: string, topic: string): Promise<void> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, sessionOptions(clientId, 1));
  await client.subscribeAsync(topic, { qos: 1 });
  await client.endAsync();
}
