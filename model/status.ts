import type { Quality } from './quality.ts';

/** An OPC UA StatusCode (Part 4 §7.39). Every protocol's faults are named with these; codes and names never change. */
export interface Status {
  readonly code: number;
  readonly name: string;
}

const table = {
  Good: 0x00000000,
  GoodLocalOverride: 0x00960000,
  GoodClamped: 0x00300000,
  Uncertain: 0x40000000,
  UncertainNoCommunicationLastUsableValue: 0x408f0000,
  UncertainLastUsableValue: 0x40900000,
  UncertainSubstituteValue: 0x40910000,
  UncertainInitialValue: 0x40920000,
  UncertainSensorNotAccurate: 0x40930000,
  UncertainEngineeringUnitsExceeded: 0x40940000,
  UncertainSubNormal: 0x40950000,
  Bad: 0x80000000,
  BadInternalError: 0x80020000,
  BadOutOfMemory: 0x80030000,
  BadCommunicationError: 0x80050000,
  BadTimeout: 0x800a0000,
  BadUserAccessDenied: 0x801f0000,
  BadNoCommunication: 0x80310000,
  BadWaitingForInitialData: 0x80320000,
  BadNodeIdInvalid: 0x80330000,
  BadNodeIdUnknown: 0x80340000,
  BadAttributeIdInvalid: 0x80350000,
  BadIndexRangeNoData: 0x80370000,
  BadDataEncodingInvalid: 0x80380000,
  BadNotReadable: 0x803a0000,
  BadNotWritable: 0x803b0000,
  BadOutOfRange: 0x803c0000,
  BadNotSupported: 0x803d0000,
  BadNotFound: 0x803e0000,
  BadNoMatch: 0x806f0000,
  BadTypeMismatch: 0x80740000,
  BadConfigurationError: 0x80890000,
  BadNotConnected: 0x808a0000,
  BadDeviceFailure: 0x808b0000,
  BadSensorFailure: 0x808c0000,
  BadOutOfService: 0x808d0000,
  BadNoData: 0x809b0000,
} as const;
export type StatusName = keyof typeof table;

const byCode = new Map<number, Status>();

function intern(code: number, name: string): Status {
  const known = byCode.get(code);
  if (known) return known;
  const status = Object.freeze({ code, name });
  byCode.set(code, status);
  return status;
}

/** The statuses that the gateway itself gives, by name. */
export const statuses = Object.fromEntries(Object.entries(table).map(([name, code]) => [name, intern(code, name)])) as Readonly<
  Record<StatusName, Status>
>;

/**
 * The status for a numeric code as a machine sent it, kept exactly.
 * `nameOf` is asked for codes the gateway does not name itself; the info bits (low 16) do not change the name.
 */
export function statusOf(code: number, nameOf?: (code: number) => string | undefined): Status {
  const unsigned = code >>> 0;
  const known = byCode.get(unsigned);
  if (known) return known;
  const base = (unsigned & 0xffff0000) >>> 0;
  return intern(unsigned, byCode.get(base)?.name ?? nameOf?.(base) ?? `0x${base.toString(16).toUpperCase().padStart(8, '0')}`);
}

/** Severity is the top two bits; 11 is reserved and counts as bad. */
export function qualityOf(status: Status): Quality {
  const severity = status.code >>> 30;
  return severity === 0 ? 'good' : severity === 1 ? 'uncertain' : 'bad';
}
