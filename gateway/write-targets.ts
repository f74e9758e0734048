import { NotConnectedError } from '../model/error.ts';
import type { WriteTargets } from './control/contract.ts';
import type { EquipmentRunner } from './equipment-runner.ts';

/** The machines that run, as the write path sees them. */
export function writeTargets(runners: () => Iterable<EquipmentRunner>): WriteTargets {
  const machines = () => [...runners()].flatMap((runner) => runner.machines.map((machine) => ({ runner, machine })));
  return {
    ids: () => machines().map(({ machine }) => machine.equipment.id),
    find(id) {
      const found = machines().find(({ machine }) => machine.equipment.id === id);
      if (!found) return undefined;
      const { runner, machine } = found;
      return {
        points: machine.points,
        reading: (point) => machine.reading(point),
        async withConnection(use) {
          const { connection } = runner;
          if (connection) return use(connection);
          const { reason = 'the connection is not open yet' } = runner.state();
          throw new NotConnectedError('equipment-away', `${id}: ${reason}`, { retry: 'with-backoff' });
        },
      };
    },
  };
}
