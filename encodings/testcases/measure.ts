/**
 * Microseconds a reading takes in each encoding, beside JSON.stringify of the same events in the same run.
 * `node encodings/testcases/measure.ts`; the figures stand in encodings/README.md.
 */
import type { HubEvent, TelemetryReading } from '../../model/telemetry.ts';
import type { EncodeOptions } from '../contract.ts';
import { encodings } from '../encodings.ts';
import { sampleContext, telemetry } from './sample.ts';

const readings = 20_000;
const perEvent = 50;

/** Mostly numbers of a few machines, some text, some 64-bit, one in fifty bad. */
function events(): readonly HubEvent[] {
  const made: HubEvent[] = [];
  for (let sequence = 0; sequence < readings / perEvent; sequence++) {
    const time = new Date(Date.UTC(2026, 10, 24, 8) + sequence * 100).toISOString();
    const some = Array.from({ length: perEvent }, (_, i): TelemetryReading => {
      const point = `point_${i}`;
      if (i % 50 === 7) return { point, quality: 'bad', status: 'BadTimeout', reason: 'no answer within 1 s', time };
      if (i % 10 === 3) return { point, value: String(1311768468603649775n + BigInt(sequence)), type: 'uint64', time };
      if (i % 10 === 5) return { point, value: i % 20 === 5 ? 'running' : 'stopped', time };
      return { point, value: Math.round(Math.sin(i + sequence) * 10_000) / 100, unit: 'Cel', time };
    });
    made.push(telemetry(sequence + 1, some, { equipment: `machine-${sequence % 20}` }));
  }
  return made;
}

function measure(run: () => unknown): number {
  const laps: number[] = [];
  for (let lap = 0; lap < 12; lap++) {
    const start = performance.now();
    run();
    laps.push(performance.now() - start);
  }
  return (Math.min(...laps) * 1000) / readings;
}

if (import.meta.main) {
  const all = events();
  const yardstick = measure(() => Buffer.from(JSON.stringify(all)));
  const line = (name: string, us: number, bytes: number): void =>
    console.log(
      `${name.padEnd(14)} ${us.toFixed(2).padStart(6)} µs  ×${(us / yardstick).toFixed(1).padStart(5)}  ${(bytes / readings).toFixed(0).padStart(5)} B`,
    );
  line('JSON.stringify', yardstick, Buffer.byteLength(JSON.stringify(all)));
  for (const grain of ['batch', 'event', 'reading'] as const) {
    console.log(`\n${grain}`);
    const options: EncodeOptions = { grain, maxBodyBytes: 250_000 };
    for (const listed of encodings) {
      const { name, settings, open } = await listed.load();
      const encoder = open(settings.parse({}), sampleContext());
      const bytes = encoder.encode(all, options).reduce((sum, { body }) => sum + body.byteLength, 0);
      line(
        name,
        measure(() => encoder.encode(all, options)),
        bytes,
      );
    }
  }
}
