import { describe, expect, test } from 'vitest';
import type { Answer } from './answer.ts';
import { parseAnswer } from './answer.ts';
import { Requests } from './requests.ts';

const ok = (status = 200): Answer => ({ status, body: new Uint8Array(), version: undefined, retryAfterMs: undefined });

interface Wire {
  readonly name: string;
  readonly sent: string[];
}
const wire = (name: string): Wire => ({ name, sent: [] });

function asking(requests: Requests<Wire>, what: string) {
  const rids: string[] = [];
  const answer = requests.ask(what, (on, rid) => {
    on.sent.push(what);
    rids.push(rid);
  });
  // Looked at where it matters.
  answer.catch(() => {});
  return { answer, rid: () => rids.at(-1)!, rids };
}

describe('requests', () => {
  test('wait for a wire, go in order, and meet their answers in any order', async () => {
    const requests = new Requests<Wire>('The hub', 1_000);
    const [a, b] = [asking(requests, 'a'), asking(requests, 'b')];
    const one = wire('one');
    requests.resume(one);
    expect(one.sent).toEqual(['a', 'b']);
    expect(requests.answered(b.rid(), ok(204))).toBe(true);
    expect(requests.answered(a.rid(), ok(200))).toBe(true);
    expect([await a.answer, await b.answer]).toMatchObject([{ status: 200 }, { status: 204 }]);
    expect(requests.answered(a.rid(), ok())).toBe(false);
  });

  test('that were not answered go again on the next wire, before later ones; not twice on the same', async () => {
    const requests = new Requests<Wire>('The hub', 1_000);
    const [one, two] = [wire('one'), wire('two')];
    requests.resume(one);
    const [a, b, c] = [asking(requests, 'a'), asking(requests, 'b'), asking(requests, 'c')];
    requests.answered(b.rid(), ok());
    requests.resume(one);
    expect(one.sent).toEqual(['a', 'b', 'c']);
    requests.pause();
    const d = asking(requests, 'd');
    requests.resume(two);
    expect(two.sent).toEqual(['a', 'c', 'd']);
    expect(a.rids[0]).toBe(a.rids[1]);
    for (const { rid } of [a, c, d]) requests.answered(rid(), ok());
    await Promise.all([a.answer, b.answer, c.answer, d.answer]);
  });

  test('are drained when all that is on a wire was answered; what waits for one does not count', async () => {
    const requests = new Requests<Wire>('The hub', 1_000);
    requests.resume(wire('one'));
    const a = asking(requests, 'a');
    requests.pause();
    asking(requests, 'b');
    let drained = false;
    const waiting = requests.drained(1_000).then(() => {
      drained = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(drained).toBe(false);
    requests.answered(a.rid(), ok());
    await waiting;
    await requests.drained(1_000);
    requests.close(new Error('over'));
  });

  test('time out, are refused, end', async () => {
    const requests = new Requests<Wire>('The hub', 30);
    await expect(asking(requests, 'the twin').answer).rejects.toMatchObject({
      code: 'hub-no-answer',
      message: expect.stringContaining('the twin'),
    });
    const a = asking(requests, 'a');
    requests.refuse(new Error('not heard'));
    await expect(a.answer).rejects.toThrow('not heard');
    const b = asking(requests, 'b');
    requests.close(new Error('over'));
    await expect(b.answer).rejects.toThrow('over');
    await expect(asking(requests, 'c').answer).rejects.toThrow('over');
    requests.resume(wire('late'));
  });

  test('of two lives never share an id', () => {
    const ids = Array.from({ length: 50 }, () => {
      const requests = new Requests<Wire>('The hub', 1_000);
      requests.resume(wire('one'));
      const { rid, answer } = asking(requests, 'a');
      requests.close(new Error('over'));
      void answer;
      return rid();
    });
    expect(new Set(ids).size).toBe(50);
    expect(ids.every((id) => /^[\w-]+$/.test(id))).toBe(true);
  });
});

test.for([
  { rest: '200/?$rid=a', answer: { status: 200, rid: 'a', version: undefined, retryAfterMs: undefined } },
  { rest: '204/?$rid=a&$version=7', answer: { status: 204, version: 7 } },
  { rest: '202/?$rid=a&retry-after=3', answer: { status: 202, retryAfterMs: 3_000 } },
  { rest: '202/?retry-after=x&%24rid=a%2F', answer: { rid: 'a/', retryAfterMs: undefined } },
  { rest: '202/?$rid=a&retry-after=-1&$version=1.5', answer: { retryAfterMs: undefined, version: undefined } },
  { rest: '2/?$rid=a', answer: undefined },
  { rest: '200/', answer: undefined },
  { rest: '', answer: undefined },
])('answer on …/res/$rest', ({ rest, answer }) => {
  const parsed = parseAnswer(rest, new Uint8Array());
  if (answer) expect(parsed).toMatchObject(answer);
  else expect(parsed).toBeUndefined();
});
