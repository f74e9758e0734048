import type { GapEvent, HubEvent, Priority, TelemetryEvent } from '../model/telemetry.ts';
import type { EncodingContext, MessageSubject } from './contract.ts';
import { plantIndex } from './plant-index.ts';

export function isTelemetry(event: HubEvent): event is TelemetryEvent {
  return event.type === 'dragoman.telemetry.v1';
}

export function isGap(event: HubEvent): event is GapEvent {
  return event.type === 'dragoman.gap.v1';
}

/** What an event is about; of a type that is not known here (`dragoman.audit.v1`) its name and the machine, or the gateway. */
export function subjectOf(event: HubEvent, context: EncodingContext): MessageSubject {
  if (isTelemetry(event)) return telemetrySubject(event);
  if (isGap(event)) return gapSubject(event, context);
  const {
    subject,
    type,
    priority = 'telemetry',
  } = event as { readonly subject: string; readonly type: string; readonly priority?: Priority };
  const path = subject === context.gateway ? gatewayPath(context) : (plantIndex(context.plant).machine(subject)?.path ?? '');
  return { equipment: subject, path, message: /^dragoman\.([a-z][a-z-]*)\.v\d+$/.exec(type)?.[1] ?? 'event', priority };
}

export function telemetrySubject({ data, priority = 'telemetry' }: TelemetryEvent): MessageSubject {
  return { equipment: data.equipment, path: data.path ?? '', message: data.message ?? 'telemetry', priority };
}

/** A loss that is not of one machine is about the gateway. */
export function gapSubject({ data, priority = 'telemetry' }: GapEvent, context: EncodingContext): MessageSubject {
  const { equipment, point } = data;
  const path = equipment === undefined ? gatewayPath(context) : (plantIndex(context.plant).machine(equipment)?.path ?? '');
  return { equipment: equipment ?? context.gateway, path, message: 'gap', priority, ...(point !== undefined && { point }) };
}

/** `candyco/leeds` of the source `/candyco/leeds/gw-leeds-1`. */
function gatewayPath({ source, gateway }: EncodingContext): string {
  return source
    .split('/')
    .filter(Boolean)
    .slice(0, source.endsWith(`/${gateway}`) ? -1 : undefined)
    .join('/');
}
