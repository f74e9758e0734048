/**
 * Fills an outbox as a plant of Modbus machines would have while the hub was away, only faster: the machines of the bench, every register
 * new each second, one event a machine and second, one commit a second.
 *
 * usage: node outbox-writer.ts FOLDER SECONDS MACHINES REGISTERS
 * Prints `readings N` and `bytes N` (on disk) when all is there.
 */
import { eventOrigin, gapEvent, telemetryEnvelope, telemetryEvent } from '../../gateway/cloud-event.ts';
import { openOutbox } from '../../gateway/outbox/outbox.ts';
import { outboxIdentity } from '../../gateway/outbox-identity.ts';
import { readingShape, readingText } from '../../gateway/reading-text.ts';
import { gatewayId } from '../harness/gateway.ts';
import { scaledUnit } from '../harness/mappings.ts';

const [folder = '', ...numbers] = process.argv.slice(2);
const [seconds = 0, machines = 0, registers = 0] = numbers.map(Number);
const origin = eventOrigin(gatewayId, '', await outboxIdentity(folder));
const envelopes = Array.from({ length: machines }, (_, at) => telemetryEnvelope(origin, `machine-${at + 1}`, `plant/area/line-${at + 1}`));
const units = Array.from({ length: registers }, (_, at) => scaledUnit(at));
const shapes = units.map((unit, at) => readingShape(`p${at}`, unit));
const outbox = await openOutbox({
  folder,
  maxSizeBytes: 2_000_000_000,
  maxAgeMs: 7 * 86_400_000,
  whenFull: 'refuse-new',
  commitEveryMs: 1,
  encodeGap: (gap, sequence) => gapEvent(origin, gap, sequence),
});
const startMs = Date.now() - seconds * 1000;
for (let second = 0; second < seconds; second++) {
  const timeMs = startMs + second * 1000;
  await Promise.all(
    envelopes.map((envelope, machine) => {
      const readings = shapes.map((shape, at) => {
        const raw = (second * 7 + at * 13 + machine * 101) & 0xffff;
        return readingText(shape, {
          value: units[at] === undefined ? raw : raw / 10,
          type: undefined,
          quality: 'good',
          state: undefined,
          sourceMs: timeMs,
          sourceTicks: 0,
          receivedMs: timeMs,
          lastGoodMs: timeMs,
        });
      });
      const text = readings.join(',');
      return outbox.append({
        encode: (sequence) => telemetryEvent(envelope, sequence, timeMs, text),
        readings: registers,
        fromMs: timeMs,
        toMs: timeMs,
      });
    }),
  );
}
const { queued, bytesOnDisk } = outbox.counters();
await outbox[Symbol.asyncDispose]();
process.stdout.write(`bytes ${bytesOnDisk}\nreadings ${queued}\n`);
