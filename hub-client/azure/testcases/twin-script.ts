import type { PeerScript, StrictPeer } from './strict-peer.ts';

export interface TwinState {
  desired: Record<string, unknown> & { $version: number };
  reported: Record<string, unknown> & { $version: number };
  /** Answer to a GET and to a PATCH; a test may take the status from here instead. */
  status: number;
  /** Whether anything is answered. */
  silent: boolean;
}

export const ridOf = (topic: string): string => /\$rid=([^&]*)/.exec(topic)?.[1] ?? '';

/** Answers GET and PATCH as IoT Hub does, from this state. */
export function serveTwin(peer: StrictPeer): TwinState {
  const state: TwinState = { desired: { $version: 1 }, reported: { $version: 1 }, status: 200, silent: false };
  const published: PeerScript['published'] = (packet, client) => {
    if (state.silent) return;
    const rid = ridOf(packet.topic);
    const refusal = { errorCode: 429001, trackingId: 'T1', message: 'slow down', timestampUtc: '2026-11-24T08:00:00Z' };
    const refuse = (): void => client.publish(`$iothub/twin/res/${state.status}/?$rid=${rid}`, JSON.stringify(refusal));
    if (packet.topic.startsWith('$iothub/twin/GET/')) {
      if (state.status !== 200) refuse();
      else client.publish(`$iothub/twin/res/200/?$rid=${rid}`, JSON.stringify({ desired: state.desired, reported: state.reported }));
    } else if (packet.topic.startsWith('$iothub/twin/PATCH/properties/reported/')) {
      if (state.status !== 200) refuse();
      else {
        state.reported = { ...state.reported, ...JSON.parse(packet.text), $version: state.reported.$version + 1 };
        client.publish(`$iothub/twin/res/204/?$rid=${rid}&$version=${state.reported.$version}`, '');
      }
    }
  };
  peer.script.published = published;
  return state;
}
