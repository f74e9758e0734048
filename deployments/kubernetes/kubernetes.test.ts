import { describe, expect, test } from 'vitest';
import { read } from '../../test/support/source-files.ts';
import { readManifestText } from '../manifest/read-text.ts';
import { fromKubernetes } from './from-kubernetes.ts';
import { readQuantity } from './quantity.ts';
import { toKubernetes } from './to-kubernetes.ts';

const sample = `apiVersion: apps/v1
kind: Deployment
metadata: { name: tempsensor, labels: { line: "3" } }
spec:
  replicas: 1
  selector: { matchLabels: { app: tempsensor } }
  template:
    metadata:
      labels: { app: tempsensor }
      annotations: { isEdgeDeployment: "true", targetCondition: "tags.building='b43'", priority: "15", loggingOptions: "" }
    spec:
      containers:
        - name: tempsensor
          image: "plant:5000/sensor:1.0"
          imagePullPolicy: Always
          command: [node]
          args: [index.js, --slow]
          env:
            - { name: LEVEL, value: debug }
            - { name: SITE, valueFrom: { configMapKeyRef: { name: places, key: site } } }
            - { name: TOKEN, valueFrom: { secretKeyRef: { name: tokens, key: sensor } } }
          ports: [ { containerPort: 8080, hostPort: 18080 }, { containerPort: 5060, protocol: UDP } ]
          volumeMounts:
            - { name: data, mountPath: /data }
            - { name: config, mountPath: /config, readOnly: true }
            - { name: scratch, mountPath: /tmp }
          resources: { limits: { cpu: 500m, memory: 64Mi } }
          livenessProbe: { exec: { command: [node, health.js] }, periodSeconds: 5, failureThreshold: 2 }
          securityContext: { runAsUser: 1000, runAsGroup: 1000, readOnlyRootFilesystem: true }
      imagePullSecrets: [ { name: plant } ]
      volumes:
        - { name: data, emptyDir: {} }
        - { name: scratch, emptyDir: { medium: Memory } }
        - { name: config, hostPath: { path: /srv/sensor } }
      nodeSelector: { type: virtual-kubelet }
      tolerations: [ { key: virtual-kubelet.io/provider, operator: Equal, value: iotedge, effect: NoSchedule } ]
---
kind: ConfigMap
apiVersion: v1
metadata: { name: edgehub }
data: { desiredProperties: '{"routes":{"route":"FROM /* INTO $upstream"},"storeAndForwardConfiguration":{"timeToLiveSecs":7200}}' }
---
kind: ConfigMap
apiVersion: v1
metadata: { name: tempsensor }
data: { status: running, restartPolicy: on-unhealthy, version: "1.0", createOptions: '{"HostConfig":{"Binds":["/etc/localtime:/etc/localtime:ro"]}}', desiredProperties: '{"boo":"bah"}' }
---
kind: ConfigMap
apiVersion: v1
metadata: { name: places }
data: { site: leeds }
---
kind: Secret
apiVersion: v1
metadata: { name: tokens }
data: { sensor: ${Buffer.from('s3cret').toString('base64')} }
---
kind: Secret
apiVersion: v1
metadata: { name: plant }
type: kubernetes.io/dockerconfigjson
stringData: { .dockerconfigjson: '{"auths":{"plant:5000":{"username":"edge","password":"pw"}}}' }
`;

describe('a Deployment as a manifest', () => {
  const { manifest, target, problems } = fromKubernetes('k8s.yaml', sample);

  test('has all that a gateway can do', () => {
    expect(problems).toEqual([]);
    expect(manifest!.modules.get('tempsensor')).toEqual({
      name: 'tempsensor',
      version: '1.0',
      status: 'running',
      restartPolicy: 'on-unhealthy',
      imagePullPolicy: 'on-create',
      startupOrder: 4_294_967_295,
      env: { LEVEL: 'debug', SITE: 'leeds', TOKEN: 's3cret' },
      image: 'plant:5000/sensor:1.0',
      createOptions: {
        Entrypoint: ['node'],
        Cmd: ['index.js', '--slow'],
        ExposedPorts: { '8080/tcp': {}, '5060/udp': {} },
        Volumes: { '/data': {} },
        User: '1000:1000',
        Healthcheck: { Test: ['CMD', 'node', 'health.js'], Interval: 5e9, Timeout: 1e9, Retries: 2, StartPeriod: 0 },
        HostConfig: {
          PortBindings: { '8080/tcp': [{ HostPort: '18080' }] },
          Binds: ['/srv/sensor:/config:ro', '/etc/localtime:/etc/localtime:ro'],
          Tmpfs: { '/tmp': '' },
          NanoCpus: 500_000_000,
          Memory: 67_108_864,
          ReadonlyRootfs: true,
        },
      },
    });
    expect(manifest!.twins.get('tempsensor')).toEqual({ boo: 'bah' });
    expect(manifest!.routes).toMatchObject([{ name: 'route', route: 'FROM /* INTO $upstream' }]);
    expect([...manifest!.runtime.registryCredentials]).toEqual([['plant', { address: 'plant:5000', username: 'edge', password: 'pw' }]]);
  });

  test('says for whom it is', () => {
    expect(target).toEqual({ id: 'tempsensor', condition: "tags.building='b43'", priority: 15, labels: { line: '3' } });
  });

  test('and back again is the same', () => {
    const again = fromKubernetes('again.yaml', toKubernetes(manifest!, target!));
    expect(again.problems).toEqual([]);
    expect(again.manifest).toEqual(manifest);
    expect(again.target).toEqual(target);
  });
});

test('the manifest that comes with the project goes there and back', () => {
  const { manifest } = readManifestText('d.json', read('examples/modules/deployment.json'));
  const target = { id: 'line-3', condition: undefined, priority: 10, labels: {} };
  const again = fromKubernetes('again.yaml', toKubernetes(manifest!, target));
  expect(again.problems).toEqual([]);
  expect(again.manifest).toEqual(manifest);
});

test('names that no cluster takes are said', () => {
  const { manifest } = readManifestText('d.json', read('examples/modules/deployment.json').replaceAll('score', 'Score_1'));
  expect(manifest).toBeUndefined();
  const bent = readManifestText('d.json', read('examples/modules/deployment.json').replace('"scale": {', '"Scale_1": {'));
  expect(() => toKubernetes(bent.manifest!, { id: 'x', condition: undefined, priority: 1, labels: {} })).toThrow(
    'does not take the names Scale_1',
  );
});

describe('what cannot be carried over is said at its place', () => {
  const said = (text: string): string[] =>
    fromKubernetes('k.yaml', text).problems.map(({ line, severity, rule, message }) => `${line} ${severity} ${rule}: ${message}`);
  const pod = (container: string, spec = ''): string =>
    `kind: Pod\nmetadata: { name: p }\nspec:\n  containers:\n    - name: m\n      image: "x:1"\n${container}${spec}`;

  test.for<[string, string, string[]]>([
    ['no Deployment', 'kind: ConfigMap\nmetadata: { name: a }\n', ['1 error no-deployment: the file has no Deployment and no Pod']],
    [
      'another kind',
      `${pod('')}---\nkind: Service\nmetadata: { name: s }\n`,
      ['8 warn not-carried: a Service has no meaning for a gateway and is not carried over'],
    ],
    [
      'a key of a container',
      pod('      lifecycle: {}\n'),
      ['7 warn not-carried: lifecycle has no meaning for a gateway and is not carried over'],
    ],
    [
      'a probe by HTTP',
      pod('      livenessProbe: { httpGet: { path: /, port: 80 } }\n'),
      ['7 warn not-carried: livenessProbe is not carried over'],
    ],
    ['a quantity', pod('      resources: { limits: { memory: 64MB } }\n'), ['7 error quantity: memory: 64MB is no quantity']],
    [
      'a secret that is elsewhere',
      pod('      env:\n        - { name: A, valueFrom: { secretKeyRef: { name: s, key: k } } }\n'),
      ['8 error reference: there is no k in a Secret s of this file'],
    ],
    [
      'a volume from a ConfigMap',
      pod('      volumeMounts: [ { name: v, mountPath: /v } ]\n', '  volumes:\n    - { name: v, configMap: { name: c } }\n'),
      ['9 error volume: volume v: configMap cannot be had on a gateway'],
    ],
    ['a volume that is not there', pod('      volumeMounts: [ { name: v, mountPath: /v } ]\n'), ['7 error volume: there is no volume v']],
    [
      'a port of 0',
      pod('      ports: [ { containerPort: 0 } ]\n'),
      ['7 error port: a port has a containerPort of 1 to 65535, and a hostPort likewise where it is to be reached from outside'],
    ],
    ['an image that is none', pod('').replace('x:1', 'X 1'), ['5 error image: image: "X 1" is not the name of an image']],
  ])('%s', ([, text, wanted]) => {
    expect(said(text)).toEqual(wanted);
  });
});

test.for([
  ['500m', 0.5],
  ['1.5', 1.5],
  [2, 2],
  ['64Mi', 67_108_864],
  ['1G', 1e9],
  ['12XB', undefined],
  ['-1', undefined],
] as const)('the quantity %s', ([text, value]) => {
  expect(readQuantity(text)).toBe(value);
});
