import { NotConnectedError } from '../../model/error.ts';

/** A session that was closed within this time of its connect was cut short. */
const shortMs = 30_000;
/** So many in a row are no accident. */
const suspicious = 3;

/**
 * Tells a broker that closes once from one that closes again and again: two clients with one id push each other out for ever, and
 * before MQTT 5 no broker says so. Without this, each would come back at once, because each connect succeeds.
 */
export class Rivals {
  /** Sessions that were cut short in a row, by broker and client id. */
  readonly #short = new Map<string, number>();

  /** The reason itself, or one that says what is going on and is retried slowly. `livedMs`: how long the session was. */
  judge(at: string, clientId: string, livedMs: number, reason: NotConnectedError): NotConnectedError {
    const key = `${clientId} ${at}`;
    const times = reason.code === 'hub-closed' && livedMs < shortMs ? (this.#short.get(key) ?? 0) + 1 : 0;
    if (times === 0) this.#short.delete(key);
    else this.#short.set(key, times);
    if (times < suspicious) return reason;
    return new NotConnectedError(
      'hub-closed',
      `The broker ${at} closed the connection of client "${clientId}" ${times} times, soon after it was up.`,
      {
        retry: 'after-fix',
        hint: 'Another client uses the same client id (a second gateway with a copied configuration), or the broker hangs up over a topic that we may not publish to. See its log; set clientId: if it is the first.',
        cause: reason,
      },
    );
  }
}
