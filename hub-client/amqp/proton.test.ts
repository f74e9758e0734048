import { describe, expect, test } from 'vitest';
import { hubClientContract, hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { connect } from './client.ts';
import { amqp } from './definition.ts';
import { type PeerOptions, startProtonPeer } from './testcases/proton-peer.ts';

const proton = capability('proton');

describe.skipIf(!proton.ok)(titled('against Qpid Proton', proton), () => {
  hubClientContract(
    'amqp, Qpid Proton',
    amqp,
    async () => {
      const peer = await startProtonPeer({ maxMessage: 1_000_000 });
      return {
        files: {},
        bench: {
          settings: amqp.settings.parse({ url: `amqp://localhost:${peer.port}`, sasl: 'anonymous', address: 'q' }),
          async taken(count) {
            return peer.until(() => peer.accepted().length >= count && peer.accepted());
          },
          stall: () => peer.tell({ script: ['hold'] }),
          cut: () => peer[Symbol.asyncDispose](),
          [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
        },
      };
    },
    { 'renews its credentials without losing or reordering a message': 'a login by name has nothing to renew; see CBS below' },
  );
});
