import { join } from 'node:path';
import { parseDuration } from '../../mappings/duration.ts';
import { aborted, onInterrupt } from '../interrupt.ts';

const defaultPorts = { cooker: 5020, mixer: 4840 } as const;

/** `dragoman simulate cooker|mixer`. */
export async function simulate(
  machine: string,
  options: { port?: string; listen: string; data: string; faultEvery: string },
): Promise<number> {
  if (machine !== 'cooker' && machine !== 'mixer') {
    process.stderr.write(`"${machine}" is not a machine of the demo; there are cooker and mixer\n`);
    return 2;
  }
  const port = Number(options.port ?? defaultPorts[machine]);
  const faultEveryMs = parseDuration(options.faultEvery);
  if (!Number.isInteger(port) || port < 0 || port > 65535 || faultEveryMs === undefined || faultEveryMs < 0) {
    process.stderr.write('--port is a number from 0 to 65535, --fault-every a duration such as 60s\n');
    return 2;
  }
  const stop = onInterrupt();
  const sayFault = (fault: { readonly text: string } | string): void =>
    void process.stdout.write(`${machine}: ${typeof fault === 'string' ? fault : fault.text}\n`);
  const faults = faultEveryMs === 0 ? {} : { faultEveryMs, onFault: sayFault };
  await using running = await start(machine, { port, host: options.listen, folder: join(options.data, machine), ...faults });
  process.stdout.write(`${machine} ready on ${options.listen}:${running.port}\n`);
  await aborted(stop);
  setTimeout(() => process.exit(0), 1_500).unref();
  return 0;
}

interface StartOptions {
  readonly port: number;
  readonly host: string;
  readonly folder: string;
  readonly faultEveryMs?: number;
  readonly onFault?: (fault: { readonly text: string } | string) => void;
}

async function start(machine: 'cooker' | 'mixer', options: StartOptions): Promise<AsyncDisposable & { readonly port: number }> {
  if (machine === 'cooker') return (await import('../../adapters/modbus/simulators/cooker.ts')).startCooker(options);
  return (await import('../../adapters/opcua/simulators/mixer.ts')).startMixer(options);
}
