import { expect, test } from 'vitest';
import { resolveAddress } from './address.ts';
import { engineError, make, type Subject, statusOf } from './errors.ts';

const subject = (kind: Subject['kind']): Subject => ({ doing: 'doing it', at: 'unix:/x', kind });
const answered = (statusCode: number, text: string): Error =>
  Object.assign(new Error(`(HTTP code ${statusCode}) server error - ${text} `), { statusCode });

/** As Docker 20, 24, 28 and podman 4 say it. */
test.for<{ kind: Subject['kind']; status: number; says: string; code: string }>([
  { kind: 'image', status: 404, says: 'manifest for box.local/a:1 not found: manifest unknown: manifest unknown', code: 'image-absent' },
  { kind: 'image', status: 404, says: 'pull access denied for a, repository does not exist or may require', code: 'registry-refused' },
  {
    kind: 'image',
    status: 500,
    says: 'Head "https://box.local/v2/a/manifests/1": unauthorized: authentication required',
    code: 'registry-refused',
  },
  { kind: 'image', status: 500, says: 'Get "https://box.local/v2/": no basic auth credentials', code: 'registry-refused' },
  { kind: 'image', status: 500, says: 'toomanyrequests: You have reached your pull rate limit', code: 'registry-refused' },
  {
    kind: 'image',
    status: 500,
    says: 'Get "https://box.local/v2/": dial tcp: lookup box.local: no such host',
    code: 'registry-unreachable',
  },
  {
    kind: 'image',
    status: 500,
    says: 'Get "https://box.local/v2/": x509: certificate signed by unknown authority',
    code: 'registry-unreachable',
  },
  { kind: 'image', status: 500, says: 'http: server gave HTTP response to HTTPS client', code: 'registry-unreachable' },
  { kind: 'image', status: 500, says: 'write /var/lib/docker/tmp/x: no space left on device', code: 'engine-disk-full' },
  { kind: 'image', status: 409, says: 'conflict: unable to delete 1 (cannot be forced) - image is being used', code: 'engine-conflict' },
  { kind: 'container', status: 409, says: 'Conflict. The container name "/a" is already in use', code: 'engine-conflict' },
  { kind: 'container', status: 500, says: 'Bind for 0.0.0.0:80 failed: port is already allocated', code: 'port-taken' },
  { kind: 'container', status: 500, says: 'failed to bind host port for 0.0.0.0:80: address already in use', code: 'port-taken' },
  { kind: 'container', status: 500, says: 'rootlessport listen tcp 0.0.0.0:80: bind: address already in use', code: 'port-taken' },
  { kind: 'container', status: 404, says: 'No such image: a:1', code: 'image-absent' },
  {
    kind: 'container',
    status: 500,
    says: 'container create: creating container storage: the container name "a" is already in use by 39. You have to remove that container',
    code: 'engine-conflict',
  },
  { kind: 'container', status: 500, says: 'network name n1 already used: network already exists', code: 'engine-conflict' },
  {
    kind: 'image',
    status: 500,
    says: 'unable to delete image "a" by ID with more than one tag: please force removal',
    code: 'engine-conflict',
  },
  { kind: 'image', status: 404, says: 'failed to find image a:1: docker.io/library/a:1: No such image', code: 'image-absent' },
  { kind: 'container', status: 404, says: 'network plant not found', code: 'container-refused' },
  { kind: 'container', status: 500, says: 'OCI runtime create failed: exec: "x": permission denied', code: 'container-refused' },
  // Words of a registry in what has none.
  { kind: 'container', status: 500, says: 'error mounting: denied: forbidden', code: 'container-refused' },
  { kind: 'engine', status: 500, says: 'something broke', code: 'engine-error' },
])('$code: $says', ({ kind, status, says, code }) => {
  const error = engineError(answered(status, says), subject(kind));
  expect(error).toMatchObject({ code, message: `doing it: ${says}` });
  expect(error.hint).toBeTruthy();
  expect(statusOf(error)).toBe(status);
});

test.for([
  { says: 'x509: certificate signed by unknown authority', docker: '/etc/docker/certs.d', podman: '/etc/containers/certs.d' },
  { says: 'http: server gave HTTP response to HTTPS client', docker: 'daemon.json', podman: 'registries.conf' },
  { says: 'no space left on device', docker: 'docker system df', podman: 'podman system df' },
])('what to do fits the engine: $says', ({ says, docker, podman }) => {
  expect(engineError(answered(500, says), subject('image')).hint).toContain(docker);
  expect(engineError(answered(500, says), { ...subject('image'), podman: true }).hint).toContain(podman);
});

test.for([
  { code: 'EACCES', means: 'engine-forbidden' },
  { code: 'ENOENT', means: 'engine-absent' },
  { code: 'ECONNREFUSED', means: 'engine-absent' },
  { code: 'ECONNRESET', means: 'engine-absent' },
  { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', means: 'engine-absent' },
])('a connection that ends with $code: $means', ({ code, means }) => {
  const error = engineError(Object.assign(new Error('x'), { code }), subject('image'));
  expect(error).toMatchObject({ code: means, message: expect.stringContaining('unix:/x') });
});

test('an error of ours stays what it is; a page of text is cut', () => {
  const ours = make('port-taken', 'x');
  expect(engineError(ours, subject('engine'))).toBe(ours);
  expect(engineError(answered(500, 'y'.repeat(5_000)), subject('engine')).message.length).toBeLessThan(600);
});

test.for([
  { url: 'unix:///run/x.sock', environment: {}, address: { at: 'unix:/run/x.sock', socketPath: '/run/x.sock' } },
  { url: '/run/x.sock', environment: {}, address: { at: 'unix:/run/x.sock', socketPath: '/run/x.sock' } },
  { url: undefined, environment: { DOCKER_HOST: 'unix:///y' }, address: { at: 'unix:/y', socketPath: '/y' } },
  { url: 'tcp://127.0.0.1', environment: { DOCKER_HOST: 'unix:///y' }, address: { host: '127.0.0.1', port: 2375, tls: undefined } },
  { url: 'tcp://[::1]:1234', environment: {}, address: { host: '::1', port: 1234 } },
])('an engine at $url, $environment', ({ url, environment, address }) => {
  expect(resolveAddress({ url }, environment)).toMatchObject(address);
});

test('over a network with TLS, and never without', () => {
  const tls = { ca: 'x' };
  expect(resolveAddress({ url: 'tcp://engine.local', tls })).toMatchObject({ host: 'engine.local', port: 2376, tls });
  expect(() => resolveAddress({ url: 'tcp://engine.local' })).toThrow(/without TLS/);
  expect(() => resolveAddress({ url: 'ssh://engine.local' })).toThrow(/does not say where/);
});
