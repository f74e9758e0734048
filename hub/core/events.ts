import type { DatabaseSync } from '../database.ts';
import { getIdentity, type Identity, identityId } from '../registry.ts';
import { bodyEncoding, plainBody } from '../telemetry/events.ts';
import { openTelemetryReader } from '../telemetry/schema.ts';
import type { EventMessage, EventPartition, EventPosition, Events } from './contract.ts';
import { Listeners } from './listeners.ts';

/** As many as a new IoT Hub has. */
const partitions = 4;

/** Names of system properties in AMQP; what is not here is an application property. */
const systemNames: Readonly<Record<string, string>> = {
  '$.mid': 'message-id',
  '$.cid': 'correlation-id',
  '$.uid': 'user-id',
  '$.to': 'to',
  '$.exp': 'absolute-expiry-time',
  '$.ct': 'content-type',
  '$.ce': 'content-encoding',
};
const annotationNames: Readonly<Record<string, string>> = {
  '$.cmid': 'iothub-connection-module-id',
  '$.on': 'iothub-outputname',
  '$.ctime': 'iothub-creation-time-utc',
  '$.schema': 'iothub-message-schema',
  '$.ifid': 'iothub-interface-id',
  '$.sub': 'dt-subject',
};

/**
 * The telemetry that is kept, in partitions by device. A message has its row number in all of them as sequence number and offset: it rises in each,
 * with holes where the other partitions' messages are.
 */
export class TelemetryEvents implements Events, Disposable {
  readonly partitionIds: readonly string[] = Array.from({ length: partitions }, (_, index) => String(index));
  readonly #folder: string;
  #reader: DatabaseSync | undefined;
  readonly #registry: DatabaseSync;
  readonly #modelId: (id: string) => string;
  readonly #stored = new Listeners<void>();

  /** The folder's telemetry is opened when something of it is asked for the first time; it must have been opened for writing once by then. */
  constructor(folder: string, registry: DatabaseSync, modelId: (id: string) => string) {
    this.#folder = folder;
    this.#registry = registry;
    this.#modelId = modelId;
  }

  get #telemetry(): DatabaseSync {
    if (this.#reader) return this.#reader;
    this.#reader = openTelemetryReader(this.#folder);
    this.#reader.function('partition_of', { deterministic: true }, (device) => partitionOf(String(device)));
    return this.#reader;
  }

  stored(): void {
    this.#stored.tell();
  }

  onStored(listener: () => void): Disposable {
    return this.#stored.add(listener);
  }

  partition(id: string): EventPartition | undefined {
    if (!this.partitionIds.includes(id)) return undefined;
    const ends = this.#devices()
      .filter((device) => partitionOf(device) === Number(id))
      .map((device) => this.#endsOf(device));
    const first = ends.toSorted((a, b) => a.first - b.first)[0];
    const last = ends.toSorted((a, b) => b.last - a.last)[0];
    const lastMs =
      last && (this.#telemetry.prepare('SELECT arrived_ms AS ms FROM messages WHERE id = ?').get(last.last)?.ms as number | undefined);
    return {
      id,
      empty: last === undefined,
      firstSequenceNumber: first?.first ?? 0,
      lastSequenceNumber: last?.last ?? -1,
      lastOffset: String(last?.last ?? -1),
      lastEnqueuedMs: lastMs ?? 0,
    };
  }

  /** Those of which something is kept, by jumps through the index: as many steps as there are devices. */
  #devices(): readonly string[] {
    return this.#telemetry
      .prepare(
        `WITH RECURSIVE jump(device) AS (
           SELECT min(device) FROM messages
           UNION ALL SELECT (SELECT min(device) FROM messages WHERE device > jump.device) FROM jump WHERE jump.device IS NOT NULL)
         SELECT device FROM jump WHERE device IS NOT NULL`,
      )
      .all()
      .map(({ device }) => device as string);
  }

  #endsOf(device: string): { readonly first: number; readonly last: number } {
    const first = this.#telemetry.prepare('SELECT min(id) AS id FROM messages WHERE device = ?').get(device)?.id as number;
    const last = this.#telemetry.prepare('SELECT max(id) AS id FROM messages WHERE device = ?').get(device)?.id as number;
    return { first, last };
  }

  locate(_partition: string, position: EventPosition): number {
    if (position === 'earliest') return 0;
    if (position === 'latest') return this.#lastId();
    if ('enqueuedAfterMs' in position) return this.#lastUntil(position.enqueuedAfterMs);
    return position.afterSequenceNumber - (position.inclusive ? 1 : 0);
  }

  read(partition: string, afterSequenceNumber: number, max = 100): readonly EventMessage[] {
    const ends = this.partition(partition);
    // Through messages of others alone there is nothing to search.
    if (!ends || ends.empty || afterSequenceNumber >= ends.lastSequenceNumber) return [];
    return this.#telemetry
      .prepare('SELECT * FROM messages WHERE id > ? AND partition_of(device) = ? ORDER BY id LIMIT ?')
      .all(Math.max(ends.firstSequenceNumber - 1, Math.trunc(afterSequenceNumber)), Number(partition), max)
      .map((row) => this.#message(row));
  }

  [Symbol.dispose](): void {
    this.#reader?.close();
  }

  #lastId(): number {
    return Number(this.#telemetry.prepare('SELECT coalesce(max(id), 0) AS id FROM messages').get()?.id);
  }

  /** The last message that had arrived by then; times rise with row numbers. */
  #lastUntil(ms: number): number {
    const from = this.#telemetry.prepare('SELECT id, arrived_ms AS ms FROM messages WHERE id >= ? ORDER BY id LIMIT 1');
    let [low, high] = [0, this.#lastId()];
    while (low < high) {
      const middle = low + Math.ceil((high - low) / 2);
      const found = from.get(middle) as { id: number; ms: number } | undefined;
      if (found && found.ms <= ms) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #message(row: Record<string, unknown>): EventMessage {
    const given = JSON.parse(row.properties as string) as Record<string, string>;
    const [system, properties]: [Record<string, string>, Record<string, string>] = [{}, {}];
    const annotations: Record<string, string> = this.#annotations(row, given['$.cmid']);
    for (const [key, value] of Object.entries(given)) {
      if (Object.hasOwn(systemNames, key)) system[systemNames[key] as string] = value;
      else if (Object.hasOwn(annotationNames, key)) annotations[annotationNames[key] as string] = value;
      else if (key !== '__proto__') properties[key] = value;
    }
    const id = row.id as number;
    return {
      sequenceNumber: id,
      offset: String(id),
      enqueuedMs: row.arrived_ms as number,
      body: bodyAsSent(row, given),
      system,
      properties,
      annotations,
    };
  }

  #annotations(row: Record<string, unknown>, moduleId: string | undefined): Record<string, string> {
    const deviceId = row.device as string;
    const identity = getIdentity(this.#registry, identityId(deviceId, moduleId));
    // One that was made after the message came is another one of the same name.
    const sender = identity && identity.createdMs <= (row.arrived_ms as number) ? identity : undefined;
    const modelId = sender && this.#modelId(sender.id);
    return {
      'iothub-connection-device-id': deviceId,
      ...(sender && {
        'iothub-connection-auth-generation-id': sender.generationId,
        'iothub-connection-auth-method': authMethod(sender),
      }),
      'iothub-enqueuedtime': new Date(row.arrived_ms as number).toISOString(),
      'iothub-message-source': 'Telemetry',
      ...(modelId && { 'dt-dataschema': modelId }),
    };
  }
}

/** What the device put into its PUBLISH: the hub may have compressed it. */
function bodyAsSent(row: Record<string, unknown>, properties: Readonly<Record<string, string>>): Uint8Array {
  const stored = row.encoding as ReturnType<typeof bodyEncoding>;
  const body = row.body as Uint8Array;
  return stored === bodyEncoding(properties['$.ce']) ? body : plainBody(body, stored);
}

function authMethod({ moduleId, authentication }: Identity): string {
  const keys = authentication.type === 'sas';
  return JSON.stringify({
    scope: moduleId === undefined ? 'device' : 'module',
    type: keys ? 'sas' : 'x509',
    issuer: keys ? 'iothub' : 'external',
    acceptingIpFilterRule: null,
  });
}

/** FNV-1a: the same device is in the same partition for ever. */
function partitionOf(device: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(device)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % partitions;
}
