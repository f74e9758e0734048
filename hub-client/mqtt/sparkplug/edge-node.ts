import { datatypes, encodePayload, type Metric } from '../../../encodings/sparkplug/payload.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import type { Plant } from '../../../model/plant.ts';
import type { GapEvent, HubEvent, TelemetryEvent } from '../../../model/telemetry.ts';
import { Device, isBefore } from './device.ts';
import { nodeMetric, saysLost } from './metric.ts';
import { type Names, rebirthMetric } from './names.ts';

const gapMetric = 'Gateway/Gap';

export interface EdgeNodeOptions {
  readonly names: Names;
  readonly gateway: string;
  readonly source: string;
  readonly plant: Plant;
  readonly bdSeq: number;
  readonly aliases: boolean;
  /** Largest payload that the broker takes. */
  readonly maxPayloadBytes: number;
  /** QoS 0, not retained; order of calls is order on the wire. */
  readonly publish: (topic: string, payload: Uint8Array) => void;
  readonly now: () => number;
}

/**
 * What one session of a Sparkplug B edge node says, in which order, with which numbers (Sparkplug 3.0 chapters 5 and 6). Knows no network.
 * `birth` comes first; data of a machine comes after its birth, and again after a new one whenever the last is no longer right.
 */
export class EdgeNode {
  readonly #options: EdgeNodeOptions;
  readonly #devices = new Map<string, Device>();
  readonly #aliases = new Map<string, bigint>();
  readonly #bornMs: number;
  #seq = 0;

  constructor(options: EdgeNodeOptions) {
    this.#options = options;
    this.#bornMs = options.now();
  }

  /** NBIRTH with seq 0, then DBIRTH of every machine that can be reached. Again on a rebirth, with the same bdSeq. */
  birth(): void {
    const { names, gateway, source, bdSeq, now } = this.#options;
    const timestamp = BigInt(now());
    this.#seq = 0;
    this.#publish(names.nodeTopic('NBIRTH'), [
      nodeMetric('bdSeq', datatypes.Int64, BigInt(bdSeq), timestamp),
      // Known by its name to every host, so it has no alias (§5.14).
      nodeMetric(rebirthMetric, datatypes.Boolean, false, timestamp),
      nodeMetric('Gateway/Id', datatypes.String, gateway, timestamp, this.#aliasOf('', 'Gateway/Id')),
      nodeMetric('Gateway/Source', datatypes.String, source, timestamp, this.#aliasOf('', 'Gateway/Source')),
      nodeMetric(gapMetric, datatypes.String, undefined, timestamp, this.#aliasOf('', gapMetric)),
    ]);
    this.#syncPlant();
    for (const device of this.#devices.values()) if (device.alive || !device.gone) this.#birthOf(device);
  }

  /** Machines or points came, went or changed. */
  plantChanged(): void {
    for (const device of this.#syncPlant()) if (device.alive || !device.gone) this.#birthOf(device);
    this.bury();
  }

  /**
   * In order, a message for each event. Everything that can go has gone when this throws GatewayError `never`: `message-too-large` for
   * single readings that no packet of the broker can hold, `message-format` for an event that the codec does not take. True: call `rest` when nothing follows for a while.
   */
  send(events: readonly HubEvent[]): boolean {
    for (const device of this.#devices.values()) device.busy = false;
    let refused: GatewayError | undefined;
    for (const event of events) {
      try {
        if (event.type === 'dragoman.telemetry.v1') this.#telemetry(event);
        else if (event.type === 'dragoman.gap.v1') this.#gap(event);
      } catch (error) {
        if (error instanceof NotConnectedError) throw error;
        refused = error instanceof GatewayError ? error : unfit(event, error);
      }
    }
    const waits = this.bury();
    if (refused) throw refused;
    return waits;
  }

  /** History is over for now. */
  rest(): void {
    for (const device of this.#devices.values()) device.busy = false;
    this.bury();
  }

  /** DDEATH of the machines that are gone and have no history left; true when one is still waited for. */
  bury(): boolean {
    let waits = false;
    for (const device of this.#devices.values()) {
      if (!device.alive || !device.gone) continue;
      if (device.busy) waits = true;
      else this.#deathOf(device);
    }
    return waits;
  }

  #telemetry({ data }: TelemetryEvent): void {
    const { names, aliases } = this.#options;
    const device = this.#devices.get(data.equipment) ?? this.#newDevice(data.equipment);
    // The death stands for them.
    if (!device.alive && device.gone && data.readings.every((each) => saysLost(each) && !isBefore(each, this.#bornMs))) return;
    const changed = device.admit(data.readings);
    if (changed || !device.alive) this.#birthOf(device);
    this.#data(names.deviceTopic('DDATA', device.id), device.data(data.readings, this.#bornMs, aliases));
  }

  /** A loss, told as the value of a metric of the node: the JSON of the gap record. */
  #gap({ data, time }: GapEvent): void {
    const { names, aliases } = this.#options;
    const timeMs = Date.parse(time);
    this.#data(names.nodeTopic('NDATA'), [
      {
        ...(aliases ? { alias: this.#aliasOf('', gapMetric) } : { name: gapMetric }),
        timestamp: BigInt(timeMs),
        datatype: datatypes.String,
        ...(timeMs < this.#bornMs ? { isHistorical: true } : {}),
        value: JSON.stringify(data),
      },
    ]);
  }

  /** One message, or several where the broker takes no packet so large. */
  #data(topic: string, metrics: readonly Metric[]): void {
    const payload = this.#encode(metrics);
    if (payload.byteLength <= this.#options.maxPayloadBytes) {
      this.#put(topic, payload);
      return;
    }
    if (metrics.length === 1) {
      const text = `A reading for ${topic} makes ${payload.byteLength} bytes; the broker takes ${this.#options.maxPayloadBytes}.`;
      throw new GatewayError('message-too-large', text, { retry: 'never' });
    }
    const half = Math.ceil(metrics.length / 2);
    let refused: unknown;
    for (const part of [metrics.slice(0, half), metrics.slice(half)]) {
      try {
        this.#data(topic, part);
      } catch (error) {
        refused = error;
      }
    }
    if (refused) throw refused;
  }

  /** Brings the devices in line with the plant; gives those whose birth is no longer right. */
  #syncPlant(): readonly Device[] {
    const { plant } = this.#options;
    const machines = new Map(plant.machines().map((machine) => [machine.id, machine]));
    const changed: Device[] = [];
    for (const id of machines.keys()) if (!this.#devices.has(id)) this.#devices.set(id, new Device(id, this.#aliasOf));
    for (const device of this.#devices.values()) {
      const isNew = device.declare(machines.get(device.id));
      if (!device.alive) device.look(plant.latest(device.id));
      if (isNew) changed.push(device);
    }
    return changed;
  }

  /** A machine that the plant does not announce (yet, or any longer); its birth declares what its readings bring. */
  #newDevice(id: string): Device {
    const device = new Device(id, this.#aliasOf);
    device.declare(this.#options.plant.machines().find((machine) => machine.id === id));
    this.#devices.set(id, device);
    return device;
  }

  #birthOf(device: Device): void {
    const { names, plant, now } = this.#options;
    this.#publish(names.deviceTopic('DBIRTH', device.id), device.birth(plant.latest(device.id), now()));
  }

  #deathOf(device: Device): void {
    device.alive = false;
    this.#publish(this.#options.names.deviceTopic('DDEATH', device.id), []);
  }

  /** A message that cannot be split. */
  #publish(topic: string, metrics: readonly Metric[]): void {
    const payload = this.#encode(metrics);
    const { maxPayloadBytes } = this.#options;
    if (payload.byteLength > maxPayloadBytes) {
      throw new NotConnectedError(
        'hub-birth-too-large',
        `The birth on ${topic} makes ${payload.byteLength} bytes; the broker takes ${maxPayloadBytes}, and a birth cannot be split.`,
        { retry: 'after-fix', hint: 'Raise the maximum packet size of the broker, or part the machine into several.' },
      );
    }
    this.#put(topic, payload);
  }

  #encode(metrics: readonly Metric[]): Uint8Array {
    return encodePayload({ timestamp: BigInt(this.#options.now()), metrics, seq: BigInt(this.#seq) });
  }

  #put(topic: string, payload: Uint8Array): void {
    this.#seq = (this.#seq + 1) % 256;
    this.#options.publish(topic, payload);
  }

  readonly #aliasOf = (device: string, point: string): bigint => {
    const key = `${device}\0${point}`;
    let alias = this.#aliases.get(key);
    if (alias === undefined) {
      alias = BigInt(this.#aliases.size + 1);
      this.#aliases.set(key, alias);
    }
    return alias;
  };
}

/** A defect, here or in the event; it must not hold back what follows for ever. */
function unfit(event: HubEvent, cause: unknown): GatewayError {
  return new GatewayError('message-format', `Event ${event.id} cannot be a Sparkplug message: ${String(cause)}`, { retry: 'never', cause });
}

/** NDEATH: as will, and before an intended end. No seq; QoS 1 (§6.4.25). */
export function deathPayload(bdSeq: number, nowMs: number): Uint8Array {
  const timestamp = BigInt(nowMs);
  return encodePayload({ timestamp, metrics: [nodeMetric('bdSeq', datatypes.Int64, BigInt(bdSeq), timestamp)] });
}
