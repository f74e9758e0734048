/**
 * `write-latency.ts bare|path PORT COUNT FOLDER`: writes holding 200 so often, each with its read-back, and prints the times in ms as one JSON
 * line. `bare`: the two requests on a socket, nothing else. `path`: the gateway's write path with guards, journal and audit log on disk.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { AuditLog } from '../../gateway/audit/log.ts';
import { modbusTarget } from '../../gateway/control/testcases/modbus-target.ts';
import { WritePath } from '../../gateway/control/write-path.ts';

const [kind = '', port = '', count = '', folder = ''] = process.argv.slice(2);
/** Time between two writes. */
const restMs = 5;
const warmUp = 30;
const times: number[] = [];

async function measure(write: (value: number) => Promise<void>): Promise<void> {
  for (let i = 0; i < Number(count) + warmUp; i++) {
    await sleep(restMs);
    const began = performance.now();
    await write(i % 100);
    if (i >= warmUp) times.push(performance.now() - began);
  }
}

if (kind === 'bare') {
  const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const exchange = async (pdu: readonly number[]): Promise<void> => {
    socket.write(Uint8Array.of(0, 1, 0, 0, 0, pdu.length + 1, 1, ...pdu));
    await once(socket, 'data');
  };
  await measure(async (value) => {
    await exchange([6, 0, 200, 0, value]);
    await exchange([3, 0, 200, 0, 1]);
  });
  socket.destroy();
} else {
  await using machine = await modbusTarget(
    Number(port),
    '{ min: 0, max: 200, maxStep: 500, onlyWhen: state == "running", readBack: true, expires: 5s }',
  );
  await using audit = await AuditLog.open(`${folder}/audit`);
  await using path = await WritePath.open({ data: folder, targets: machine.targets, audit });
  let key = 0;
  await measure(async (value) => {
    const { outcome, reason } = await path.write({
      equipment: 'cooker-1',
      point: 'setpoint',
      value,
      who: 'bench',
      from: 'desired',
      key: `k${++key}`,
    });
    if (outcome !== 'done') throw new Error(reason);
  });
}
process.stdout.write(`${JSON.stringify(times)}\n`);
