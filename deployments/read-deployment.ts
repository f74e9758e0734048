import { readFile } from 'node:fs/promises';
import { text as allOf } from 'node:stream/consumers';
import { GatewayError } from '../model/error.ts';
import type { Problem } from '../model/problem.ts';
import type { Manifest } from './contract.ts';
import { fromKubernetes, type Target } from './kubernetes/from-kubernetes.ts';
import { readManifestText } from './manifest/read-text.ts';

export interface ReadDeployment {
  /** Undefined when there are errors. */
  readonly manifest?: Manifest;
  /** Of files of Kubernetes, which say for whom they are. */
  readonly target?: Target;
  readonly problems: readonly Problem[];
}

/** A deployment of this many characters is none. */
const mostCharacters = 4_000_000;

/**
 * Reads a deployment from a file: a manifest of IoT Edge (JSON), or Deployment and ConfigMaps of Kubernetes (.yaml, .yml). Of standard input (`-`), where
 * there is no name, what begins with a brace is JSON. Rejects when there is none.
 */
export async function readDeployment(name: string): Promise<ReadDeployment> {
  const piped = name === '-';
  const file = piped ? 'standard input' : name;
  const text = await (piped ? allOf(process.stdin) : readFile(name, 'utf8')).catch((error: NodeJS.ErrnoException) => {
    const message = error.code === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read: ${error.message}`;
    const hint = 'give the path of a deployment manifest (JSON) or of a Deployment of Kubernetes (YAML)';
    throw new GatewayError('deployment-missing', message, { retry: 'after-fix', hint });
  });
  if (text.length > mostCharacters)
    throw new GatewayError('deployment-too-large', `${file} has ${text.length} characters; a deployment has some thousand`, {
      retry: 'after-fix',
    });
  const isYaml = piped ? !/^\s*\{/.test(text) : /\.ya?ml$/i.test(file);
  return isYaml ? fromKubernetes(file, text) : readManifestText(file, text);
}
