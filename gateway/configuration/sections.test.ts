import { expect, test, vi } from 'vitest';
import type { DesiredAnswer, RemoteConfiguration } from './remote.ts';
import { configurationApplier } from './sections.ts';

const signal = new AbortController().signal;

function remoteThat(...answers: Partial<DesiredAnswer>[]) {
  const asked: unknown[] = [];
  const apply = async (desired: unknown, version: number): Promise<DesiredAnswer> => {
    asked.push(desired);
    return { version, state: 'applied', status: 200, message: 'done', ...answers.shift() };
  };
  return { asked, remote: { apply } as unknown as RemoteConfiguration };
}

const desired = () => ({ mappings: { a: { text: 'x' } }, mappingParts: { a: {} }, settings: { batchFor: '1s' }, writes: {} });

test('a section is looked at with what belongs to it, and nothing else', async () => {
  const { asked, remote } = remoteThat();
  await configurationApplier('settings', remote, desired)(undefined, undefined, 1, signal);
  await configurationApplier('settings', remote, () => ({}))(undefined, { batchFor: '1s' }, 2, signal);
  await configurationApplier('mappingParts', remote, desired)({}, undefined, 3, signal);
  const { mappings, mappingParts, settings } = desired();
  expect(asked).toEqual([{ settings }, { settings: null }, { mappings, mappingParts }]);
});

test('the first problem stands in the answer', async () => {
  const problem = {
    file: 'a.yaml',
    line: 7,
    column: 3,
    severity: 'error',
    rule: 'unknown-value',
    message: 'no such type',
    hint: 'int16?',
  } as const;
  const { remote } = remoteThat({
    state: 'refused',
    status: 400,
    message: 'errors',
    diagnostics: { errors: 1, warnings: 0, problems: [problem] },
  });
  expect(await configurationApplier('mappings', remote, desired)({}, undefined, 1, signal)).toEqual({
    status: 'refused',
    message: 'errors: a.yaml:7:3 unknown-value: no such type; int16?',
  });
});

test('what could not be fetched is tried again by itself', async () => {
  vi.useFakeTimers();
  try {
    const { asked, remote } = remoteThat({ state: 'waiting', status: 202, retryAfterMs: 60_000 }, { state: 'applied' });
    const answers: string[] = [];
    const apply = configurationApplier('mappings', remote, desired, (_, { state }) => answers.push(state));
    expect(await apply({}, undefined, 1, signal)).toMatchObject({ status: 'waiting' });
    await vi.advanceTimersByTimeAsync(61_000);
    expect(answers).toEqual(['waiting', 'applied']);
    expect(asked).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(asked).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});
