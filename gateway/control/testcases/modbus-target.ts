import { modbus } from '../../../adapters/modbus/adapter.ts';
import { compileMapping } from '../../../mappings/load.ts';
import type { Reading } from '../../../model/reading.ts';
import type { WriteTargets } from '../contract.ts';

const silent = (): void => {};
const log = { debug: silent, info: silent, warn: silent, error: silent };

/** A Modbus machine with one writable register, `cooker-1/setpoint` at holding 200. */
export async function modbusTarget(
  port: number,
  write = '{ readBack: true }',
): Promise<{ readonly targets: WriteTargets } & AsyncDisposable> {
  const text = `
equipment: cooker-1
connection: { adapter: modbus, host: 127.0.0.1, port: ${port}, timeout: 1s }
points:
  setpoint: { at: holding 200, type: int16, write: ${write} }
  state: { at: holding 110, type: uint16, enum: { 0: stopped, 1: running } }
`;
  const { equipment, problems } = compileMapping('cooker.yaml', text, [modbus]);
  const [cooker] = equipment;
  if (!cooker) throw new Error(JSON.stringify(problems));
  const context = { equipment: cooker.id, stateFolder: '/nowhere', log, secret: async () => '' };
  const connection = await (await modbus.load()).connect(cooker.settings as never, context, new AbortController().signal);
  const reading = (point: string, value: Reading['value']): Reading => ({
    point,
    ...(value !== undefined && { value }),
    quality: 'good',
    status: 'Good',
    sourceTimeMs: Date.now(),
    receivedMs: Date.now(),
  });
  return {
    targets: {
      ids: () => [cooker.id],
      find: (id) =>
        id === cooker.id
          ? {
              points: cooker.points,
              reading: (point) => reading(point, point === 'state' ? 'running' : 0),
              withConnection: (use) => use(connection as never),
            }
          : undefined,
    },
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}
