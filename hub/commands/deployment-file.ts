import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fromKubernetes } from '../../deployments/kubernetes/from-kubernetes.ts';
import { readManifestText } from '../../deployments/manifest/read-text.ts';
import { writeManifest } from '../../deployments/manifest/write-manifest.ts';
import type { Problem } from '../../model/problem.ts';
import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import { environment } from '../deployments/check-content.ts';
import { kindOf } from '../deployments/content.ts';
import { afterFix, HubError } from '../error.ts';

/** What a file says of a deployment; what it does not say is absent. */
export interface DeploymentFile {
  /** Of the file itself, or of its name; in lower case. */
  readonly id: string;
  readonly content: TwinObject;
  readonly targetCondition?: string;
  readonly priority?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly metrics?: TwinObject;
  /** Of what is odd, not wrong. */
  readonly warnings: readonly string[];
}

/**
 * A manifest of IoT Edge, a layered one, a part of twins, or a whole configuration of Azure (JSON); Deployment and ConfigMaps (YAML).
 * Throws HubError with all that is wrong, by line and column where the file is a whole manifest.
 */
export function readDeploymentFile(file: string): DeploymentFile {
  const text = readText(file);
  const id = basename(file)
    .replace(/\.(json|ya?ml)$/i, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-');
  return /\.ya?ml$/i.test(file) ? ofKubernetes(file, text) : ofJson(file, text, id);
}

function ofKubernetes(file: string, text: string): DeploymentFile {
  const { manifest, target, problems } = fromKubernetes(file, text);
  if (!manifest || !target) throw refused(file, problems);
  const { id, condition, priority, labels } = target;
  return {
    ...{ id: id.toLowerCase(), priority, labels, content: writeManifest(manifest), warnings: problems.map(lineOf) },
    ...(condition !== undefined && { targetCondition: condition }),
  };
}

function ofJson(file: string, text: string, id: string): DeploymentFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused(file, readManifestText(file, text).problems);
  }
  const outer = isTwinObject(value) ? value : {};
  const content = isTwinObject(outer.content) ? outer.content : outer;
  const kind = kindOf(content);
  const { manifest, problems } =
    kind === 'edge' || kind === undefined ? readManifestText(file, text, { environment }) : { manifest: true, problems: [] };
  if (!manifest) throw refused(file, problems);
  const given = content === outer ? {} : outer;
  return {
    id: typeof given.id === 'string' ? given.id : id,
    content: contentOnly(content),
    warnings: problems.map(lineOf),
    ...(typeof given.targetCondition === 'string' && { targetCondition: given.targetCondition }),
    ...(typeof given.priority === 'number' && { priority: given.priority }),
    ...(isTwinObject(given.labels) && { labels: given.labels as Readonly<Record<string, string>> }),
    ...(isTwinObject(given.metrics) && { metrics: given.metrics }),
  };
}

const contentOnly = (content: TwinObject): TwinObject =>
  Object.fromEntries(Object.entries(content).filter(([key]) => ['modulesContent', 'deviceContent', 'moduleContent'].includes(key)));

function refused(file: string, problems: readonly Problem[]): HubError {
  const lines = problems.map((problem) => `\n  ${lineOf(problem)}`).join('');
  return new HubError('deployment-file', `${file} cannot be deployed:${lines}`, { retry: 'after-fix' });
}

const lineOf = ({ file, line, column, severity, message, hint }: Problem): string =>
  `${file}:${line}:${column}  ${severity}  ${message}${hint === undefined ? '' : `; ${hint}`}`;

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw afterFix(
      'file',
      `cannot read ${file}: ${(error as Error).message}`,
      'name a deployment manifest (JSON) or a Deployment of Kubernetes (YAML)',
      error,
    );
  }
}
