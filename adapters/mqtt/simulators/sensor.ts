import { connect } from 'node:net';
import { type IClientOptions, MqttClient } from 'mqtt';
import { type MqttBroker, startMqttBroker } from '../simulator.ts';

export interface SensorOptions {
  readonly host?: string;
  readonly port?: number;
  /** Time between two measurements; 1 s by default. */
  readonly stepMs?: number;
  /** Time from the beginning of one fault to that of the next; 20 s by default, 0: never. */
  readonly faultEveryMs?: number;
  /** Told what begins and what ends, in words for people. Without it the sensor has no faults. */
  readonly onFault?: (text: string) => void;
}

/** Topics of the sensor; the mapping of the demo names the same. */
export const sensorTopics = {
  /** `{ "temperature": 21.5, "humidity": 48.2, "battery": 97, "time": "2026-…" }`, QoS 1, at every step. */
  data: 'candyco/leeds/warehouse/climate-1/data',
  /** `online` or `offline`, retained; `offline` is also the will. */
  state: 'candyco/leeds/warehouse/climate-1/state',
} as const;

export interface Sensor extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

const faultMs = 6_000;

/**
 * A radio sensor for the climate of the sugar warehouse, and the broker that it sends to. Its faults come in turns: the humidity element
 * fails and its value is missing, garbled bytes arrive, the radio link breaks and the broker publishes the will.
 */
export async function startSensor(options: SensorOptions = {}): Promise<Sensor> {
  const { stepMs = 1_000, faultEveryMs = 20_000, onFault } = options;
  const broker = await startMqttBroker({ host: options.host ?? '127.0.0.1', port: options.port ?? 0 });
  const sensor = new ClimateSensor(broker);
  sensor.switchOn();
  const stepping = setInterval(() => sensor.step(), stepMs);
  const faulting =
    onFault && faultEveryMs > 0
      ? setInterval(() => sensor.nextFault(Math.min(faultMs, faultEveryMs / 2), onFault), faultEveryMs)
      : undefined;
  return {
    host: broker.host,
    port: broker.port,
    async [Symbol.asyncDispose]() {
      clearInterval(stepping);
      clearInterval(faulting);
      sensor.switchOff();
      await broker.close();
    },
  };
}

class ClimateSensor {
  readonly #broker: MqttBroker;
  readonly #begunMs = Date.now();
  #client: MqttClient | undefined;
  #fault: 'humidity' | 'garbled' | 'radio' | undefined;
  #faults = 0;
  #ending: NodeJS.Timeout | undefined;

  constructor(broker: MqttBroker) {
    this.#broker = broker;
  }

  switchOn(): void {
    const will = { topic: sensorTopics.state, payload: Buffer.from('offline'), qos: 1, retain: true } as const;
    const options: IClientOptions = {
      protocolVersion: 4,
      clientId: 'climate-1',
      clean: true,
      keepalive: 10,
      reconnectPeriod: 0,
      will,
      log: () => {},
    };
    const socket = connect({ host: this.#broker.host, port: this.#broker.port, noDelay: true });
    const client = new MqttClient((() => socket) as never, options);
    client.on('error', () => {});
    client.on('connect', () => client.publish(sensorTopics.state, 'online', { qos: 1, retain: true }));
    this.#client = client;
  }

  switchOff(): void {
    clearTimeout(this.#ending);
    this.#client?.stream.destroy();
    this.#client = undefined;
  }

  step(): void {
    if (!this.#client?.connected) return;
    const seconds = (Date.now() - this.#begunMs) / 1_000;
    const reading = {
      temperature: round(19.5 + 1.8 * Math.sin(seconds / 40) + 0.1 * Math.sin(seconds * 1.7)),
      ...(this.#fault === 'humidity' ? {} : { humidity: round(46 + 4 * Math.sin(seconds / 55 + 1)) }),
      battery: Math.max(5, 97 - Math.floor(seconds / 600)),
      time: new Date().toISOString(),
    };
    const text = JSON.stringify(reading);
    this.#client.publish(sensorTopics.data, this.#fault === 'garbled' ? text.slice(0, text.length / 2) : text, { qos: 1 });
  }

  nextFault(lastsMs: number, tell: (text: string) => void): void {
    const fault = (['humidity', 'garbled', 'radio'] as const)[this.#faults++ % 3]!;
    const [begins, ends] = {
      humidity: ['the humidity element of the climate sensor fails', 'the humidity element of the climate sensor works again'],
      garbled: ['messages of the climate sensor arrive cut in half', 'messages of the climate sensor are whole again'],
      radio: ['the climate sensor loses its radio link', 'the climate sensor is back'],
    }[fault] as [string, string];
    this.#fault = fault;
    tell(begins);
    // Without DISCONNECT, so that the broker publishes the will.
    if (fault === 'radio') this.switchOff();
    this.#ending = setTimeout(() => {
      this.#fault = undefined;
      if (fault === 'radio') this.switchOn();
      tell(ends);
    }, lastsMs);
  }
}

const round = (value: number): number => Math.round(value * 100) / 100;
