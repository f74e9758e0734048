import { describe, expect, test } from 'vitest';
import { file } from './definition.ts';
import { FileNames, nameProblems } from './file-name.ts';

describe('settings', () => {
  test('a folder is enough', () => {
    expect(file.settings.parse({ folder: './out' })).toEqual({
      folder: './out',
      name: '{gateway}-{time}-{sequence}',
      rotate: { size: 16_000_000, after: 3_600_000 },
      keep: {},
      compression: 'none',
      window: 64,
      maxMessage: 1_000_000,
    });
    expect(file.where?.(file.settings.parse({ folder: './out' }))).toBe('files in ./out');
  });

  test.for([
    { name: '{gateway}', problem: '{time} must be in it, or names would repeat themselves' },
    { name: '{time}/{gateway}', problem: 'only letters, digits and . _ - may stand around the placeholders' },
    { name: '{time}-{machine}', problem: '{machine} is not one of {gateway} {time} {sequence}' },
    { name: '.{time}', problem: 'a name that begins with a dot is hidden from most programs' },
  ])('$name: $problem', ({ name, problem }) => {
    expect(nameProblems(name)).toContain(problem);
    expect(file.settings.safeParse({ folder: 'x', name }).success).toBe(false);
  });
});

describe('names', () => {
  const at = Date.UTC(2026, 10, 24, 8, 0, 1, 250);
  test.for([
    { template: '{gateway}-{time}-{sequence}', sequence: 17, name: 'gw-1-20261124T080001Z-000017.jsonl' },
    { template: 'plant_{time}', sequence: 0, name: 'plant_20261124T080001Z.jsonl' },
    { template: '{sequence}.{time}', sequence: 1_234_567, name: '1234567.20261124T080001Z.jsonl' },
  ])('$template', ({ template, sequence, name }) => {
    const names = new FileNames(template, 'gw-1');
    expect(names.make(at, sequence, 'jsonl', 0)).toBe(name);
    expect(names.parse(name)).toEqual({ name, sequence, kind: 'jsonl', packed: false, part: false });
    const again = names.make(at, sequence, 'jsonl', 2);
    expect(names.parse(`${again}.gz.part`)).toMatchObject({ sequence, packed: true, part: true });
  });

  test('the files of others are not ours', () => {
    const names = new FileNames('{gateway}-{time}-{sequence}', 'gw-1');
    for (const name of ['gw-2-20261124T080001Z-000017.jsonl', 'gw-1-x.jsonl', 'gw-1-20261124T080001Z-000017.jsonl.tmp', 'notes.txt']) {
      expect(names.parse(name)).toBeUndefined();
    }
  });

  test('a gateway id cannot lead out of the folder', () => {
    expect(new FileNames('{gateway}-{time}', '../x').make(at, 0, 'csv', 0)).toBe('.._x-20261124T080001Z.csv');
  });
});
