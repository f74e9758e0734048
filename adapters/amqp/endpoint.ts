import type { NotConnectedError } from '../../model/error.ts';
import type { EndpointCounters } from './counters.ts';
import type { Feed } from './feed.ts';
import type { Incoming } from './inflow.ts';
import type { Shared } from './registry.ts';

/** Where messages come from: a broker that we are connected to, or the machines that connected to us. */
export interface Endpoint extends Shared {
  /** `10.20.0.5:5672`, for messages. */
  readonly where: string;
  /** Resolves when no messages can come any more, with why; never rejects. */
  readonly lost: Promise<NotConnectedError>;
  /** The messages of one address; opens the way to it at the first call. */
  feed(address: string): Feed;
  /**
   * Shows messages of one address as they come, until disposed, without keeping them: each must be settled as released.
   * `show` gets a reason in place of a message when the address is refused.
   */
  peek(address: string, show: (shown: Incoming | { readonly refused: string }) => void): AsyncDisposable;
  readonly counters: EndpointCounters;
}
