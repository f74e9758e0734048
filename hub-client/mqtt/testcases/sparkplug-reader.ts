import type { IPublishPacket } from 'mqtt';
import { get } from 'sparkplug-payload';

const sparkplug = get('spBv1.0')!;

/** One message as a foreign decoder reads it. */
export interface Read {
  /** `NBIRTH`, `DDATA` … */
  readonly type: string;
  readonly device: string | undefined;
  readonly qos: number;
  readonly retain: boolean;
  readonly seq: number | undefined;
  readonly timestamp: number | undefined;
  readonly metrics: readonly ReadMetric[];
}

export interface ReadMetric {
  readonly name?: string;
  readonly alias?: number;
  readonly type?: string;
  readonly value?: unknown;
  readonly isHistorical?: boolean;
  readonly timestamp?: number;
  readonly properties?: Readonly<Record<string, { readonly type: string; readonly value: unknown }>>;
}

const plain = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'toNumber' in value ? Number(String(value)) : value;

/** Reads with npm `sparkplug-payload`, which shares no code with ours. */
export function read({ topic, payload, qos, retain }: IPublishPacket): Read {
  const [, , type = '', , device] = topic.split('/');
  const decoded = sparkplug.decodePayload(payload as Uint8Array);
  return {
    type,
    device,
    qos,
    retain,
    seq: plain(decoded.seq) as number | undefined,
    timestamp: plain(decoded.timestamp) as number | undefined,
    metrics: (decoded.metrics ?? []).map((metric) => {
      const {
        name,
        alias,
        type: datatype,
        value,
        isNull,
        isHistorical,
        timestamp,
        properties,
      } = metric as unknown as Record<string, unknown>;
      return {
        ...(name ? { name: String(name) } : {}),
        ...(alias === undefined || alias === null || Number(alias) === 0 ? {} : { alias: Number(alias) }),
        type: String(datatype),
        value: isNull ? null : plain(value),
        ...(isHistorical ? { isHistorical: true } : {}),
        timestamp: Number(timestamp),
        ...(properties ? { properties: properties as NonNullable<ReadMetric['properties']> } : {}),
      };
    }),
  };
}

/** What a host knows after births: values by `device/point`, through aliases; what the standard forbids throws. */
export class Host {
  readonly values = new Map<string, ReadMetric>();
  readonly history: { readonly key: string; readonly metric: ReadMetric }[] = [];
  readonly alive = new Set<string>();
  bdSeq: number | undefined;
  births = 0;
  #seq: number | undefined;
  readonly #names = new Map<number, { readonly key: string; readonly type: string | undefined }>();

  take(message: Read): void {
    const { type, device, seq, metrics } = message;
    if (type === 'NDEATH') {
      if (seq !== undefined && seq !== 0) throw new Error('NDEATH with seq');
      if (metrics[0]?.name !== 'bdSeq') throw new Error('NDEATH without bdSeq');
      if (metrics[0].value === this.bdSeq) {
        this.alive.clear();
        this.#seq = undefined;
      }
      return;
    }
    if (message.qos !== 0 || message.retain) throw new Error(`${type} with QoS ${message.qos}, retain ${message.retain}`);
    if (type === 'NBIRTH') {
      if (seq !== 0) throw new Error(`NBIRTH with seq ${seq}`);
      this.births++;
      this.alive.clear();
      this.#names.clear();
      this.bdSeq = metrics.find(({ name }) => name === 'bdSeq')?.value as number;
      if (metrics.find(({ name }) => name === 'Node Control/Rebirth')?.value !== false) throw new Error('NBIRTH without Rebirth');
    } else if (this.#seq === undefined || seq !== (this.#seq + 1) % 256) throw new Error(`${type} with seq ${seq} after ${this.#seq}`);
    this.#seq = seq;
    const of = device ?? '';
    if (type === 'DDEATH') {
      if (!this.alive.delete(of)) throw new Error(`DDEATH of ${of}, which was not born`);
      return;
    }
    if (type === 'NBIRTH' || type === 'DBIRTH') this.alive.add(of);
    else if (!this.alive.has(of)) throw new Error(`${type} of ${of}, which was not born`);
    for (const metric of metrics) this.#metric(type, of, metric);
  }

  #metric(type: string, device: string, metric: ReadMetric): void {
    const isBirth = type.endsWith('BIRTH');
    if (isBirth && metric.alias !== undefined) {
      const key = `${device}/${metric.name}`;
      const other = this.#names.get(metric.alias);
      if (other && other.key !== key) throw new Error(`alias ${metric.alias} of ${other.key} and of ${key}`);
      this.#names.set(metric.alias, { key, type: metric.type });
    }
    const known = metric.alias === undefined ? undefined : this.#names.get(metric.alias);
    const key = known?.key ?? `${device}/${metric.name}`;
    if (!isBirth && metric.alias !== undefined) {
      if (!known) throw new Error(`alias ${metric.alias} was not born`);
      if (metric.name !== undefined) throw new Error('data with name and alias');
      if (known.type !== metric.type) throw new Error(`${key} is ${known.type} by birth and ${metric.type} in data`);
    }
    if (metric.isHistorical) this.history.push({ key, metric });
    else this.values.set(key, metric);
  }
}
