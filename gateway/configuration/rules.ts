import type { RuleCatalogue } from '../../mappings/rules.ts';

/** What is said when mappings that were sent to a gateway meet those in its folders. */
export const rules: RuleCatalogue = {
  'remote-wins': {
    title: 'A machine comes from a local file and from one that was sent',
    meaning:
      'A hub, a method, a shadow run or a rollback put a mapping file in force, and a file in a folder of mappings: has the same equipment. The one that was sent is used; the other machines of the local file run on.',
    cause: 'A machine that was set up by hand is managed from the office now, or the other way round.',
    cure: 'Remove the machine from one of the two. `dragoman config history` says who sent the file and when; null in the desired properties takes it back.',
  },
};
