import type { RuleCatalogue } from '../../mappings/rules.ts';

/** What `dragoman check` may say about points that come with messages, whatever the adapter. */
export const rules: RuleCatalogue = {
  'payload-place': {
    title: 'Not a place in a message',
    meaning:
      '`at` and `time` say where in a message a value is: a JSON Pointer, `column:name` of CSV, `byte 4` of a binary body, a path of elements of XML, or `property:name` whatever the body. A text body is a value as a whole.',
    cause:
      'A notation of another tool (`temps.0.value`, `$.temps[0]`), a missing slash at the beginning, or a `body` that is not what was meant.',
    cure: 'Write the place in the notation of the body. In a JSON Pointer `~1` stands for a slash and `~0` for a `~` in a key.',
    example: 'at: temps.0.value     # /temps/0/value',
  },
  'payload-body': {
    title: 'Not a body that points are read from',
    meaning: 'A body is json, text, csv, binary or xml; an adapter may have fewer.',
    cause: 'A typing error, or the content type of another system.',
    cure: 'Write one of the words that the message lists, or leave the key out for json.',
  },
  'payload-type': {
    title: 'Type that the body cannot hold',
    meaning:
      'A binary body needs a type of registers for each value. Other bodies know numbers, texts and times themselves; there a type converts and checks, and forms such as bcd16 or datetime-s7 have no meaning.',
    cause: 'A type was forgotten, or copied from a Modbus mapping.',
    cure: 'Write a type that fits the body; outside of binary leave it out unless digits must stay exact or text must stay text.',
    example: 'at: byte 4     # at: byte 4, type: float32',
  },
  'payload-length': {
    title: 'Length is missing, impossible or not wanted',
    meaning: 'In a binary body `string` and `bytes` need their length in bytes; other types take it as the number of elements of an array.',
    cause: 'Registers were counted, or `length` was written for a plain number.',
    cure: 'Count bytes for text; leave `length` out for single numbers.',
    example: 'at: byte 8, type: string     # length: 16',
  },
  'payload-byte-order': {
    title: 'Byte order that does not fit',
    meaning:
      'An order of eight letters fits 64-bit values only. The four-letter names fit every width: ABCD is big endian, DCBA little endian.',
    cause: 'A default for the whole machine that names one width, or a text of odd length with swapped pairs.',
    cure: 'Write ABCD, CDAB, BADC or DCBA.',
  },
  'payload-key': {
    title: 'Key that has no meaning here',
    meaning: 'Some keys belong to one kind of body: match to text; separator and header to csv; and some contradict each other.',
    cause: 'The body was changed and the keys stayed, or two dialects of CSV were mixed.',
    cure: 'Remove the key, or write the body it belongs to.',
  },
  'payload-time': {
    title: 'Source time that cannot be read',
    meaning:
      '`timeFormat` is iso, s, ms, us or ns since 1970, a datetime type of registers in binary bodies, or a pattern of yyyy, MM, dd, HH, mm, ss and S. `timeZone` is an IANA name.',
    cause: 'Letters of another tool (`%d.%m.%Y`, `DD/MM/YYYY`), or an abbreviation of a zone (`CET`) that does not say its rules.',
    cure: 'Write one of the words or a pattern; for local times the zone of the machine.',
    example: 'timeFormat: DD.MM.YYYY     # dd.MM.yyyy HH:mm:ss',
  },
  'payload-time-zone': {
    title: 'Local times that do not say where',
    meaning:
      'A pattern in `timeFormat` has no place for a zone, so its times count as UTC. A clock on the wall of the plant then is an hour or more off, mostly in the future.',
    cause: 'The machine writes its local time.',
    cure: 'Write `timeZone` with the zone of its clock; `UTC` says that it is right as it is.',
    example: 'time: /ts\ntimeFormat: dd.MM.yyyy HH:mm:ss\ntimeZone: Europe/Berlin',
  },
  'payload-when': {
    title: 'Filter that cannot be asked',
    meaning:
      'A key of `when` is the name of a property, or a place of the body in the notation of `at`; the value, or one of the values, must be there.',
    cause: 'A place that the body does not have, or a filter over the bytes of a binary body.',
    cure: 'Write property names as they are, places in the notation of the body.',
    example: 'when: { kind: temperature, /line: [1, 2] }',
  },
  'payload-match': {
    title: 'Expression that is refused',
    meaning:
      'A regular expression runs on texts that machines send, so its time must be bounded: exactly one group, no references back, no looking around, no repetition of what itself repeats.',
    cause: 'A group too many, nested repetition such as (a+)+, or two neighbours that match the same characters.',
    cure: 'Mark the value with one ( ), other groups with (?: ), and write out what stands between them.',
    example: 'match: "(\\\\d+\\\\s*)+kg"     # "(\\\\d+)\\\\s*kg"',
  },
  'payload-read-only': {
    title: 'Write on a point that is only received',
    meaning: 'The value comes with messages of the machine; this adapter sends none to it.',
    cause: '`write` was copied from another adapter, or stands under `defaults`.',
    cure: 'Remove `write`.',
  },
  'payload-given': {
    title: 'Sample whose message cannot be read',
    meaning:
      '`given` holds a message: `body`, `property:name`, `annotation:name`. The body is text as on the wire, a group in place of JSON, hex digits for binary. It is read by the reader of live messages.',
    cause: 'A typing error in the body, or one that is not what `body:` of the points says.',
    cure: 'Copy a message as the machine sent it, in quotes or as a block of text.',
    example: 'given: { body: \'{"temps":[{"value":23.5}]}\', "property:kind": temperature }',
  },
};
