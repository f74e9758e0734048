import { join } from 'node:path';
import { parseDuration } from '../../mappings/duration.ts';
import { aborted, onInterrupt } from '../interrupt.ts';
import { demoMachine, demoMachines } from './demo-machines.ts';

/** `dragoman simulate MACHINE`. */
export async function simulate(
  name: string,
  options: { port?: string; listen: string; data: string; faultEvery: string },
): Promise<number> {
  const machine = demoMachine(name);
  if (!machine) {
    process.stderr.write(`"${name}" is not a machine of the demo; there are ${demoMachines.map((one) => one.name).join(', ')}\n`);
    return 2;
  }
  const port = Number(options.port ?? machine.port);
  const faultEveryMs = parseDuration(options.faultEvery);
  if (!Number.isInteger(port) || port < 0 || port > 65535 || faultEveryMs === undefined || faultEveryMs < 0) {
    process.stderr.write('--port is a number from 0 to 65535, --fault-every a duration such as 60s\n');
    return 2;
  }
  const stop = onInterrupt();
  const sayFault = (fault: { readonly text: string } | string): void =>
    void process.stdout.write(`${name}: ${typeof fault === 'string' ? fault : fault.text}\n`);
  const faults = faultEveryMs === 0 ? {} : { faultEveryMs, onFault: sayFault };
  await using running = await machine.start({ port, host: options.listen, folder: join(options.data, name), ...faults });
  process.stdout.write(`${name} ready ${machine.connects ? 'to connect to' : 'on'} ${options.listen}:${running.port}\n`);
  await aborted(stop);
  setTimeout(() => process.exit(0), 1_500).unref();
  return 0;
}
