import { expect, test } from 'vitest';
import type { PublishRequest, PublishResponse, Session } from './library.ts';
import { Publisher, type Subscriber } from './publisher.ts';

/** A session whose publish requests wait until the test answers them. */
function fakeSession() {
  const waiting: { request: PublishRequest; answer: (error: Error | null, response?: PublishResponse) => void }[] = [];
  const session = {
    publish: (request: PublishRequest, answer: (error: Error | null, response?: PublishResponse) => void) =>
      waiting.push({ request, answer }),
  };
  return { session: session as unknown as Session, waiting };
}

function message(subscriptionId: number, sequenceNumber: number, data: boolean): PublishResponse {
  return {
    subscriptionId,
    notificationMessage: { sequenceNumber, notificationData: data ? [{}] : [] },
    moreNotifications: false,
  } as unknown as PublishResponse;
}

function subscriber(): Subscriber & { readonly got: number[]; readonly failures: string[]; isFull: boolean } {
  const got: number[] = [];
  const failures: string[] = [];
  return {
    got,
    failures,
    isFull: false,
    message: (_id, { sequenceNumber }) => void got.push(sequenceNumber),
    failed: ({ message: text }) => void failures.push(text),
    full() {
      return this.isFull;
    },
  };
}

test('one request for each subscription and two more wait; data is acknowledged, a keep-alive is not', () => {
  const { session, waiting } = fakeSession();
  const publisher = new Publisher(session);
  const mine = subscriber();
  publisher.add(1, mine);
  expect(waiting).toHaveLength(3);
  waiting.shift()!.answer(null, message(1, 1, true));
  waiting.shift()!.answer(null, message(1, 2, false));
  expect(mine.got).toEqual([1, 2]);
  expect(waiting).toHaveLength(3);
  expect(waiting.map(({ request }) => request.subscriptionAcknowledgements?.map(({ sequenceNumber }) => sequenceNumber))).toEqual([
    [],
    [1],
    [],
  ]);
});

test('a consumer that is behind is not asked for more, until it caught up', () => {
  const { session, waiting } = fakeSession();
  const publisher = new Publisher(session);
  const mine = subscriber();
  publisher.add(1, mine);
  mine.isFull = true;
  while (waiting.length > 0) waiting.shift()!.answer(null, message(1, 1, true));
  expect(waiting).toHaveLength(0);
  mine.isFull = false;
  publisher.fill();
  expect(waiting).toHaveLength(3);
});

test('a server that takes few requests is sent few', () => {
  const { session, waiting } = fakeSession();
  const publisher = new Publisher(session);
  const mine = subscriber();
  publisher.add(1, mine);
  waiting.pop()!.answer(new Error('BadTooManyPublishRequests'));
  waiting.shift()!.answer(null, message(1, 1, true));
  expect(waiting).toHaveLength(2);
  expect(mine.failures).toEqual([]);
});

test('a lost session fails everyone once, a stray answer of an old subscription nobody', () => {
  const { session, waiting } = fakeSession();
  const publisher = new Publisher(session);
  const mine = subscriber();
  publisher.add(1, mine);
  publisher.add(2, mine);
  waiting.shift()!.answer(null, message(9, 1, true));
  expect(mine.got).toEqual([]);
  waiting.shift()!.answer(new Error('BadNoSubscription'));
  expect(mine.failures).toEqual([]);
  waiting.shift()!.answer(new Error('BadSessionIdInvalid'));
  expect(mine.failures).toEqual(['BadSessionIdInvalid']);
});
