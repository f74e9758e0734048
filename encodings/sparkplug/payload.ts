/** The Sparkplug B payload, both ways: what hub clients, adapters and the encoding use. Topics, births and sequence numbers are theirs. */
export { type Datatype, type DatatypeName, datatypeName, datatypes } from './datatype.ts';
export { decodePayload } from './decode.ts';
export { type EncodePayloadOptions, encodeMetric, encodePayload } from './encode.ts';
export {
  type ArrayElement,
  type DataSet,
  type MetaData,
  type Metric,
  type MetricValue,
  type PropertySet,
  type PropertyValue,
  type SparkplugPayload,
  SparkplugPayloadError,
  type Template,
  type TemplateParameter,
} from './message.ts';
export { datatypeOf, type MetricOptions, metricOf, metricOfLatest, metricValue } from './metric.ts';
export { typedValue, ValueMismatch } from './value.ts';
