// @ts-check
import { statuses } from 'dragoman/adapter';

const refusals = {
  I: ['BadOutOfService', 'the scale is busy and cannot weigh now'],
  '+': ['BadOutOfRange', 'overload: take something off the scale'],
  '-': ['BadOutOfRange', 'underload: the pan is not in its place'],
  L: ['BadConfigurationError', 'the scale does not take the parameter'],
};

/**
 * One line of the scale, as the value of a point or the state that says why there is none.
 * `S S` is a weight at rest, `S D` one in motion, which is uncertain; `ES` is a command the scale does not know.
 * @param {string} line
 * @param {{ command: string, part: 'weight' | 'stable' | 'text' }} address
 * @returns {{ value?: number | boolean | string, state?: import('dragoman/adapter').SampleState }}
 */
export function parseAnswer(line, { command, part }) {
  const bad = (status, reason) => ({ state: { status: statuses[status], reason: `${command}: ${reason}` } });
  if (/^E[STL]$/.test(line)) return bad('BadNotSupported', `the scale does not know this command (${line})`);
  const weighed = /^S ([SD])\s+(-?\d+(?:\.\d+)?)\s*(\S*)$/.exec(line);
  if (weighed && part === 'stable') return { value: weighed[1] === 'S' };
  if (weighed && part === 'weight') {
    const value = Number(weighed[2]);
    return weighed[1] === 'S' ? { value } : { value, state: { status: statuses.Uncertain, reason: 'the load is in motion' } };
  }
  const refused = refusals[/^\S+ ([I+\-L])$/.exec(line)?.[1] ?? ''];
  if (refused) return bad(refused[0], refused[1]);
  const text = /^\S+ A "?(.*?)"?$/.exec(line);
  if (text && part === 'text') return { value: text[1] };
  return bad('BadDataEncodingInvalid', `"${line.slice(0, 40)}" is not an answer to it`);
}
