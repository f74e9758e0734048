// @ts-check
import { connect as connectTcp } from 'node:net';
import { NotConnectedError, statuses } from 'dragoman/adapter';
import { parseAnswer } from './answer.js';

/**
 * Opens the socket, or rejects with an error that says where and what to do. The gateway tries again by itself.
 * @param {import('./index.js').ScaleSettings} settings
 * @param {import('dragoman/adapter').ConnectContext} _context
 * @param {AbortSignal} signal
 */
export async function connectScale(settings, _context, signal) {
  const where = `${settings.host}:${settings.port}`;
  const socket = connectTcp(settings.port, settings.host);
  const line = new Line(socket, where, settings.timeout);
  await new Promise((resolve, reject) => {
    const fail = (error) =>
      reject(
        new NotConnectedError('scale-not-connected', `no connection to the scale at ${where}: ${error.code ?? error.message}`, {
          retry: 'with-backoff',
          hint: 'check host, port and cable, and that no other program holds the scale',
          cause: error,
        }),
      );
    socket.once('connect', resolve).once('error', fail);
    signal.addEventListener('abort', () => fail(signal.reason), { once: true });
    setTimeout(() => fail(new Error('no answer')), settings.timeout).unref();
  }).catch((error) => {
    socket.destroy();
    throw error;
  });
  return new ScaleConnection(line);
}

/** The wire: one question at a time, one line as its answer. */
class Line {
  #socket;
  #timeoutMs;
  #text = '';
  #turn = Promise.resolve();
  /** @type {((line: string) => void) | undefined} */
  #waiting;
  #lostCallbacks = new Set();
  lost;
  counters = { requests: 0, timeouts: 0 };

  constructor(socket, where, timeoutMs) {
    this.where = where;
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.setEncoding('latin1').setNoDelay(true);
    socket.on('data', (text) => this.#receive(text));
    socket.on('error', () => {});
    socket.on('close', () => this.#lose('the scale closed the connection'));
  }

  #receive(text) {
    this.#text += text;
    // A scale that never ends its line must not fill the memory.
    if (this.#text.length > 1000) this.#lose('what it sends has no line ends');
    for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
      const line = this.#text.slice(0, end).trimEnd();
      this.#text = this.#text.slice(end + 1);
      this.#waiting?.(line);
    }
  }

  #lose(why) {
    this.lost ??= new NotConnectedError('scale-lost', `${this.where}: ${why}`, { retry: 'with-backoff', hint: 'check cable and power' });
    this.#socket.destroy();
    for (const callback of this.#lostCallbacks) callback();
  }

  onLost(callback) {
    this.#lostCallbacks.add(callback);
    return () => this.#lostCallbacks.delete(callback);
  }

  /** The answer; undefined when none came in time. Questions wait for each other. */
  ask(command) {
    const answer = this.#turn.then(() => this.#exchange(command));
    this.#turn = answer.then(
      () => {},
      () => {},
    );
    return answer;
  }

  #exchange(command) {
    return new Promise((resolve, reject) => {
      if (this.lost) return reject(this.lost);
      const done = (settle) => {
        clearTimeout(timer);
        forget();
        this.#waiting = undefined;
        settle();
      };
      const forget = this.onLost(() => done(() => reject(this.lost)));
      const timer = setTimeout(() => {
        this.counters.timeouts++;
        done(() => resolve(undefined));
        // Its answer may still come, and would be taken for that of the next question.
        this.#lose(`no answer to ${command} within ${this.#timeoutMs} ms`);
      }, this.#timeoutMs);
      this.#waiting = (line) => done(() => resolve(line));
      this.counters.requests++;
      this.#socket.write(`${command}\r\n`);
    });
  }

  close() {
    this.#socket.destroy();
  }
}

/** @implements {import('dragoman/adapter').Connection<import('./index.js').ScaleAddress>} */
class ScaleConnection {
  #line;

  constructor(line) {
    this.#line = line;
  }

  /** Each command is asked once per interval, whatever number of points wants its answer. */
  async *observe(points, signal) {
    const groups = [...Map.groupBy(points.keys(), (i) => `${points[i].everyMs} ${points[i].address.command}`).values()];
    const due = groups.map(() => performance.now());
    while (!signal.aborted) {
      const next = due.indexOf(Math.min(...due));
      await pause(due[next] - performance.now(), signal, this.#line);
      if (signal.aborted) return;
      const batch = await this.#ask(groups[next], points);
      due[next] = Math.max(due[next] + points[groups[next][0]].everyMs, performance.now());
      if (signal.aborted) return;
      // Asking for the next batch means that this one is safe.
      yield batch;
    }
  }

  async read(points) {
    const groups = [...Map.groupBy(points.keys(), (i) => points[i].address.command).values()];
    return Promise.all(groups.map((group) => this.#ask(group, points)));
  }

  /** One question, and the samples of all points that its answer concerns. */
  async #ask(group, points) {
    const command = points[group[0]].address.command;
    const line = await this.#line.ask(command);
    const silent = { state: { status: statuses.BadTimeout, reason: `${this.#line.where}: no answer to ${command}` } };
    const found = group.map((i) => (line === undefined ? silent : parseAnswer(line, points[i].address)));
    return {
      receivedMs: Date.now(),
      points: group,
      values: found.map(({ value }) => value),
      states: found.map(({ state }) => state),
    };
  }

  counters() {
    return this.#line.counters;
  }

  async [Symbol.asyncDispose]() {
    this.#line.close();
  }
}

/** Resolves in time, or when the signal aborts; throws when the line is lost meanwhile. */
function pause(ms, signal, line) {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      forget();
      signal.removeEventListener('abort', done);
      if (line.lost) reject(line.lost);
      else resolve(undefined);
    };
    const forget = line.onLost(done);
    const timer = setTimeout(done, Math.max(ms, 0));
    signal.addEventListener('abort', done);
    if (line.lost || signal.aborted) done();
  });
}
