/** What manuals, PLC languages (IEC 61131-3) and other tools call what a mapping calls otherwise; the first that is known here counts. */
const meant: Readonly<Record<string, readonly string[]>> = {
  real: ['float32'],
  lreal: ['float64'],
  float: ['float32', 'float64'],
  single: ['float32'],
  double: ['float64'],
  sint: ['int8'],
  usint: ['uint8'],
  byte: ['uint8'],
  int: ['int16'],
  uint: ['uint16'],
  word: ['uint16'],
  short: ['int16'],
  dint: ['int32'],
  udint: ['uint32'],
  dword: ['uint32'],
  lint: ['int64'],
  ulint: ['uint64'],
  lword: ['uint64'],
  boolean: ['bool'],
  bit: ['bool'],
  text: ['string'],
  body: ['payload'],
  payload: ['body'],
  pointer: ['at'],
  register: ['at'],
  factor: ['scale'],
  gain: ['scale'],
  multiplier: ['scale'],
  datatype: ['type'],
  interval: ['every'],
  period: ['every'],
  username: ['user'],
  ip: ['host'],
  queue: ['address'],
  server: ['host', 'endpoint', 'url'],
};

/** The known word by which this language calls the same thing. */
export function synonym(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const words = Object.hasOwn(meant, lower) ? meant[lower] : undefined;
  return words?.find((each) => known.includes(each));
}
