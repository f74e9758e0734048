// The one door to node-opcua: everything else in this folder imports it from here or as types only.
import {
  type ClientSession,
  type ClientSessionPublishService,
  type ClientSessionRawSubscriptionService,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
} from 'node-opcua-client';

// The library prints to the console by itself. What matters comes back as an error, and we translate that.
setDebugLogger(() => {});
setWarningLogger(() => {});
setErrorLogger(() => {});

/** A session with the plain services, which the library has and does not show at first. */
export type Session = ClientSession & ClientSessionRawSubscriptionService & ClientSessionPublishService;

export {
  AttributeIds,
  BrowsePath,
  coerceLocalizedText,
  crypto_utils as cryptography,
  DataChangeFilter,
  DataChangeTrigger,
  type DataType,
  type DataValue,
  type EndpointDescription,
  MessageSecurityMode,
  MonitoringMode,
  type NodeId,
  type NotificationMessage,
  OPCUAClient,
  type OPCUAClientOptions,
  PublishRequest,
  type PublishResponse,
  promoteOpaqueStructure,
  type ReadValueIdOptions,
  resolveNodeId,
  SecurityPolicy,
  type StatusCode,
  StatusCodes,
  TimestampsToReturn,
  type UserIdentityInfo,
  UserTokenType,
  VariantArrayType,
} from 'node-opcua-client';
