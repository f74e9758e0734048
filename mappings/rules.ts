import { fileRules } from './yaml/rules.ts';

/** One rule of the diagnostics, for the docs: what an engineer reads who has never seen this problem. */
export interface RuleEntry {
  /** A few words: `Two points overlap with different types`. */
  readonly title: string;
  /** What the rule checks and why it matters. */
  readonly meaning: string;
  /** How this usually comes about. */
  readonly cause: string;
  /** What to do. */
  readonly cure: string;
  /** A line or two of YAML that shows the mistake and, where it helps, its correction. */
  readonly example?: string;
}

/** Rule id -> entry. The mapping core has one such catalogue, each adapter exports its own as `rules` from its `rules.ts`. */
export type RuleCatalogue = Readonly<Record<string, RuleEntry>>;

/** What the mapping core says, whatever the adapter. A test holds this list and the code against each other. */
export const rules: RuleCatalogue = {
  ...fileRules,
  // keys and words
  'unknown-key': {
    title: 'A key that is not known here',
    meaning: 'Nothing reads this key at this place, so what it says would have no effect.',
    cause: 'A typing error, or a key in the wrong group.',
    cure: 'Take the proposed key, or see the table of keys.',
    example: 'deadbnad: 0.2     # deadband: 0.2',
  },
  'missing-key': {
    title: 'A key is missing',
    meaning: 'This group cannot do without it.',
    cause: 'It was forgotten or misspelt.',
    cure: 'Add it.',
    example: 'equipment: cooker-1\nconnection: { adapter: modbus, host: 10.20.0.31 }\npoints: { state: { at: holding 110 } }',
  },
  'wrong-type': {
    title: 'A value of the wrong kind',
    meaning: 'A number is expected and text was found, one value and a list was found, and the like.',
    cause: 'Quotes around a number, missing brackets or braces, a key without its value.',
    cure: 'Write it as the message says.',
    example: 'scale: "0.1"     # scale: 0.1',
  },
  'unknown-value': {
    title: 'A word that is not one of the known ones',
    meaning: 'This key takes one word of a list.',
    cause: 'A typing error.',
    cure: 'Take the proposed word.',
    example: 'byteOrder: CBAD     # CDAB',
  },
  'bad-value': {
    title: 'A value that this key cannot take',
    meaning: 'The kind is right, the form is not.',
    cause: 'A typing error, or a notation of another product.',
    cure: 'Write it as the message says.',
  },
  'out-of-range': {
    title: 'A number outside what this key allows',
    meaning: 'The message names the limit.',
    cause: 'A digit too many, or another unit than the key has.',
    cure: 'Correct the number.',
    example: 'round: 99     # at most 15',
  },
  'wrong-length': {
    title: 'Too few or too many',
    meaning: 'A text or a list is shorter or longer than this key allows.',
    cause: 'An empty list or text was left behind.',
    cure: 'Fill it, or remove the key.',
  },
  'bad-name': {
    title: 'A name that cannot be used',
    meaning:
      'Point names are a letter, then letters, digits and _, at most 64 characters: they live on in expressions, SQL columns and topics. Equipment ids may also hold hyphens. Raw values of `enum` and bits of `bits` are whole numbers.',
    cause: 'Spaces, hyphens or umlauts; or word and number of an enum the wrong way round.',
    cure: 'Rename it: motor_current. An enum is number to word: { 0: stopped }.',
  },
  'bad-path': {
    title: 'Not an ISA-95 path',
    meaning: 'The path says where the machine stands: enterprise/site/area/line, or a cell below the line.',
    cause: 'A slash at the beginning or end, an empty level, or characters that topics cannot hold.',
    cure: 'Write candyco/leeds/kitchen/line-1.',
  },
  'conflicting-keys': {
    title: 'Two keys that exclude each other',
    meaning: 'Both say what the raw number means, and they cannot both be right.',
    cause: 'A key was added and the old one left.',
    cure: 'Keep one.',
  },
  'not-in-this-version': {
    title: 'Known, but not in this version',
    meaning: 'The mapping language has this word, this version of Dragoman does not understand it yet. It is refused rather than ignored.',
    cause: 'The mapping was written for a later version.',
    cure: 'Remove it, or use a later version.',
  },
  'no-points': {
    title: 'No points',
    meaning: 'A machine without points says nothing.',
    cause: 'The points were commented out.',
    cure: 'Write at least one point, or remove the file.',
  },
  // time
  duration: {
    title: 'Not a duration',
    meaning: 'Durations are a number and a unit: ms, s, m, h, d.',
    cause: 'The unit is missing, or is written out.',
    cure: 'Write 500ms, 2s, 5m, 1h.',
    example: 'every: 5     # every: 5s',
  },
  'negative-duration': {
    title: 'A negative duration',
    meaning: 'Time runs forward only.',
    cause: 'A typing error.',
    cure: 'Remove the sign.',
  },
  'absurd-duration': {
    title: 'A duration that cannot be meant',
    meaning: 'It is far shorter than any protocol can do, or so long that it would never happen.',
    cause: 'The wrong unit: ms for s, d for m.',
    cure: 'Correct the unit; the message names the limit.',
  },
  'stale-too-soon': {
    title: 'Stale before the next sample',
    meaning:
      'A point is bad when no sample came within `staleAfter`. If that is not longer than `every`, it is bad between any two samples.',
    cause: '`every` was made longer and `staleAfter` forgotten.',
    cure: 'Write three times `every`, or leave it out.',
    example: 'every: 5s, staleAfter: 2s     # staleAfter: 15s',
  },
  'heartbeat-too-often': {
    title: 'A heartbeat between two samples',
    meaning: '`atLeastEvery` is shorter than `every`: there is nothing new to report in between.',
    cause: 'The two were mixed up.',
    cure: 'Make `atLeastEvery` longer; it is for values that rarely change.',
  },
  // meaning
  'scale-misplaced': {
    title: 'A scale on something that is no number',
    meaning:
      '`scale`, `offset` and unit conversion are for numbers, never for bits, enums and text. (From `defaults` they are left out there in silence.)',
    cause: 'A line was copied from a number.',
    cure: 'Remove it.',
    example: 'state: { at: holding 110, enum: { 0: stopped }, scale: 0.1 }',
  },
  'scale-zero': {
    title: 'A scale of 0',
    meaning: 'Every raw value would become the same.',
    cause: 'A placeholder was never filled.',
    cure: 'Write the factor that the manual gives.',
  },
  'numbers-only': {
    title: 'Only numbers have this',
    meaning: '`range`, `deadband`, `round` and bounds of `write` compare numbers; a unit belongs to a number.',
    cause: 'A line was copied from a number.',
    cure: 'Remove it.',
  },
  'bits-misplaced': {
    title: 'Bits of something that is no whole number',
    meaning: '`bit` and `bits` look into a whole number. A float, a text or a single bit has none to look at.',
    cause: 'The type is missing or wrong.',
    cure: 'Give the point an integer type, or remove the key.',
  },
  'bit-outside-type': {
    title: 'A bit that the type does not have',
    meaning: 'Bits are counted from 0, the lowest. uint16 has the bits 0 to 15.',
    cause: 'The manual counts from 1, or the type is too narrow.',
    cure: 'Subtract one, or widen the type.',
  },
  'enum-misplaced': {
    title: 'Words for something that is no whole number',
    meaning: '`enum` gives words to whole numbers.',
    cause: 'The type is missing or wrong.',
    cure: 'Give the point an integer type, or remove `enum`.',
  },
  'enum-outside-type': {
    title: 'A word for a number that never comes',
    meaning: 'The type, or the field of bits, cannot hold this number.',
    cause: 'A typing error, a signed type for an unsigned number, or numbers of the whole word beside `bits`.',
    cure: 'Correct the number or the type. With `bits` the numbers are those of the field alone.',
  },
  'invalid-outside-type': {
    title: 'An invalid value that never comes',
    meaning:
      '`invalid` lists raw values that mean "no value". This one cannot be held by the type, so it would never be recognised and the dead value would leave as a real one.',
    cause: '0xFFFF beside a signed type: as int16 these bits are -1.',
    cure: 'Take the proposed number, or correct the type.',
    example: 'type: int16, invalid: [0xFFFF]     # invalid: [-1]',
  },
  'range-order': {
    title: 'Lowest above highest',
    meaning: 'The two ends stand the wrong way round; every value would be outside.',
    cause: 'They were mixed up.',
    cure: 'Swap them.',
    example: 'range: [180, 0]     # [0, 180]',
  },
  'deadband-without-range': {
    title: 'Percent of nothing',
    meaning: 'A deadband in percent is a part of `range`, and there is none.',
    cause: '`range` is missing or misspelt.',
    cure: 'Add `range`, or write the deadband in the unit of the value.',
  },
  'deadband-too-wide': {
    title: 'A deadband as wide as the range',
    meaning: 'Hardly any change would be reported.',
    cause: 'A decimal point is missing, or percent was meant.',
    cure: 'Write a part of the range.',
  },
  'unknown-unit': {
    title: 'Not a UCUM unit',
    meaning:
      'Units are UCUM codes (ucum.org), case-sensitive, so that machines understand them too: Cel, kW.h, m3/h, {rot}/min. Codes in brackets or braces and "%" need quotes in YAML.',
    cause: 'A unit as people write it: °C, kWh, rpm, psi.',
    cure: 'Take the proposed code. What has no code stands in braces: "{bottle}/min".',
    example: 'unit: kWh     # kW.h',
  },
  'doubtful-unit': {
    title: 'A unit that is probably not meant',
    meaning: 'The code is valid, but means something rare: C is coulomb, F is farad.',
    cause: 'Degrees Celsius or Fahrenheit were meant.',
    cure: 'Write Cel or "[degF]".',
  },
  'unit-mismatch': {
    title: 'Units of different things',
    meaning: '`unit: { from, to }` converts between units of one dimension only.',
    cause: 'Power and energy, or mass and force were mixed up.',
    cure: 'Check both codes; if a factor of the machine is meant, write `scale`.',
  },
  // writing
  'write-default': {
    title: 'Writing allowed by default',
    meaning: '`write` in `defaults` makes every point of the machine writable. Dragoman is read-only unless a point says otherwise.',
    cause: 'It was meant for one point.',
    cure: 'Write it at the points that may be written.',
  },
  'write-never-passes': {
    title: 'A guard that nothing can pass',
    meaning: 'No value satisfies the bounds, fits the raw type and lies in the range; or no step is small enough.',
    cause: 'Bounds in raw numbers rather than in the unit that leaves, or ends the wrong way round.',
    cure: 'Write the bounds in the unit that leaves.',
    example: 'type: int16, scale: 0.1, write: { min: 5000 }     # int16 × 0.1 ends at 3276.7',
  },
  'write-outside-type': {
    title: 'A bound beyond the type',
    meaning: 'Part of what may be written cannot be held by the raw type; writing it will be refused.',
    cause: 'A bound in raw numbers, or one that is only meant as "no limit".',
    cure: 'Write a bound that fits.',
  },
  'write-on-bits': {
    title: 'Writing a part of a number',
    meaning: 'A point with `bit` or `bits` is a part of a raw number; writing it would need to read the rest and race with the machine.',
    cause: 'A status word was taken for a command word.',
    cure: 'Write the whole number by a point of its own, or the coil or command word that the manual names.',
  },
  // expressions
  'expression-syntax': {
    title: 'An expression that cannot be read',
    meaning:
      'Conditions compare points with numbers, texts and each other: `>`, `>=`, `<`, `<=`, `==`, `!=`, `in ["a", "b"]`, joined by `and`, `or`, `not`, with brackets. `+ - * / %`, `min`, `max`, `abs` and `round` calculate.',
    cause: 'A bracket or quote that is not closed, one = in place of two, or a function of another language.',
    cure: 'Correct it at the place that the message shows.',
    example: 'onlyWhen: state = "running"     # state == "running"',
  },
  'expression-type': {
    title: 'An expression compares or calculates what does not go together',
    meaning:
      'A number and a text are never equal, a text is not larger than another, and a condition is true or false. What could only ever be unknown is refused.',
    cause:
      'Quotes around a number, none around a text, a point that shows words where its number was meant, or a condition that is only a number.',
    cure: 'Compare with what the point shows: `dragoman read` tells. A number as a condition needs a comparison: `pressure > 0`.',
    example: 'onlyWhen: jacket_temperature < "80"     # jacket_temperature < 80',
  },
  'expression-word': {
    title: 'A word that the point never shows',
    meaning: 'The point has words (`enum`, named bits), and this is none of them: the condition would never be met.',
    cause: 'A typing error, or the enum was changed.',
    cure: 'Take the proposed word, or add it to the enum.',
    example: 'onlyWhen: state == "runing"     # running',
  },
  'expression-size': {
    title: 'An expression that is too long',
    meaning: 'A condition has at most 1000 characters and 200 parts, brackets nest at most about 20 deep.',
    cause: 'Something that belongs into the machine was written as a condition.',
    cure: 'Shorten it; `in [..]` replaces a row of comparisons.',
  },
  // samples
  'sample-failed': {
    title: 'A sample does not come out as expected',
    meaning:
      'The raw values of the sample went through the codec and the conversion, step by step as shown, and something else came out. The mapping is refused: it would give wrong data.',
    cause:
      'Byte order, type, address, scale or unit differ from what the manual says; or the expectation has a typing error. A plain value also expects good quality.',
    cure: 'Follow the steps; the first one that surprises is the cause.',
  },
  'unknown-point': {
    title: 'A name of a point that is not there',
    meaning:
      'Each key of `expect`, each name in a group of `telemetry` and each name in an expression is a point of this machine; a name with * covers at least one. In an expression, a text stands in quotes.',
    cause: 'The point was renamed, or its name is misspelt.',
    cure: 'Take the proposed name.',
  },
  'in-two-messages': {
    title: 'A point is in two messages',
    meaning: 'Each reading leaves once, in one message. A name written out is nearer than one with *; here two are equally near.',
    cause: 'Two patterns that cover the same name.',
    cure: 'Name the point itself in the message that is meant.',
    example:
      'telemetry:\n  process: { points: ["motor_*"] }\n  alarms: { points: ["*_overload"], priority: alarm }   # add motor_overload here',
  },
  'placeholder-in-both': {
    title: 'A placeholder names the machine and the point',
    meaning:
      'What fills a placeholder either tells machines apart, in equipment or path, or it tells points apart, in the name of a point.',
    cause: 'The name of the machine was repeated in the name of the point.',
    cure: 'Leave it out of one of the two.',
    example: 'equipment: press-{id}\npoints: { "{id}_{metric}": { topic: "plant/{id}/{metric}" } }   # "{metric}"',
  },
  'unused-placeholder': {
    title: 'A placeholder that names nothing',
    meaning:
      'A name in braces in the topic tells machines or points apart. One that stands neither in equipment or path nor in the name of the point mixes the values of all.',
    cause: 'The machine or the point was given a plain name, or the placeholder was meant as a wildcard.',
    cure: 'Put it into the id, path or point name; write + in the topic for a level that does not matter.',
    example: 'equipment: press-{id}                       # not: press\npoints: { speed: { topic: "plant/{id}/speed" } }',
  },
  'unknown-placeholder': {
    title: 'A placeholder that nothing fills',
    meaning: 'A name in braces is filled by the part of the topic that has the same name in braces.',
    cause: 'The placeholder is misspelt, or the topic has none of this name.',
    cure: 'Write the same name in the topic and in the id, path or point name.',
    example: 'equipment: press-{id}\nconnection: { adapter: mqtt, url: "mqtt://10.0.0.5", topic: "plant/{id}/state" }',
  },
};
