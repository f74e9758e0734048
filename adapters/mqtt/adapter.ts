import type { Adapter } from '../contract.ts';
import { compilePoint, type MqttAddress, MqttPoint } from './address.ts';
import { mqttSample } from './sample.ts';
import { type MqttSettings, mqttConnection } from './settings.ts';

/** MQTT client of a broker, with Sparkplug B. Loads the MQTT library on `load` alone. */
export const mqtt: Adapter<MqttSettings, MqttAddress> = {
  name: 'mqtt',
  summary: 'MQTT 5 and 3.1.1 client of a broker; Sparkplug B',
  pushes: true,
  connection: mqttConnection,
  point: MqttPoint,
  compilePoint,
  sample: mqttSample,
  async load() {
    const { connect } = await import('./connection.ts');
    return { connect };
  },
};
