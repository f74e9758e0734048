import { GatewayError } from '../../model/error.ts';
import { type EndpointDescription, MessageSecurityMode, SecurityPolicy, UserTokenType } from './library.ts';
import { type OpcuaSettings, type SecurityPolicyName, securityPolicies } from './settings.ts';

const policyOf = (endpoint: EndpointDescription): string => endpoint.securityPolicyUri?.split('#')[1] ?? '';
const modeOf = (endpoint: EndpointDescription): string => MessageSecurityMode[endpoint.securityMode] ?? '';

/** The endpoint that fits the settings; without a policy in them, the strongest that the server offers. Names what is offered when none fits. */
export function chooseEndpoint(offered: readonly EndpointDescription[], settings: OpcuaSettings, where: string): EndpointDescription {
  const { mode, policy } = settings.security;
  const acceptable: readonly string[] = mode === 'None' ? ['None'] : policy ? [policy] : securityPolicies;
  for (const name of acceptable) {
    const found = offered.find((each) => modeOf(each) === mode && policyOf(each) === name && isBinary(each));
    if (found) return found;
  }
  const list = [
    ...new Set(offered.filter(isBinary).map((each) => (modeOf(each) === 'None' ? 'None' : `${modeOf(each)} ${policyOf(each)}`))),
  ];
  throw new GatewayError('opcua-no-endpoint', `${where} offers no endpoint with security ${mode}${policy ? ` ${policy}` : ''}`, {
    retry: 'after-fix',
    hint:
      list.length === 0
        ? 'The server offers no endpoint at all'
        : `It offers: ${list.join(', ')}. Change security: in the connection, or enable it on the server`,
  });
}

function isBinary(endpoint: EndpointDescription): boolean {
  return /uatcp-uasc-uabinary$/.test(endpoint.transportProfileUri ?? 'uatcp-uasc-uabinary');
}

/** Refuses before a secret leaves: no fitting kind of user, or a password that would travel in the clear. */
export function checkUser(endpoint: EndpointDescription, settings: OpcuaSettings, where: string): void {
  const { user } = settings;
  const [type, name] =
    user === 'anonymous'
      ? [UserTokenType.Anonymous, 'anonymous']
      : 'name' in user
        ? [UserTokenType.UserName, 'user name']
        : [UserTokenType.Certificate, 'certificate'];
  const tokens = endpoint.userIdentityTokens ?? [];
  // The library takes the first of the kind, so that is the one to judge.
  const token = tokens.find((each) => each.tokenType === type);
  if (!token) {
    const kinds = [...new Set(tokens.map((each) => UserTokenType[each.tokenType]))].join(', ');
    throw new GatewayError('opcua-user-kind', `${where} takes no ${name} login on this endpoint`, {
      retry: 'after-fix',
      hint: kinds === '' ? 'It lists no way to log in' : `It takes: ${kinds}. Change user: in the connection`,
    });
  }
  const tokenPolicy = token.securityPolicyUri?.split('#')[1] ?? policyOf(endpoint);
  const encrypted = tokenPolicy !== 'None' && (endpoint.serverCertificate?.length ?? 0) > 0;
  if (type === UserTokenType.UserName && !encrypted && endpoint.securityMode !== MessageSecurityMode.SignAndEncrypt) {
    throw new GatewayError('opcua-password-in-clear', `the password would travel to ${where} in the clear, so it was not sent`, {
      retry: 'after-fix',
      hint: 'Use security: { mode: SignAndEncrypt }, or let the server require an encrypted user token (its policy is None now)',
    });
  }
}

export function policyUri(endpoint: EndpointDescription): SecurityPolicy {
  const name = policyOf(endpoint) as SecurityPolicyName | 'None';
  return SecurityPolicy[name];
}
