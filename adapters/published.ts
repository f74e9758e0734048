/**
 * What the author of an adapter needs, and may rely on from version to version: `import { … } from 'dragoman/adapter'`.
 * Nothing here touches a network or loads a protocol library. docs/adapters.md shows how it is used.
 */
export { z } from 'zod';
export { duration } from '../mappings/keys.ts';
export type {
  AdapterLanguage,
  CompiledAddress,
  Finding,
  PlacedPoint,
  PointSource,
  RawSample,
  Report,
  ReportAt,
  SampleReport,
} from '../mappings/language.ts';
export { suggestion } from '../mappings/nearest.ts';
export type { RuleCatalogue, RuleEntry } from '../mappings/rules.ts';
export { GatewayError, NotConnectedError, type RetryAdvice } from '../model/error.ts';
export type { Appearance, Captures, Loss, SampleBatch, SampleState } from '../model/sample.ts';
export { qualityOf, type Status, statuses, statusOf } from '../model/status.ts';
export type { RawValue, Scalar, ValueType } from '../model/value.ts';
export type { Adapter, AdapterRuntime, ConnectContext, Connection, Log, ObservedPoint, SecretReference } from './contract.ts';
// Machines that send messages: JSON, text, CSV, XML and bytes, by the keys that all such adapters share.
export type { PayloadAddress } from './payload/address.ts';
export { compilePayloadPoint, type PayloadOptions } from './payload/compile.ts';
export type { BodyFormat, Message, MessageReader, MessageSamples, Tree } from './payload/contract.ts';
export { payloadPointKeys } from './payload/keys.ts';
export { messageReader } from './payload/reader.ts';
export { type GivenMessage, givenMessage, payloadSample } from './payload/sample.ts';
export { UndecodableError } from './payload/undecodable.ts';
// Machines that keep values in 16-bit registers or in bytes.
export { decoderOf } from './registers/codec.ts';
export { encodeRegisters } from './registers/encode.ts';
export { byteOrders, type ModbusType, modbusTypes, type RegisterForm, typeShape } from './registers/types.ts';
