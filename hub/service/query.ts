import type { HubCore } from '../core/contract.ts';
import { RequestError } from '../core/request-error.ts';
import { isAggregated } from '../query/answer.ts';
import { type Query, QueryError, type Row } from '../query/language.ts';
import { ContinuationError, type Page, readPage } from '../query/page.ts';
import { parseQuery } from '../query/parser.ts';
import type { Api } from './api.ts';
import { queryOf } from './bodies.ts';

const usualPage = 100;
const longestPage = 1000;

/** `POST /devices/query`, in pages. */
export function addQueryRoute({ core, route }: Api): void {
  route('POST', '/devices/query', 'serviceConnect', ({ body, request, reply }) => {
    const text = queryOf(body);
    const { headers } = request;
    const page = pageOf(core, text, sizeOf(single(headers['x-ms-max-item-count'])), single(headers['x-ms-continuation']));
    reply.header('x-ms-item-type', page.itemType);
    if (page.continuation !== undefined) reply.header('x-ms-continuation', page.continuation);
    return page.rows;
  });
}

function pageOf(core: HubCore, text: string, size: number, continuation: string | undefined): Page & { readonly itemType: string } {
  try {
    const query = parseQuery(text);
    const source = { after: (key: string | undefined) => after(core, query, key), keyOf, grouped: isAggregated(query) };
    return { ...readPage(query, source, { text, size, continuation }), itemType: itemTypeOf(query) };
  } catch (error) {
    if (error instanceof QueryError) throw new RequestError('ArgumentInvalid', `The query cannot be read: ${error.message}`);
    if (error instanceof ContinuationError) throw new RequestError('ArgumentInvalid', error.message);
    throw error;
  }
}

/** Twins come by device, then by module: no character of an id stands before the one between them. */
const keyOf = ({ deviceId, moduleId }: Row): string => (moduleId === undefined ? `${deviceId}` : `${deviceId}\u0000${moduleId}`);

function* after(core: HubCore, { from }: Query, key: string | undefined): Generator<Row> {
  // There are no jobs yet: nothing is about to happen to any device.
  if (from === 'devices.jobs') return;
  for (const twin of core.twins.all(from === 'devices' ? 'devices' : 'modules')) {
    const row = twin as unknown as Row;
    if (key === undefined || keyOf(row) > key) yield row;
  }
}

function itemTypeOf({ columns, from }: Query): string {
  if (columns !== '*') return 'Raw';
  return from === 'devices.jobs' ? 'DeviceJob' : 'Twin';
}

function sizeOf(text: string | undefined): number {
  if (text === undefined || text === '') return usualPage;
  const size = Number(text);
  // SDKs without a wish send 0 or -1.
  if (size === 0 || size === -1) return usualPage;
  if (!Number.isInteger(size) || size < 0) {
    throw new RequestError('ArgumentInvalid', `x-ms-max-item-count is "${text}", not a whole number from 1 to ${longestPage}`);
  }
  return Math.min(size, longestPage);
}

const single = (header: string | readonly string[] | undefined): string | undefined => {
  const value = typeof header === 'string' || header === undefined ? header : header[0];
  // The Node SDK sends the text of what it does not have.
  return value === '' || value === 'null' || value === 'undefined' ? undefined : value;
};
