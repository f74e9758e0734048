import type { RuleCatalogue } from '../../mappings/rules.ts';

/** What `dragoman check` may say about Modbus mappings, for the docs. Rules shared with the core (`duration`, `unknown-key`) are described there. */
export const rules: RuleCatalogue = {
  'bad-address': {
    title: 'Not a Modbus address',
    meaning:
      '`at` must be a table (coil, discrete, input, holding) and a number, decimal or hex; under `addressing: modicon` five or six digits may stand alone.',
    cause: 'A typing error in the table word, a number without its table, or a Modicon number whose first digit names another table.',
    cure: 'Write the table word and the number as the addressing of the connection means it.',
    example: 'at: holdng 100     # holding 100',
  },
  'address-range': {
    title: 'Address outside its table',
    meaning: 'A table has 65536 places: 0 to 65535 on the wire, 1 to 65536 where addressing is one-based.',
    cause: 'A six-digit Modicon number without `addressing: modicon`, or a digit too many.',
    cure: 'Check the number; set `connection.addressing` to the notation that the manual prints.',
    example: 'at: holding 400101     # with connection.addressing: modicon this is register 100',
  },
  'address-end': {
    title: 'Value reaches over the end of its table',
    meaning: 'A value of several registers begins so late that its last register would lie beyond 65535.',
    cause: 'A wrong address or a type that is too wide.',
    cure: 'Check address, type and length.',
    example: 'at: holding 65535, type: float32',
  },
  'quantity-limit': {
    title: 'More than one request can carry',
    meaning:
      'A read carries at most 125 registers or 2000 bits, less where `maxRegisters` or `maxBits` says so. A value is never torn over two requests.',
    cause: 'A text, a block of bytes or an array that is longer than that, or a limit that was raised above the standard.',
    cure: 'Use several points; check `maxRegisters` and `maxBits`.',
    example: 'type: string, length: 200',
  },
  'modicon-number': {
    title: 'A number that looks like Modicon notation',
    meaning:
      'Manuals print 40001 for the first holding register, which is address 0 on the wire. Without `addressing` the number is taken as it is written, and both readings are shown.',
    cause: 'The number was copied from a manual with five-digit notation.',
    cure: 'Set `connection.addressing: modicon` if the manual counts so; set `addressing: protocol` to say that the number is meant as it is.',
    example: 'at: holding 40001',
  },
  'unit-id': {
    title: 'Impossible unit id',
    meaning: 'Unit ids are 0 to 255; on a serial line machines have 1 to 247, 0 is the broadcast that nobody answers.',
    cause: 'A typing error, or an id of a TCP machine used on a serial line.',
    cure: 'Write the address that is set at the machine.',
  },
  port: {
    title: 'Impossible TCP port',
    meaning: 'Ports are 1 to 65535; Modbus TCP listens on 502 unless the machine says otherwise.',
    cause: 'A typing error.',
    cure: 'Leave `port` out for 502.',
  },
  'baud-rate': {
    title: 'Impossible baud rate',
    meaning: 'The serial line cannot be opened with this rate.',
    cause: 'A typing error.',
    cure: 'Write the rate that is set at the machine: 9600 and 19200 are usual.',
  },
  'host-or-serial': {
    title: 'Host and serial line',
    meaning: 'A Modbus connection goes over exactly one wire: `host` (and `port`) or `serial`.',
    cause: 'Both or neither were written.',
    cure: 'Keep the one that the machine is wired to.',
  },
  framing: {
    title: 'Framing does not fit the wire',
    meaning:
      'tcp and rtu-over-tcp need a host, rtu a serial line with 8 data bits; several requests in flight and `unitIdCheck: ignore` exist only for tcp.',
    cause: 'A machine behind a transparent serial server is often mistaken for Modbus TCP, and the reverse.',
    cure: 'Leave `framing` out, or write the one the gateway is set to.',
    example: 'host: 10.0.0.7, framing: rtu      # framing: rtu-over-tcp',
  },
  length: {
    title: 'Length is missing, impossible or not wanted',
    meaning: '`string` and `bytes` need their length in registers; an array needs a multiple of its type; other types have a fixed length.',
    cause: 'Characters were counted instead of registers, or `length` was written for a plain number.',
    cure: 'Count registers: 16 characters are 8. Leave `length` out for single numbers.',
    example: 'type: string            # type: string, length: 8',
  },
  'byte-order-width': {
    title: 'Byte order of another width',
    meaning:
      'A byte order of eight letters fits 64-bit values only, one of two letters 16-bit ones. The four-letter names fit every width.',
    cause: 'A default for the whole machine that names one width.',
    cure: 'Write ABCD, CDAB, BADC or DCBA.',
    example: 'type: float32, byteOrder: GHEFCDAB     # CDAB',
  },
  'text-word-order': {
    title: 'Text read from its last register',
    meaning:
      'CDAB and DCBA reverse the registers of a text, as they do with a number. Few machines store text so; most of those that swap words of numbers do not swap text.',
    cause: 'A default byte order for the machine also applies to its texts.',
    cure: 'Write `byteOrder: ABCD` (or BADC where the low byte comes first) at the text.',
  },
  'bit-table-type': {
    title: 'A number in a bit table',
    meaning: 'Coils and discrete inputs hold single bits; only `bool` can lie there.',
    cause: 'The wrong table, or a default type that also applies to coils.',
    cure: 'Write `type: bool`, or the register table that the manual means.',
    example: 'at: coil 4, type: uint16',
  },
  'write-read-only-table': {
    title: 'Write on a read-only table',
    meaning: 'Input registers and discrete inputs have no write function in Modbus.',
    cause: 'The manual lists the same quantity in two tables, or `write` was copied.',
    cure: 'Remove `write`, or use the holding register or coil of the quantity.',
    example: 'at: input 10, write: { }',
  },
  'write-in-parts': {
    title: 'A value that cannot be written whole',
    meaning:
      'A value is written by one request, so that the machine never acts on half of it. This one is longer than a write request carries (123 registers, 1968 coils), or the connection allows single writes only.',
    cause: 'A long text or array with `write`, or `functionCodes: { write: single }` for a machine that also has values of two registers.',
    cure: 'Leave `functionCodes.write` out if the machine takes function 16; else such a value cannot be written safely: remove `write`.',
    example: 'connection: { …, functionCodes: { write: single } }\npoints: { speed: { at: holding 10, type: float32, write: { } } }',
  },
  overlap: {
    title: 'Two values share registers',
    meaning:
      'A value of two or four registers and another value of a different kind use the same register; at least one of them reads nonsense. Equal addresses of equal type are fine.',
    cause: 'A wrong address, or a 32-bit type where the manual means 16.',
    cure: 'Check both addresses and types in the manual.',
    example: 'a: { at: holding 110, type: uint32 }\nb: { at: holding 111, type: uint16 }',
  },
  'sample-incomplete': {
    title: 'A sample gives part of a value',
    meaning: 'Some registers of a point are in `given`, others are not, so the point cannot be computed.',
    cause: 'A float needs two registers, and one was given.',
    cure: 'Give all registers of the value, in the order of the wire.',
  },
  'sample-value': {
    title: 'A sample gives something that is no register',
    meaning:
      '`given` holds registers as on the wire (0 to 65535, hex allowed; -32768 to -1 for signed ones) or true and false for the bit tables.',
    cause: 'The engineering value was written instead of the raw registers.',
    cure: 'Write what the wire carries under `given`, the engineering value under `expect`.',
  },
};
