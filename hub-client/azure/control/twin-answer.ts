import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import type { HubTwin } from '../../contract.ts';
import { type Answer, errorText, isObject, parseJson } from '../answer.ts';
import { deepest, isDeeper } from './depth.ts';
import type { Section } from './desired.ts';

/** Reads the answer to a GET. Throws what `twinFailure` makes of another, NotConnectedError `hub-twin` when it cannot be read. */
export function twinOf(answer: Answer, at: string): HubTwin {
  if (answer.status !== 200) throw twinFailure('a request for the twin', answer, at);
  const twin = parseJson(Buffer.from(answer.body).toString('utf8'));
  if (isObject(twin) && isSection(twin.desired) && isSection(twin.reported) && !isDeeper(twin, deepest))
    return { desired: bare(twin.desired), reported: bare(twin.reported) };
  throw new NotConnectedError(
    'hub-twin',
    `The hub ${at} answered a request for the twin with ${answer.body.length} bytes that are no twin.`,
    {
      retry: 'with-backoff',
    },
  );
}

/** An answer other than success. NotConnectedError where the same may succeed later, else GatewayError `never`. */
export function twinFailure(what: string, answer: Answer, at: string): GatewayError {
  const { text } = errorText(answer.body);
  const says = `${answer.status}${text === '' ? '' : `: ${text}`}`;
  const retry = 'with-backoff';
  if (answer.status === 429)
    return new NotConnectedError('hub-throttled', `The hub ${at} throttles ${what} (${says}).`, {
      retry,
      hint: 'IoT Hub allows 50 twin updates and 100 reads a second for a unit of S1.',
    });
  if (answer.status >= 500 || answer.status === 408)
    return new NotConnectedError('hub-unavailable', `The hub ${at} cannot deal with ${what} now (${says}).`, { retry });
  if (answer.status < 300) return new NotConnectedError('hub-twin', `The hub ${at} answered ${what} without a version.`, { retry });
  return new GatewayError('hub-twin-refused', `The hub ${at} refused ${what} (${says}).`, {
    retry: 'never',
    hint: 'IoT Hub takes 32 KB of reported properties, 10 levels deep, no dots, dollar signs or spaces in names, no text over 4 KB.',
  });
}

const isSection = (value: unknown): value is Section => isObject(value) && Number.isSafeInteger(value.$version);

/** Without `$metadata`, which some hubs send. */
function bare({ $metadata: _, ...section }: Section & { readonly $metadata?: unknown }): Section {
  return section;
}
