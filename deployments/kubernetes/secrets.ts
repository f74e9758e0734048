import { type Documents, type Group, isGroup, type Spot } from './documents.ts';

/** Variables of a container as a manifest has them; those that come from ConfigMaps and Secrets of the same file are looked up. */
export function environmentOf(container: Spot, documents: Documents): Group {
  const env: Record<string, { readonly value: string }> = {};
  for (const variable of container.each('env')) {
    const name = variable.at('name').text();
    const value = variableOf(variable, documents);
    if (name !== undefined && value !== undefined) env[name] = { value };
  }
  return env;
}

function variableOf(variable: Spot, documents: Documents): string | undefined {
  const from = variable.at('valueFrom');
  if (from.value === undefined) return variable.at('value').text() ?? '';
  for (const [key, spots] of [
    ['configMapKeyRef', documents.configMaps],
    ['secretKeyRef', documents.secrets],
  ] as const) {
    const reference = from.at(key);
    if (reference.value === undefined) continue;
    const [name, entry] = [reference.at('name').text() ?? '', reference.at('key').text() ?? ''];
    const spot = spots.get(name);
    const value = spot && (key === 'secretKeyRef' ? secretOf(spot, entry) : spot.at('data', entry).text());
    if (value !== undefined) return value;
    if (reference.group.optional === true) return undefined;
    const kind = key === 'secretKeyRef' ? 'Secret' : 'ConfigMap';
    reference.error(
      'reference',
      `there is no ${entry} in a ${kind} ${name} of this file`,
      'a gateway reads no cluster: put it into the file',
    );
    return undefined;
  }
  from.error('reference', `${Object.keys(from.group).join(', ')} cannot be had on a gateway`, 'configMapKeyRef and secretKeyRef can');
  return undefined;
}

function secretOf(secret: Spot, key: string): string | undefined {
  const plain = secret.at('stringData', key).text();
  if (plain !== undefined) return plain;
  const encoded = secret.at('data', key).text();
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
}

/** Logins of registries, out of the Secrets that `imagePullSecrets` names. */
export function credentialsOf(spec: Spot, documents: Documents): Group {
  const found: Record<string, unknown> = {};
  for (const reference of spec.each('imagePullSecrets')) {
    const name = reference.at('name').text() ?? '';
    const secret = documents.secrets.get(name);
    const text = secret && secretOf(secret, '.dockerconfigjson');
    const logins = text === undefined ? undefined : loginsIn(text);
    if (!logins) {
      reference.error(
        'reference',
        `there is no Secret ${name} of type kubernetes.io/dockerconfigjson in this file`,
        'put it into the file',
      );
      continue;
    }
    for (const [index, login] of logins.entries()) found[index === 0 ? name : `${name}-${index + 1}`] = login;
  }
  return found;
}

function loginsIn(text: string): Group[] | undefined {
  try {
    const { auths } = JSON.parse(text) as { auths?: Group };
    return Object.entries(auths ?? {}).map(([address, entry]) => {
      const { username, password, auth } = isGroup(entry) ? entry : {};
      const [user, ...rest] = Buffer.from(String(auth ?? ''), 'base64')
        .toString('utf8')
        .split(':');
      return { address, username: username ?? user, password: password ?? rest.join(':') };
    });
  } catch {
    return undefined;
  }
}
