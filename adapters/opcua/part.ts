import type { ValueType } from '../../model/value.ts';
import type { OpcuaAddress } from './address.ts';
import { valueTypeOf } from './built-in-types.ts';
import { compileSlicer } from './index-range.ts';
import { type Decoded, decodeField, decodeVariant, type FieldValue, type NodeIdWriter, type VariantShape } from './values.ts';

/** What was taken; `value` as the codec gives it, or `outside`. */
export interface Taken {
  readonly value: Decoded | typeof outside;
  readonly type: ValueType | undefined;
}

export interface Part {
  /** For messages: what is taken. */
  readonly what: string;
  /** True when the structure's type must be known first. */
  readonly structured: boolean;
  take(
    variant: VariantShape,
    writeNodeId: NodeIdWriter,
  ): { readonly value: Decoded | typeof outside; readonly type: ValueType | undefined };
}

/** The index lies beyond the end of the array. */
export const outside: unique symbol = Symbol('outside');

/** For points that take a part of what the server sends: a field, elements of an array, or both. All others pass on the fast path. */
export function compilePart({ field, index }: Pick<OpcuaAddress, 'field' | 'index'>): Part | undefined {
  if (field === undefined && index === undefined) return undefined;
  const slice = index === undefined ? undefined : compileSlicer(index);
  return {
    what: [...(field === undefined ? [] : [`field ${field}`]), ...(index === undefined ? [] : [`index ${index}`])].join(', '),
    structured: field !== undefined,
    take(variant, writeNodeId): Taken {
      const whole: FieldValue =
        field === undefined
          ? { value: decodeVariant(variant, writeNodeId), type: valueTypeOf[variant.dataType] }
          : decodeField(variant.value, field, writeNodeId);
      const { value, type } = whole;
      if (slice === undefined || value === undefined || typeof value === 'symbol') return whole;
      if (!Array.isArray(value)) return { value: outside, type };
      const dimensions = field === undefined ? (variant.dimensions ?? undefined) : undefined;
      const taken = slice(value, dimensions);
      return { value: taken ?? outside, type };
    },
  };
}
