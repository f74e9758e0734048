/** The machine of the rows about messages: what it sends, and its mapping. */

/** Points of a message; each has a new value in every message. */
export const pressPoints = 4;

/** About 300 bytes of JSON, as a controller sends them: more than is mapped. */
export function pressMessage(n: number): string {
  return JSON.stringify({
    machine: 'press-7',
    order: '4711-A-2026',
    recipe: 'toffee-12',
    operator: 'shift-2',
    n,
    temps: [
      { zone: 1, value: 60 + (n % 1000) / 10 },
      { zone: 2, value: 61.5 },
    ],
    pressure: { value: 4 + (n % 997) / 1000, unit: 'bar' },
    belt: { speed: (n % 983) / 1000, state: 'running' },
    alarms: [],
    time: new Date().toISOString(),
  });
}

/** `connection` is the block as in a mapping file, as JSON, which is YAML too. */
export function pressMapping(connection: object): Record<string, string> {
  return {
    'press-7.yaml': `equipment: press-7
path: plant/area/line-1
connection: ${JSON.stringify(connection)}
defaults: { every: 1s, staleAfter: 1d, time: /time }
points:
  pieces: { at: /n }
  temperature: { at: /temps/0/value, unit: Cel }
  pressure: { at: /pressure/value, unit: bar }
  belt_speed: { at: /belt/speed, unit: m/s }
`,
  };
}
