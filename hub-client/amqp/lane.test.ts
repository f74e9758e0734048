import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { hubMessage } from '../../test/contract/hub-client.ts';
import { packed } from '../delivery/compression.ts';
import { Lane } from './lane.ts';
import type { Outcome } from './outcome.ts';
import type { SenderLink } from './sender-link.ts';

/** A link without a wire. */
class FakeLink implements SenderLink {
  maxMessageBytes: number | undefined = undefined;
  onCredit: (() => void) | undefined;
  readonly sent: string[] = [];
  readonly #lost = Promise.withResolvers<GatewayError | undefined>();
  readonly lost = this.#lost.promise;
  #granted: number;
  #endings: ((outcome: Outcome) => void)[] = [];

  constructor(credit: number) {
    this.#granted = credit;
  }

  get credit(): number {
    return this.#granted - this.sent.length;
  }

  send(message: Buffer, ended: (outcome: Outcome) => void): void {
    this.sent.push(message.toString());
    this.#endings.push(ended);
  }

  grant(credit: number): void {
    this.#granted += credit;
    this.onCredit?.();
  }

  /** Ends what is on the wire, the oldest first. */
  end(...outcomes: readonly Outcome['kind'][]): void {
    for (const kind of outcomes) this.#endings.shift()?.({ kind } as Outcome);
  }

  lose(): void {
    this.#lost.resolve(new NotConnectedError('hub-detached', 'gone', { retry: 'with-backoff' }));
  }

  close(): void {
    this.#lost.resolve(undefined);
  }
}

const setup = (links: readonly FakeLink[], window = 3) => {
  const over: Error[] = [];
  const log: [string, string][] = [];
  const write = (level: string) => (_: object, message: string) => void log.push([level, message]);
  let opened = 0;
  const lane = new Lane('q', {
    broker: { kind: 'generic', name: 'x', major: undefined },
    at: 'host:1',
    window,
    maxBodyBytes: 1_000,
    ackTimeoutMs: 60_000,
    open: async () => links[opened++] ?? Promise.reject(new NotConnectedError('hub-address', 'no more links', { retry: 'after-fix' })),
    encode: (message) => Buffer.from(message.id),
    over: (error) => over.push(error),
    overdue: () => {},
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
  });
  const send = (id: string): Promise<void> => {
    const message = hubMessage(id);
    return lane.send(message, packed(message.body, 'utf-8', 'none'));
  };
  return { lane, over, log, send };
};

/** Lets promises and next ticks run. */
const turn = (): Promise<void> => vi.advanceTimersByTimeAsync(0).then(() => {});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('credit', () => {
  test('nothing goes out without; after ten seconds it is told, once, and again when it is back', async () => {
    const link = new FakeLink(0);
    const { send, log } = setup([link]);
    const sent = Promise.all([send('a'), send('b')]);
    await turn();
    expect(link.sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(log).toEqual([]);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(log).toEqual([['warn', 'the broker grants no credit; messages wait for it']]);
    link.grant(2);
    await turn();
    expect(link.sent).toEqual(['a', 'b']);
    expect(log.at(-1)).toEqual(['info', 'the broker grants credit again']);
    link.end('accepted', 'accepted');
    await sent;
  });

  test('a short wait is nobody’s business', async () => {
    const link = new FakeLink(1);
    const { send, log } = setup([link]);
    const sent = Promise.all([send('a'), send('b')]);
    await turn();
    link.end('accepted');
    await vi.advanceTimersByTimeAsync(5_000);
    link.grant(1);
    await turn();
    link.end('accepted');
    await sent;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(log).toEqual([]);
  });
});

describe('what is given back', () => {
  test('goes again after growing pauses, in order, before anything new', async () => {
    const link = new FakeLink(100);
    const { send } = setup([link]);
    const sent = Promise.all(['a', 'b', 'c', 'd'].map(send));
    await turn();
    // The first answer alone would make room for d; what came with it says that d must wait.
    link.end('accepted', 'released', 'released');
    await vi.advanceTimersByTimeAsync(99);
    expect(link.sent).toEqual(['a', 'b', 'c']);
    await vi.advanceTimersByTimeAsync(1);
    expect(link.sent).toEqual(['a', 'b', 'c', 'b', 'c']);
    link.end('accepted', 'modified');
    await vi.advanceTimersByTimeAsync(199);
    expect(link.sent).toHaveLength(5);
    await vi.advanceTimersByTimeAsync(1);
    link.end('accepted');
    await turn();
    expect(link.sent).toEqual(['a', 'b', 'c', 'b', 'c', 'c', 'd']);
    link.end('accepted');
    await sent;
  });

  test('six times, and the session is over', async () => {
    const link = new FakeLink(100);
    const { send, over } = setup([link]);
    void send('a');
    await turn();
    for (let n = 0; n < 6; n++) {
      link.end('released');
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect(over).toMatchObject([{ code: 'hub-unroutable', retry: 'after-fix' }]);
    expect(link.sent).toHaveLength(6);
  });
});

describe('a link that is lost', () => {
  test('with nothing on the wire, it is opened for the next message', async () => {
    const links = [new FakeLink(10), new FakeLink(10)] as const;
    const { send, over } = setup(links);
    const first = send('a');
    await turn();
    links[0].end('accepted');
    await first;
    await vi.advanceTimersByTimeAsync(600_000);
    links[0].lose();
    await turn();
    const second = send('b');
    await turn();
    links[1].end('accepted');
    await second;
    expect(over).toEqual([]);
  });

  test.for([
    { rule: 'with a message on the wire', livedMs: 600_000, answered: false },
    { rule: 'right after it was opened', livedMs: 100, answered: true },
  ])('$rule, the session is over', async ({ livedMs, answered }) => {
    const link = new FakeLink(10);
    const { send, over } = setup([link]);
    const sent = send('a');
    await turn();
    if (answered) {
      link.end('accepted');
      await sent;
    }
    await vi.advanceTimersByTimeAsync(livedMs);
    link.lose();
    await turn();
    expect(over).toMatchObject([{ code: 'hub-detached' }]);
  });

  test('an address that cannot be opened ends the session, and what waits with it', async () => {
    const { send, over, lane } = setup([]);
    const sent = send('a');
    sent.catch(() => {});
    await turn();
    expect(over).toMatchObject([{ code: 'hub-address' }]);
    lane.close(over[0] as NotConnectedError);
    await expect(sent).rejects.toBeInstanceOf(NotConnectedError);
  });
});

test('a message that is larger than the link takes is refused alone', async () => {
  const link = new FakeLink(10);
  link.maxMessageBytes = 3;
  const { send } = setup([link]);
  const [large, small] = [send('abcd'), send('abc')];
  await expect(large).rejects.toBeInstanceOf(GatewayError);
  await turn();
  link.end('accepted');
  await small;
});
