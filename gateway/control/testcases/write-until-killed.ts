import { AuditLog } from '../../audit/log.ts';
import { WritePath } from '../write-path.ts';
import { modbusTarget } from './modbus-target.ts';

/** Asks for the writes 1, 2, 3 … under their numbers as keys, from the first one again at each start; prints each answer. */
const [data = '', port = '', last = ''] = process.argv.slice(2);
await using machine = await modbusTarget(Number(port));
await using audit = await AuditLog.open(`${data}/audit`);
await using path = await WritePath.open({ data, targets: machine.targets, audit });
for (let value = 1; value <= Number(last); value++) {
  const { outcome, repeated } = await path.write({
    equipment: 'cooker-1',
    point: 'setpoint',
    value,
    who: 'test',
    from: 'desired',
    key: `k${value}`,
  });
  process.stdout.write(`${value} ${outcome}${repeated ? ' repeated' : ''}\n`);
}
await path.settle(AbortSignal.timeout(5_000));
process.stdout.write('end\n');
