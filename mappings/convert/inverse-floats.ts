const view = new DataView(new ArrayBuffer(8));

/** The float itself, and those just below and above it. */
export function aroundFloat32(value: number): readonly number[] {
  view.setFloat32(0, value);
  const floats = neighbours(BigInt(view.getInt32(0)), 0x8000_0000n).map((bits) => {
    view.setInt32(0, Number(bits));
    return view.getFloat32(0);
  });
  return [value, ...floats.filter(Number.isFinite)];
}

export function aroundFloat64(value: number): readonly number[] {
  view.setFloat64(0, value);
  const doubles = neighbours(view.getBigInt64(0), 0x8000_0000_0000_0000n).map((bits) => {
    view.setBigInt64(0, bits);
    return view.getFloat64(0);
  });
  return [value, ...doubles.filter(Number.isFinite)];
}

/** Bit patterns of one sign count outwards from zero; across zero lies the smallest of the other sign. */
function neighbours(bits: bigint, sign: bigint): readonly bigint[] {
  const negative = bits < 0n;
  const magnitude = negative ? bits + sign : bits;
  const signed = (m: bigint, minus: boolean): bigint => (minus ? m - sign : m);
  return [signed(magnitude + 1n, negative), magnitude > 0n ? signed(magnitude - 1n, negative) : signed(1n, !negative)];
}
