import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { observed } from './testcases/points.ts';
import { connected, observeUntil, readOne, sampleOf } from './testcases/watch.ts';

/** Servers that we did not write. */
describe("Python's http.server", () => {
  test('a file, its Last-Modified, and a file that is not there', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'status.csv');
    writeFileSync(file, 'temp,state\n21.5,running\n');
    await using server = startChild('python3', ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1', '--directory', folder.path]);
    const port = /port (\d+)/.exec(await server.line(/Serving HTTP/))![1];
    await using connection = await connected(`http://127.0.0.1:${port}`);
    const temp = observed('temp', '/status.csv', 'column:temp', { body: 'csv' });
    const batches = await observeUntil(connection, [temp], (batch) => batch.verified !== undefined);
    expect(batches.map((batch) => sampleOf(batch, 0)?.value)).toEqual([21.5, undefined]);
    expect(await readOne(connection, observed('none', '/none.csv', 'column:temp', { body: 'csv' }))).toMatchObject({
      status: 'BadNotFound',
      reason: expect.stringContaining('404 File not found'),
    });
  });

  test('an ETag, exact numbers, NaN, and a change', async () => {
    await using server = startChild('python3', [join(import.meta.dirname, 'testcases/etag_server.py')]);
    const url = `http://127.0.0.1:${/port (\d+)/.exec(await server.line(/^port/))![1]}`;
    await using connection = await connected(url);
    const points = ['count', 'exact', 'bad'].map((name) => observed(name, '/', `/${name}`));
    let changed = false;
    const batches = await observeUntil(connection, points, (batch) => {
      if (batch.verified && !changed) {
        changed = true;
        void fetch(url, { method: 'PUT', body: '{"count": 2, "exact": 3, "bad": 4}' });
      }
      return sampleOf(batch, 0)?.value === 2;
    });
    expect(Array.from(batches[0]!.values)).toEqual([1, 18446744073709551615n, Number.NaN]);
    expect(batches.filter((batch) => batch.points.length > 0)).toHaveLength(2);
    expect(connection.counters().connects).toBe(1);
  });
});
