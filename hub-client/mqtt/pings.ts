import type { MqttClient } from 'mqtt';

/** Counts questions and answers, those of the keep-alive included. */
export class Pings {
  readonly #client: MqttClient;
  readonly #waiting: { readonly sent: number; readonly resolve: () => void }[] = [];
  #sent = 0;
  #answered = 0;
  #next: Promise<void> | undefined;

  constructor(client: MqttClient) {
    this.#client = client;
    client.on('packetsend', ({ cmd }) => {
      if (cmd === 'pingreq') this.#sent++;
    });
  }

  answered(): void {
    this.#answered++;
    while (this.#waiting[0] && this.#waiting[0].sent <= this.#answered) this.#waiting.shift()?.resolve();
  }

  barrier(): Promise<void> {
    if (this.#next) return this.#next;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#next = promise;
    // One question for everything that is sent in this turn of the event loop.
    setImmediate(() => {
      this.#next = undefined;
      this.#client.sendPing();
      this.#waiting.push({ sent: this.#sent, resolve });
    });
    return promise;
  }
}
