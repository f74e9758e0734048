import type { Place } from './address.ts';
import type { DecodedBody } from './body.ts';
import type { Message, Tree } from './contract.ts';

/** What stands at a place of a message; undefined: nothing. `row` counts from 0. */
export type Fetch = (message: Message, body: DecodedBody, row: number) => Tree | undefined;

export function fetchOf(place: Place): Fetch {
  switch (place.kind) {
    case 'pointer':
      return (_message, body) => body.json!.at(place.tokens);
    case 'property':
      return (message) => message.property?.(place.name);
    case 'annotation':
      return (message) => message.annotation?.(place.name);
    case 'column':
      return (_message, { csv }, row) => {
        const column = csv!.columns?.get(place.name);
        return column === undefined ? undefined : csv!.rows[row]![column];
      };
    case 'column-number':
      return (_message, { csv }, row) => csv!.rows[row]![place.number - 1];
    case 'element':
      return (_message, { xml }) => xml!.at(place.steps, place.attribute);
    case 'whole':
      return (_message, { text }) => text;
    case 'byte':
      return () => undefined;
  }
}
