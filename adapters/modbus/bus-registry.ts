import { type GatewayError, NotConnectedError } from '../../model/error.ts';
import { Bus } from './bus.ts';
import { type ModbusSettings, wireName } from './settings.ts';

/** A share in a bus. `release` twice is harmless. */
export interface BusHold {
  readonly bus: Bus;
  /** Links made for this wire so far, by anybody. */
  connects(): number;
  release(): void;
}

/** A wire that nobody holds stays open this long: a reload gives it back and takes it again. */
const lingerMs = 500;
/** Machines behind one dead gateway ask for it one after the other; within this time they get the answer of the first. */
const refusalHoldsMs = 500;

interface Entry {
  readonly wire: string;
  readonly use: string;
  readonly opened: Promise<Bus>;
  readonly cancel: AbortController;
  holders: number;
  bus: Bus | undefined;
  linger: NodeJS.Timeout | undefined;
}

const entries = new Map<string, Entry>();
const refusals = new Map<string, { readonly error: unknown; readonly untilMs: number }>();
const connects = new Map<string, number>();

/**
 * A share in the one bus of this wire, which is opened by whoever asks first. Rejects with NotConnectedError.
 * Machines on one wire must agree on how it is used: line parameters, framing, pauses.
 */
export async function holdBus(settings: ModbusSettings, signal: AbortSignal): Promise<BusHold> {
  const wire = wireName(settings);
  const use = useOf(settings);
  let entry = entries.get(wire);
  if (entry && entry.use !== use) {
    if (entry.holders > 0) throw conflict(wire);
    close(entry);
    entry = undefined;
  }
  if (!entry) {
    const refusal = refusals.get(wire);
    if (refusal && performance.now() < refusal.untilMs) throw refusal.error;
    entry = open(wire, use, settings);
  }
  const mine = entry;
  clearTimeout(mine.linger);
  mine.holders++;
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    if (--mine.holders === 0) linger(mine);
  };
  try {
    const bus = await unless(signal, mine.opened, wire);
    bus.hold(true);
    return { bus, release, connects: () => connects.get(wire) ?? 0 };
  } catch (error) {
    release();
    throw error;
  }
}

function open(wire: string, use: string, settings: ModbusSettings): Entry {
  const bus = new Bus(settings);
  const cancel = new AbortController();
  const opened = bus.open(cancel.signal).then(() => {
    connects.set(wire, (connects.get(wire) ?? 0) + 1);
    refusals.delete(wire);
    entry.bus = bus;
    return bus;
  });
  const entry: Entry = { wire, use, opened, cancel, holders: 0, bus: undefined, linger: undefined };
  entries.set(wire, entry);
  bus.onLost(() => forget(entry));
  opened.catch((error: unknown) => {
    forget(entry);
    if (!cancel.signal.aborted) refusals.set(wire, { error, untilMs: performance.now() + refusalHoldsMs });
  });
  return entry;
}

function linger(entry: Entry): void {
  if (entry.bus?.lost) return;
  if (!entry.bus) {
    close(entry);
    return;
  }
  entry.bus.hold(false);
  entry.linger = setTimeout(() => close(entry), lingerMs);
  entry.linger.unref();
}

function close(entry: Entry): void {
  clearTimeout(entry.linger);
  forget(entry);
  entry.cancel.abort();
  entry.bus?.close();
}

function forget(entry: Entry): void {
  if (entries.get(entry.wire) === entry) entries.delete(entry.wire);
}

/** What machines on one wire must agree on. Time-outs, limits and unit ids are each machine's own. */
function useOf(settings: ModbusSettings): string {
  const { framing, serial, maxInFlight, pauseAfterConnect, pauseBetweenRequests, unitIdCheck } = settings;
  return JSON.stringify([framing, serial, maxInFlight, pauseAfterConnect, pauseBetweenRequests, unitIdCheck]);
}

function conflict(wire: string): GatewayError {
  return new NotConnectedError('modbus-wire-conflict', `${wire} is in use with other settings`, {
    retry: 'with-backoff',
    hint: 'Equipment that shares a wire must agree on serial, framing, maxInFlight, unitIdCheck and the pauses',
  });
}

function unless<T>(signal: AbortSignal, wait: Promise<T>, wire: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void =>
      reject(new NotConnectedError('modbus-not-connected', `${wire} was not waited for`, { retry: 'with-backoff' }));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    const settle = (): void => signal.removeEventListener('abort', abort);
    wait.then(resolve, reject).finally(settle);
  });
}
