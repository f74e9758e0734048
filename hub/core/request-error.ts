import { GatewayError } from '../../model/error.ts';

/** The hub says no to a request, in the words of the service: a status as in HTTP, a name and a number for the case. */
export class RequestError extends GatewayError {
  readonly status: number;
  /** `DeviceNotFound`: goes into `{"Message":"ErrorCode:DeviceNotFound;…"}`. */
  readonly errorName: string;
  /** 404001; goes into the `errorCode` of answers over MQTT. */
  readonly errorCode: number;

  constructor(kind: RequestErrorKind, message: string, cause?: unknown) {
    const { status, errorCode } = requestErrors[kind];
    super(kind, message, { retry: status >= 500 || kind === 'DeviceNotOnline' ? 'with-backoff' : 'never', cause });
    this.status = status;
    this.errorName = kind;
    this.errorCode = errorCode;
  }
}

const requestErrors = {
  ArgumentInvalid: { status: 400, errorCode: 400004 },
  InvalidConfigurationTargetCondition: { status: 400, errorCode: 400401 },
  InvalidConfigurationContent: { status: 400, errorCode: 400402 },
  CannotModifyImmutableConfigurationContent: { status: 400, errorCode: 400403 },
  InvalidConfigurationCustomMetricsQuery: { status: 400, errorCode: 400404 },
  DeviceNotFound: { status: 404, errorCode: 404001 },
  ModuleNotFound: { status: 404, errorCode: 404010 },
  ConfigurationNotFound: { status: 404, errorCode: 404301 },
  DeviceNotOnline: { status: 404, errorCode: 404103 },
  DeviceMaximumQueueDepthExceeded: { status: 403, errorCode: 403004 },
  DeviceAlreadyExists: { status: 409, errorCode: 409001 },
  ModuleAlreadyExistsOnDevice: { status: 409, errorCode: 409301 },
  ConfigurationAlreadyExists: { status: 409, errorCode: 409401 },
  /** What is asked does not go with what a configuration or a rollout is doing. */
  ConfigurationConflict: { status: 409, errorCode: 409402 },
  PreconditionFailed: { status: 412, errorCode: 412002 },
  MessageTooLarge: { status: 413, errorCode: 413001 },
  ServerError: { status: 500, errorCode: 500001 },
  BadDeviceResponse: { status: 502, errorCode: 502001 },
  ServiceUnavailable: { status: 503, errorCode: 503001 },
  GatewayTimeout: { status: 504, errorCode: 504101 },
} as const;

export type RequestErrorKind = keyof typeof requestErrors;
