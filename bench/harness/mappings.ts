/** Mapping files for the bench, as text. */

/** The unit of the register at this place, whose value is then a tenth of what is read; undefined: plain. */
export const scaledUnit = (at: number): string | undefined => (at % 4 === 3 ? 'A' : undefined);

/**
 * A machine for each port, with `registers` uint16 points.
 * Every fourth point is scaled and has a unit, as in a real register table.
 */
export function modbusMappings(ports: readonly number[], registers: number, every = '1s'): Record<string, string> {
  const points = Array.from({ length: registers }, (_, at) => {
    const unit = scaledUnit(at);
    return `  p${at}: { at: holding ${at}, type: uint16${unit === undefined ? '' : `, scale: 0.1, unit: ${unit}`} }`;
  }).join('\n');
  const machine = (port: number, at: number): [string, string] => [
    `machine-${at + 1}.yaml`,
    `equipment: machine-${at + 1}
path: plant/area/line-${at + 1}
connection: { adapter: modbus, host: 127.0.0.1, port: ${port}, unitId: 1 }
defaults: { every: ${every} }
points:
${points}
`,
  ];
  return Object.fromEntries(ports.map(machine));
}

/** One machine with `items` points of the bench's OPC UA server. */
export function opcuaMappings(port: number, items: number, every = '100ms'): Record<string, string> {
  const points = Array.from({ length: items }, (_, at) => `  v${at}: { at: "nsu=urn:dragoman:bench;s=v${at}" }`);
  return {
    'server.yaml': `equipment: server-1
path: plant/area/line-1
connection: { adapter: opcua, endpoint: "opc.tcp://127.0.0.1:${port}", security: { mode: None } }
defaults: { every: ${every}, samplingInterval: 0ms, queueSize: 10 }
points:
${points.join('\n')}
`,
  };
}

/** `machines` hand-written looking files of 100 points each, for `check`: mixed types, units, ranges and samples. */
export function manyFiles(machines: number): Record<string, string> {
  const files: Record<string, string> = {};
  for (let machine = 0; machine < machines; machine++) {
    const lines: string[] = [];
    for (let at = 0; at < 100; at++) {
      const address = at * 2;
      if (at % 4 === 0)
        lines.push(
          `  temperature_${at}: { at: holding ${address}, type: float32, byteOrder: CDAB, unit: Cel, deadband: 0.2, range: [0, 180] }`,
        );
      else if (at % 4 === 1)
        lines.push(`  current_${at}: { at: holding ${address}, type: uint16, scale: 0.1, unit: A, invalid: [0xFFFF] }`);
      else if (at % 4 === 2)
        lines.push(`  state_${at}: { at: holding ${address}, type: uint16, enum: { 0: stopped, 1: running, 9: fault } }`);
      else lines.push(`  counter_${at}: { at: holding ${address}, type: uint32 }`);
    }
    files[`machine-${machine}.yaml`] = `equipment: machine-${machine}
path: plant/area/line-${machine % 10}
connection: { adapter: modbus, host: 10.20.${machine >> 8}.${machine & 255}, unitId: 1, timeout: 1s }
defaults: { every: 1s, byteOrder: ABCD }
points:
${lines.join('\n')}
samples:
  - name: first block
    given: { holding 0: [0xE979, 0x42F6], holding 2: 2304, holding 4: 1 }
    expect: { temperature_0: 123.456, current_1: 230.4, state_2: running }
`;
  }
  return files;
}
