// @ts-check
import { duration, suggestion, z } from 'dragoman/adapter';
// Samples and connection read answers with the same function: what a mapping tests is what runs.
import { parseAnswer } from './answer.js';

/** @typedef {{ host: string, port: number, timeout: number }} ScaleSettings  timeout in milliseconds */
/** @typedef {{ command: string, part: 'weight' | 'stable' | 'text' }} ScaleAddress */

const connection = z.strictObject({
  host: z.string().min(1).describe('Host name or IP address of the scale'),
  port: z.int().min(1).max(65535).default(4305).describe('TCP port'),
  timeout: duration({ min: 50, max: 60_000 }).prefault('1s').describe('Time for one answer'),
});

/** What `at` may say, what the scale is asked for it, and what type the answer has. */
const places = {
  weight: { command: 'SI', part: 'weight', rawType: 'float64' },
  stable: { command: 'SI', part: 'stable', rawType: 'bool' },
  serial: { command: 'I4', part: 'text', rawType: 'string' },
};

/**
 * Scales that answer to the commands of MT-SICS, one line each: `SI` -> `S S     12.34 g`.
 * @type {import('dragoman/adapter').Adapter<ScaleSettings, ScaleAddress>}
 */
export const adapter = {
  name: 'scale',
  summary: 'Scales that speak SICS over TCP',
  connection,
  point: z.strictObject({}),

  compilePoint({ at }, report) {
    const command = /^command ([A-Z][A-Z0-9]{0,7})$/.exec(at ?? '')?.[1];
    if (command !== undefined) return { address: { command, part: 'text' }, rawType: 'string' };
    const place = places[at ?? ''];
    if (place) return { address: { command: place.command, part: place.part }, rawType: place.rawType };
    const hint = suggestion(at ?? '', Object.keys(places)) ?? 'write weight, stable, serial, or command I2';
    report('at', { rule: 'scale-place', message: `at: ${at === undefined ? 'it is missing' : `"${at}" is not on a scale`}`, hint });
    return undefined;
  },

  /** `given: { SI: "S S     12.34 g" }`: the answer to each command, read as on the wire. */
  sample(given, points, _settings, report) {
    const samples = new Map();
    for (const [command, line] of Object.entries(given)) {
      const targets = points.filter(({ address }) => address.command === command);
      if (targets.length === 0) report(command, { rule: 'scale-given', message: `no point asks ${command}` });
      for (const { name, address } of targets) {
        const { value, state } = parseAnswer(String(line), address);
        samples.set(name, { raw: value, shown: state?.reason ?? `${command} = ${line}` });
      }
    }
    return samples;
  },

  async load() {
    const { connectScale } = await import('./connection.js');
    return { connect: connectScale };
  },
};
