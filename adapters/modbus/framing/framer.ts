import type { Framing } from '../settings.ts';
import { AsciiFramer } from './ascii.ts';
import type { Framer } from './framing.ts';
import { RtuFramer } from './rtu.ts';
import { TcpFramer } from './tcp.ts';

export function framerFor(framing: Framing): Framer {
  switch (framing) {
    case 'tcp':
      return new TcpFramer();
    case 'ascii':
      return new AsciiFramer();
    default:
      return new RtuFramer();
  }
}
