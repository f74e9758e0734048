import { NotConnectedError } from '../../model/error.ts';
import type { RawValue } from '../../model/value.ts';
import type { WriteResult } from '../contract.ts';
import type { Bus } from './bus.ts';
import type { BusRequest } from './bus-request.ts';
import type { Fault } from './faults.ts';
import type { ModbusSettings } from './settings.ts';
import { type ModbusAddress, showSpan } from './types.ts';
import { planWrite } from './write-plan.ts';

/**
 * Writes once, before all reads that wait for the wire. Until it is sent it can be called back (`cancel`, `ended`), then nothing happened and it
 * rejects. Once it is sent, its answer is waited for; without one it is unknown whether the machine took it.
 */
export function writeOnce(
  bus: Bus,
  settings: ModbusSettings,
  address: ModbusAddress,
  raw: RawValue,
  cancel: AbortSignal,
  ended: AbortSignal,
): Promise<WriteResult> {
  const { unitId, table, start, count } = address;
  const where = `${showSpan(table, start, count)} of unit ${unitId} at ${bus.name}`;
  const plan = planWrite(address, raw, settings.functionCodes.write);
  if (typeof plan === 'string') return Promise.resolve({ outcome: 'refused', reason: plan });
  if (bus.lost) return Promise.reject(bus.lost);
  return new Promise((resolve, reject) => {
    let sent = false;
    const notSent = (why: string): NotConnectedError =>
      new NotConnectedError('modbus-not-sent', `nothing was written to ${where}: ${why}`, { retry: 'with-backoff' });
    const settle = (finish: () => void): void => {
      forget();
      cancel.removeEventListener('abort', onCancel);
      ended.removeEventListener('abort', onEnd);
      request.cancelled = true;
      finish();
    };
    const request: BusRequest = {
      unitId,
      table,
      start,
      count,
      functionCode: plan.functionCode,
      byteCount: 0,
      echo: plan.echo,
      pdu: plan.pdu,
      timeoutMs: settings.timeout,
      // A lane of their own, whose deadline is always the earliest.
      everyMs: 0,
      dueMs: Number.NEGATIVE_INFINITY,
      cancelled: false,
      sent: () => {
        sent = true;
      },
      answered: () => settle(() => resolve({ outcome: 'done' })),
      failed: (fault) =>
        settle(() => (sent ? resolve(resultOf(fault, plan.functionCode)) : reject(notSent(fault.state.reason ?? 'it is silent')))),
    };
    const onCancel = (): void => {
      if (!sent) settle(() => reject(notSent('it was called back')));
    };
    const onEnd = (): void =>
      settle(() =>
        sent
          ? resolve({ outcome: 'unknown', reason: 'the connection was closed before the answer came' })
          : reject(notSent('the connection was closed')),
      );
    const forget = bus.onLost((error) =>
      settle(() =>
        sent ? resolve({ outcome: 'unknown', reason: `the link was lost before the answer came (${error.message})` }) : reject(error),
      ),
    );
    if (cancel.aborted) return onCancel();
    if (ended.aborted) return onEnd();
    cancel.addEventListener('abort', onCancel);
    ended.addEventListener('abort', onEnd);
    bus.submit(request);
  });
}

/** Exceptions that do not say that nothing was done: still working on it, failed in the middle, the machine behind the gateway is silent. */
const inDoubt = new Set([4, 5, 8, 11]);

function resultOf(fault: Fault, functionCode: number): WriteResult {
  const reason = fault.state.reason ?? fault.state.status.name;
  if (fault.kind !== 'exception') return { outcome: 'unknown', reason };
  if (inDoubt.has(fault.code)) return { outcome: 'unknown', reason };
  const other = functionCode === 5 || functionCode === 6 ? 'multiple' : 'single';
  const hint = fault.code === 1 ? `; some machines take the other function, functionCodes: { write: ${other} }` : '';
  return { outcome: 'refused', reason: `${reason}${hint}` };
}
