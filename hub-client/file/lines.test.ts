import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formOf, LineEnds, linesOf } from './lines.ts';

const lines = (text: string, contentType = 'application/json') => {
  const found = linesOf(Buffer.from(text), formOf(contentType)!);
  return found && { header: found.header && Buffer.from(found.header).toString(), text: Buffer.from(found.text).toString() };
};

describe('what a message is in a file', () => {
  test.for([
    { rule: 'one object, one line', body: '{"a":1}', text: '{"a":1}\n' },
    { rule: 'an array at the top, one line an element', body: '[{"a":1},{"b":[1,2]}]', text: '{"a":1}\n{"b":[1,2]}\n' },
    { rule: 'white space between tokens goes, within text it stays', body: ' { "a b" :\n\t" , [ " } \r\n', text: '{"a b":" , [ "}\n' },
    { rule: 'quotes and brackets within text mean nothing', body: '[{"a":"\\"]}"},{"b":"\\\\"}]', text: '{"a":"\\"]}"}\n{"b":"\\\\"}\n' },
    { rule: 'digits stay as they were written', body: '[{"v":1.0},{"v":9007199254740993}]', text: '{"v":1.0}\n{"v":9007199254740993}\n' },
    { rule: 'nothing is no line', body: '[]', text: '' },
    { rule: 'an array within is left alone', body: '{"a":[{},{}]}', text: '{"a":[{},{}]}\n' },
    {
      rule: 'batches of CloudEvents too',
      body: '[{"a":1},{"a":2}]',
      type: 'application/cloudevents-batch+json',
      text: '{"a":1}\n{"a":2}\n',
    },
    {
      rule: 'a SenML pack stays together',
      body: '[{"bn":"x"},{"n":"y"}]',
      type: 'application/senml+json',
      text: '[{"bn":"x"},{"n":"y"}]\n',
    },
    { rule: 'text as it comes, with an end', body: 'a\nb', type: 'text/plain', text: 'a\nb\n' },
    { rule: 'CSV without header as it comes', body: '1,2\r\n', type: 'text/csv; header=absent', text: '1,2\r\n' },
  ])('$rule', ({ body, type, text }) => {
    expect(lines(body, type)).toEqual({ header: undefined, text });
  });

  test('the first record of CSV with a header is the header, also with a line break in it', () => {
    expect(lines('"a\nb",c\r\n1,2\r\n', 'text/csv; charset=utf-8; header=present')).toEqual({ header: '"a\nb",c\r\n', text: '1,2\r\n' });
  });

  test.for(['{"a":1', '{"a":1}}', '[1]2', '{"a":"b}', '{"a":"b\n"}', ']'])('%s is not JSON and never becomes a line', (body) => {
    expect(lines(body)).toBeUndefined();
  });

  test.for(['application/x-protobuf', 'application/octet-stream', 'image/png', ''])('%s has no lines', (type) => {
    expect(formOf(type)).toBeUndefined();
  });

  test('any JSON comes back, whatever white space stood in it', () => {
    fc.assert(
      fc.property(fc.array(fc.json()), fc.constantFrom('', ' ', '\n\t'), (values, space) => {
        const body = `${space}[${values.map((value) => space + value + space).join(',')}]${space}`;
        const back = lines(body)!.text.split('\n').slice(0, -1);
        expect(back.map((line) => JSON.parse(line))).toEqual(values.map((value) => JSON.parse(value)));
      }),
    );
  });
});

describe('how much of a file are whole lines', () => {
  const whole = (text: string, kind: 'jsonl' | 'csv', size = 3): number => {
    const ends = new LineEnds(kind);
    const bytes = Buffer.from(text);
    for (let i = 0; i < bytes.length; i += size) ends.add(bytes.subarray(i, i + size));
    return ends.whole;
  };
  test.for([
    { rule: 'up to the last line break', text: '{}\n{"a', kind: 'jsonl' as const, bytes: 3 },
    { rule: 'all', text: '{}\n{}\n', kind: 'jsonl' as const, bytes: 6 },
    { rule: 'nothing', text: '{"a":1', kind: 'jsonl' as const, bytes: 0 },
    { rule: 'an odd number of quotes is no matter in JSON', text: '{"\\"":1}\n{"', kind: 'jsonl' as const, bytes: 9 },
    { rule: 'a line break in a cell ends no line', text: 'a,b\n1,"x\ny', kind: 'csv' as const, bytes: 4 },
    { rule: 'a cell that ended', text: 'a,b\n1,"x\ny"\n', kind: 'csv' as const, bytes: 12 },
    { rule: 'not beyond a hole', text: '{}\n\0\0\0\0\n{}\n', kind: 'jsonl' as const, bytes: 3 },
  ])('$rule', ({ text, kind, bytes }) => {
    for (const size of [1, 3, 100]) expect(whole(text, kind, size)).toBe(bytes);
  });
});
