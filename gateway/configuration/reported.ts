import { shortOf } from './methods.ts';
import type { State } from './snapshot.ts';
import type { ConfigurationStore } from './store.ts';

/** For `reported.configuration`: what is in force, and where it is not what the twin asked for. Keys carry no dots: a twin allows none. */
export function reportedConfiguration(store: ConfigurationStore): Record<string, unknown> {
  const { current, state } = store;
  return { ...(current && shortOf(current)), mappings: mappingsOf(state), settings: state.settings };
}

const mostFiles = 100;

function mappingsOf({ remote, asked }: State): Record<string, unknown> {
  const names = [...new Set([...Object.keys(remote), ...Object.keys(asked.files ?? {})])].toSorted().slice(0, mostFiles);
  return Object.fromEntries(
    names.map((name) => {
      const [runs, wanted] = [remote[name], asked.files?.[name]];
      // Promoted, rolled back or sent by a method since: not what the document says, and a person should see it.
      const differs = asked.files !== undefined && runs !== wanted;
      return [name.replace(/\.ya?ml$/, ''), { sha256: runs ?? 'none', ...(differs && { asked: wanted ?? 'none' }) }];
    }),
  );
}
