// Scores readings of the gateway: everything above `limit` (its desired property) is passed on with what it is over by.
// The unmodified Azure SDK; everything it needs is in the environment that the gateway gives to a module.
import device from 'azure-iot-device';
import { Mqtt } from 'azure-iot-device-mqtt';

const { Message, ModuleClient } = device;
const client = await ModuleClient.fromEnvironment(Mqtt);
await client.open();

let limit = 90;
const twin = await client.getTwin();
const take = (desired) => {
  if (typeof desired.limit !== 'number') return;
  limit = desired.limit;
  twin.properties.reported.update({ limit }, (error) => error && console.error(`limit could not be reported: ${error.message}`));
};
twin.on('properties.desired', take);

client.on('inputMessage', (_input, message) => {
  client.complete(message, () => {});
  const event = JSON.parse(message.getBytes().toString('utf8'));
  for (const { point, value } of event.data?.readings ?? []) {
    if (typeof value !== 'number' || value <= limit) continue;
    const alarm = new Message(JSON.stringify({ equipment: event.data.equipment, point, value, over: value - limit }));
    alarm.contentType = 'application/json';
    alarm.contentEncoding = 'utf-8';
    alarm.properties.add('severity', value - limit > 10 ? 'high' : 'low');
    client.sendOutputEvent('alarms', alarm, (error) => error && console.error(`an alarm was not taken: ${error.message}`));
  }
});

client.onMethod('limit', (_request, response) => response.send(200, { limit }, () => {}));

// The engine stops a container with SIGTERM.
process.on('SIGTERM', () => client.close(() => process.exit(0)));
console.log(`scoring, limit ${limit}`);
