import { GatewayError } from '../../model/error.ts';

/**
 * A Sparkplug B payload (Sparkplug 3.0 §6.4). Every field of the wire's type uint64 is a bigint:
 * times (epoch milliseconds), aliases, sequence numbers, values of Int64, UInt64 and DateTime.
 */
export interface SparkplugPayload {
  readonly timestamp?: bigint;
  readonly metrics: readonly Metric[];
  /** 0 to 255; absent in NDEATH, NCMD and DCMD. */
  readonly seq?: bigint;
  readonly uuid?: string;
  readonly body?: Uint8Array;
}

export interface Metric {
  /** Absent in data messages that use aliases. */
  readonly name?: string;
  readonly alias?: bigint;
  readonly timestamp?: bigint;
  /** A number of `datatypes`; data messages may leave it out, then the birth says it. */
  readonly datatype?: number;
  readonly isHistorical?: boolean;
  readonly isTransient?: boolean;
  readonly isNull?: boolean;
  readonly metadata?: MetaData;
  readonly properties?: PropertySet;
  /**
   * In the form of its datatype, see {@link MetricValue}. Without a datatype it is what the wire carried (integers unsigned, arrays as bytes):
   * `typedValue(datatypeOfTheBirth, value)` makes it right.
   */
  readonly value?: MetricValue;
  /** Only from decoding: the value is absent because it does not fit its datatype, and why. The other metrics are good. */
  readonly fault?: string;
}

/**
 * | datatype | form |
 * | --- | --- |
 * | Int8 … Int32, UInt8 … UInt32, Float, Double | number (a Float as the double that is exactly equal to it) |
 * | Int64, UInt64, DateTime (epoch milliseconds) | bigint |
 * | Boolean | boolean |
 * | String, Text, UUID | string |
 * | Bytes, File | Uint8Array |
 * | DataSet, Template | DataSet, Template |
 * | arrays (22 to 34) | array of the forms above |
 */
export type MetricValue = number | bigint | boolean | string | Uint8Array | readonly ArrayElement[] | DataSet | Template;
export type ArrayElement = number | bigint | boolean | string;

export interface PropertySet {
  readonly [key: string]: PropertyValue;
}

export interface PropertyValue {
  readonly type?: number;
  readonly isNull?: boolean;
  readonly value?: number | bigint | boolean | string | PropertySet | readonly PropertySet[];
  readonly fault?: string;
}

export interface MetaData {
  readonly isMultiPart?: boolean;
  readonly contentType?: string;
  readonly size?: bigint;
  readonly seq?: bigint;
  readonly fileName?: string;
  readonly fileType?: string;
  readonly md5?: string;
  readonly description?: string;
}

export interface DataSet {
  readonly columns: readonly string[];
  /** Datatypes of the columns, 1 to 15. */
  readonly types: readonly number[];
  /** A cell without a value is undefined. */
  readonly rows: readonly (readonly (ArrayElement | undefined)[])[];
}

export interface Template {
  readonly version?: string;
  readonly metrics: readonly Metric[];
  readonly parameters?: readonly TemplateParameter[];
  /** Name of the definition; in an instance. */
  readonly templateRef?: string;
  readonly isDefinition?: boolean;
}

export interface TemplateParameter {
  readonly name?: string;
  readonly type?: number;
  readonly value?: ArrayElement;
  readonly fault?: string;
}

/** The bytes are no Sparkplug B payload. `reason` says why, in a few words; a resend will not help. */
export class SparkplugPayloadError extends GatewayError {
  readonly reason: string;

  constructor(reason: string, cause?: unknown) {
    super('sparkplug-payload', `not a Sparkplug B payload: ${reason}`, {
      retry: 'never',
      hint: 'Look whether the topic carries Sparkplug B (spBv1.0/…) and not JSON or Sparkplug A',
      cause,
    });
    this.reason = reason;
  }
}
