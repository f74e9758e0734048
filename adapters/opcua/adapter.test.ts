import { adapterContract } from '../../test/contract/adapter.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { opcua } from './adapter.ts';
import { startSimulator } from './simulator.ts';
import { pointsAt, settingsFor } from './testcases/points.ts';

// One key pair for all servers of this file: making one takes a while.
const folder = tempFolder();

adapterContract(opcua, async () => {
  const port = await freePort();
  const simulator = await startSimulator({
    port,
    folder: folder.path,
    namespace: 'http://candyco/mixer',
    secure: false,
    variables: [
      { id: 'Mixer.Speed', type: 'Double', value: 12.5 },
      { id: 'Mixer.Torque', type: 'Float', value: 231.7 },
      { id: 'Mixer.BatchId', type: 'UInt64', value: 1_311_768_468_603_649_775n },
    ],
  });
  const [speed, torque, batch, missing] = pointsAt(
    {
      speed: 'nsu=http://candyco/mixer;s=Mixer.Speed',
      torque: '/Mixer/Torque',
      batch: 'nsu=http://candyco/mixer;s=Mixer.BatchId',
      missing: '/Mixer/Nothing',
    },
    100,
  );
  return {
    settings: settingsFor(`opc.tcp://127.0.0.1:${port}`),
    points: [speed!, torque!, batch!],
    values: { speed: 12.5, torque: 231.7, batch: 1_311_768_468_603_649_775n },
    refused: missing!,
    change: async () => {
      simulator.set('Mixer.Speed', 96.25);
      return 96.25;
    },
    cutLink: async () => {
      await simulator[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: async () => {
      await simulator[Symbol.asyncDispose]();
    },
  };
});
