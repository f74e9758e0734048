import { GatewayError } from '../../model/error.ts';

/** A body that cannot be read as what the mapping says it is. The message is refused with this reason, and its points become bad. */
export class UndecodableError extends GatewayError {
  /** Byte or character of the body at which it stopped making sense, where that is known. */
  readonly offset: number | undefined;

  constructor(message: string, offset?: number, hint?: string) {
    super('undecodable', offset === undefined ? message : `${message}, at byte ${offset}`, { retry: 'never', ...(hint && { hint }) });
    this.offset = offset;
  }
}
