/** What an outstanding request makes the line expect; framings without transaction ids need it to know where an answer ends. */
export interface Expected {
  readonly unitId: number;
  readonly functionCode: number;
  /** Data bytes of the good answer to a read. */
  readonly byteCount: number;
  /** The whole good answer, where the standard fixes it: that to a write. */
  readonly echo?: Uint8Array;
}

/** Where a framing delivers. All calls happen inside `push`; `bytes` is valid only during the call. */
export interface FrameSink {
  /** A whole frame whose own checks hold: the PDU is bytes[start..end). `transaction` is -1 where the framing has none. */
  frame(unitId: number, transaction: number, bytes: Uint8Array, start: number, end: number): void;
  /** Bytes that make no sense were skipped. */
  garbage(bytes: number): void;
  /** The stream cannot be trusted any more; the link must be closed. `push` returns at once. */
  broken(reason: string): void;
}

/**
 * One way to put a PDU on a wire and to find answers in what comes back. Holds the bytes of one link; `reset` forgets them.
 * Never throws, whatever arrives, and keeps at most one frame's worth of bytes.
 */
export interface Framer {
  encode(unitId: number, transaction: number, pdu: Uint8Array): Buffer;
  push(chunk: Uint8Array, expected: Expected | undefined, sink: FrameSink): void;
  /** Forgets a half-received frame; gives how many bytes that were. */
  reset(): number;
}
