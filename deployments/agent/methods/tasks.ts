import { randomUUID } from 'node:crypto';

/** How something that goes on in the background is doing. */
export interface TaskStatus {
  readonly status: 'NotStarted' | 'Running' | 'Completed' | 'Failed' | 'Unknown';
  readonly message: string;
  readonly correlationId: string;
}

/** Of more nobody asks any more. */
const kept = 50;

/** Uploads take longer than a caller waits; they are asked for by their correlation id. Forgotten with the process. */
export class Tasks {
  readonly #tasks = new Map<string, TaskStatus>();
  readonly #running = new Set<Promise<void>>();

  start(work: () => Promise<void>): TaskStatus {
    const correlationId = randomUUID();
    const set = (status: TaskStatus['status'], message = ''): TaskStatus => {
      const task = { status, message, correlationId };
      this.#tasks.set(correlationId, task);
      return task;
    };
    const task = set('Running');
    for (const old of [...this.#tasks.keys()].slice(0, -kept)) this.#tasks.delete(old);
    const running: Promise<void> = work()
      .then(
        () => void set('Completed'),
        (error: Error) => void set('Failed', error.message),
      )
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    return task;
  }

  status(correlationId: string): TaskStatus {
    return (
      this.#tasks.get(correlationId) ?? { status: 'Unknown', message: 'there is no such task, or the gateway was restarted', correlationId }
    );
  }

  /** Resolves when none runs. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }
}
