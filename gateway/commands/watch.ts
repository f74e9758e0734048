import { EquipmentLoop } from '../equipment-loop.ts';
import { aborted, onInterrupt } from '../interrupt.ts';
import { createLog } from '../log.ts';
import { MachinesSeen } from '../machines-seen.ts';
import type { Pipeline } from '../pipeline.ts';
import { shown, timeOf } from './read.ts';
import { commandContext, type Selection, selectEquipment } from './selection.ts';

const sweepEveryMs = 100;

/** `dragoman watch`: the gateway's own loop and pipeline, ending on the screen instead of in the outbox. */
export async function watch(paths: readonly string[], options: Selection): Promise<number> {
  const chosen = await selectEquipment(paths, options);
  if (!chosen) return 1;
  const stop = onInterrupt();
  const log = createLog('info');
  const widest = Math.max(...chosen.map(({ equipment: { id } }) => id.length));
  const watched = chosen.map(({ equipment, adapter }) => {
    const seen = new MachinesSeen(equipment, (pipeline) => ({
      add(text, _, index) {
        const { id } = pipeline().states.equipment;
        if (options.json) process.stdout.write(`{"equipment":${JSON.stringify(id)},${text.slice(1)}\n`);
        else process.stdout.write(`${line(pipeline(), index, widest)}\n`);
      },
      settle: (acknowledge) => acknowledge(),
      lost: ({ reason, point }) => process.stderr.write(`${pipeline().states.equipment.id}${point ? ` ${point}` : ''}: lost: ${reason}\n`),
    }));
    const loop = new EquipmentLoop(equipment, adapter, commandContext(equipment, options.data, log), seen);
    loop.start();
    return { seen, loop };
  });
  const sweeping = setInterval(() => {
    for (const { seen } of watched) seen.sweep();
  }, sweepEveryMs);
  await aborted(stop);
  clearInterval(sweeping);
  await Promise.all(watched.map(({ loop }) => loop.stop()));
  return 0;
}

function line(pipeline: Pipeline, index: number, width: number): string {
  const reading = pipeline.states.reading(index)!;
  const value = reading.value === undefined ? '-' : `${shown(reading.value)}${reading.unit ? ` ${reading.unit}` : ''}`;
  const quality = reading.quality === 'good' ? '' : `  ${reading.quality}  ${reading.status}${reading.reason ? `: ${reading.reason}` : ''}`;
  return `${timeOf(reading)}  ${pipeline.states.equipment.id.padEnd(width)}  ${reading.point.padEnd(24)} ${value}${quality}`;
}
