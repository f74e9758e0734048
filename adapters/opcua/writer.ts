import { NotConnectedError } from '../../model/error.ts';
import type { RawValue } from '../../model/value.ts';
import type { WriteResult } from '../contract.ts';
import type { OpcuaAddress } from './address.ts';
import { ua } from './built-in-types.ts';
import { withDeadline } from './deadline.ts';
import { encodeVariant, type NodeShape } from './encode-variant.ts';
import { timedOut, translateFailure } from './failures.ts';
import { AttributeIds, coerceLocalizedText, type DataType, type NodeId, type StatusCode, VariantArrayType } from './library.ts';
import type { Limits } from './limits.ts';
import { formatNodeText } from './node-text.ts';
import { readNamespaces, resolvePlaces } from './resolve.ts';
import type { ServerLink } from './server-link.ts';

interface Target extends NodeShape {
  readonly nodeId: NodeId;
}

/** Statuses after which the value may be in the machine all the same: the server itself waited in vain, or failed on the way. */
const inDoubt =
  /^(BadTimeout|BadRequestTimeout|BadCommunicationError|BadNoCommunication|BadDeviceFailure|BadUnexpectedError|BadInternalError|BadShutdown|BadServerHalted)$/;
/** The node behind an address is not what it was. */
const moved = /^(BadNodeIdUnknown|BadNodeIdInvalid|BadTypeMismatch)$/;

const hints: Readonly<Record<string, string>> = {
  BadNotWritable: 'the server offers it read-only',
  BadUserAccessDenied: 'the user of this connection may not write it; see user: in the connection',
  BadTypeMismatch: 'the server wants another type',
  BadOutOfRange: 'the server allows another range',
  BadWriteNotSupported: 'the server cannot write this',
};

/** Writes values, one attempt each; what kind of node it is, is asked once for each connection. */
export class Writer {
  readonly #link: ServerLink;
  readonly #limits: Limits;
  readonly #timeoutMs: number;
  readonly #targets = new WeakMap<OpcuaAddress, Target>();
  /** Writes that wait for their answers. */
  readonly #waiting = new Set<(lost: NotConnectedError) => void>();

  constructor(link: ServerLink, limits: Limits, timeoutMs: number) {
    this.#link = link;
    this.#limits = limits;
    this.#timeoutMs = timeoutMs;
    link.lost.then((error) => {
      for (const fail of this.#waiting) fail(error);
    });
  }

  /** As the contract of connections says. Rejects only before anything was sent. */
  async write(address: OpcuaAddress, raw: RawValue, signal: AbortSignal): Promise<WriteResult> {
    const { peer } = this.#link;
    if (address.field !== undefined || address.index !== undefined) {
      return { outcome: 'refused', reason: 'it is a part of a value, and writing it would overwrite the rest' };
    }
    const target = await this.#prepare(address, signal);
    if ('outcome' in target) return target;
    const encoded = encodeVariant(target, raw);
    if ('misfit' in encoded) return { outcome: 'refused', reason: encoded.misfit };
    const localized = target.dataType === ua.LocalizedText;
    const text = (value: unknown) => (localized ? coerceLocalizedText(value as string) : value);
    const variant = {
      dataType: target.dataType as DataType,
      arrayType: target.isArray ? VariantArrayType.Array : VariantArrayType.Scalar,
      value: Array.isArray(encoded.value) && target.isArray ? encoded.value.map(text) : text(encoded.value),
    };
    // The value alone: machines refuse a status or a time with it (BadWriteNotSupported).
    const { promise: lost, reject } = Promise.withResolvers<never>();
    this.#waiting.add(reject);
    const written = this.#link.session.write({ nodeId: target.nodeId, attributeId: AttributeIds.Value, value: { value: variant } });
    try {
      const late = (): NotConnectedError => timedOut(peer, 'did not confirm the write', this.#timeoutMs);
      const status = await withDeadline(Promise.race([written, lost]), this.#timeoutMs, late);
      if (moved.test(status.name)) this.#targets.delete(address);
      return resultOf(status, peer.where);
    } catch (error) {
      return { outcome: 'unknown', reason: translateFailure(error, peer).message };
    } finally {
      this.#waiting.delete(reject);
    }
  }

  async #prepare(address: OpcuaAddress, signal: AbortSignal): Promise<Target | WriteResult> {
    const { peer } = this.#link;
    const notSent = (why: string): NotConnectedError =>
      new NotConnectedError('opcua-not-sent', `nothing was written to ${formatNodeText(address.node)} at ${peer.where}: ${why}`, {
        retry: 'with-backoff',
      });
    if (this.#link.isLost()) throw await this.#link.lost;
    if (signal.aborted) throw notSent('it was called back');
    const known = this.#targets.get(address);
    if (known) return known;
    try {
      const late = (): NotConnectedError => timedOut(peer, 'did not answer', this.#timeoutMs);
      const target = await withDeadline(this.#lookUp(address), this.#timeoutMs, late, signal);
      if ('nodeId' in target) this.#targets.set(address, target);
      return target;
    } catch (error) {
      if (signal.aborted) throw notSent('it was called back');
      throw translateFailure(error, peer);
    }
  }

  /** Where the node is now, and what it holds. */
  async #lookUp({ node }: OpcuaAddress): Promise<Target | WriteResult> {
    const { session } = this.#link;
    const [place] = await resolvePlaces(session, [node], await readNamespaces(session), this.#limits);
    if (!place?.nodeId) return { outcome: 'refused', reason: place?.bad?.reason ?? 'the node is not there' };
    const { nodeId } = place;
    const ask = [AttributeIds.Value, AttributeIds.DataType, AttributeIds.ValueRank].map((attributeId) => ({ nodeId, attributeId }));
    const [value, dataType, rank] = await session.read(ask);
    if (dataType && !dataType.statusCode.isGood()) {
      return { outcome: 'refused', reason: `the server does not say what ${formatNodeText(node)} holds (${dataType.statusCode.name})` };
    }
    const valueRank = typeof rank?.value?.value === 'number' ? rank.value.value : -1;
    if (valueRank > 1) return { outcome: 'refused', reason: 'it is a matrix, which cannot be written' };
    const isArray = valueRank >= 0 || (valueRank < -1 && value?.value?.arrayType === VariantArrayType.Array);
    const declared = dataType?.value?.value as NodeId | undefined;
    const number = declared?.namespace === 0 && typeof declared.value === 'number' ? declared.value : 0;
    if (number > ua.Null && number < ua.ExtensionObject) return { nodeId, dataType: number, isArray };
    // An enumeration, a type of the machine's own, or any number: what it holds now says how it is carried.
    const present = value?.value?.dataType ?? ua.Null;
    return { nodeId, dataType: present === ua.Null ? await session.getBuiltInDataType(nodeId) : present, isArray };
  }
}

function resultOf(status: StatusCode, where: string): WriteResult {
  const { name } = status;
  const severity = status.value >>> 30;
  if (severity === 0) return name === 'Good' ? { outcome: 'done' } : { outcome: 'done', reason: `${where} says ${name}` };
  const hint = hints[name];
  const reason = `${where} answers ${name}${hint ? `: ${hint}` : ''}`;
  return { outcome: severity === 1 || inDoubt.test(name) ? 'unknown' : 'refused', reason };
}
