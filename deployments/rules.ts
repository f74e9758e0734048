import type { RuleCatalogue } from '../mappings/rules.ts';

/** What can be wrong with a deployment before anything moves. Rules of every mapping (`unknown-key`, `wrong-type` …) are said of it too. */
export const rules = {
  'duplicate-key': {
    title: 'A part of createOptions twice',
    meaning: 'createOptions is given as one text and in parts, or one part twice; which one counts cannot be told.',
    cause: 'A manifest that two tools wrote into.',
    cure: 'Keep one of them.',
  },
  'empty-deployment': {
    title: 'There is no deployment in it',
    meaning: 'The file or the twin has no modulesContent with $edgeAgent and $edgeHub.',
    cause: 'Another JSON file, or only the inner part of a manifest.',
    cure: 'A manifest is { "modulesContent": { "$edgeAgent": { "properties.desired": … }, "$edgeHub": … } }. examples/modules/deployment.json is a whole one.',
  },
  'schema-version': {
    title: 'The schema of the manifest is another one',
    meaning: 'schemaVersion of $edgeAgent or $edgeHub is missing, or not 1.0 or 1.1. Nothing of it is guessed.',
    cause: 'A manifest of a newer tool, or a number in place of a text.',
    cure: 'Write "schemaVersion": "1.1", with quotes.',
  },
  'missing-key': {
    title: 'A key that must be there is not',
    meaning: 'A section, or a key of a module, is missing; the message names it.',
    cause: 'A manifest that was written by hand or cut in two.',
    cure: 'Add what the message names.',
  },
  'layered-deployment': {
    title: 'A layer where a whole deployment is expected',
    meaning: 'The manifest has keys such as "properties.desired.modules.x". Layers are merged by the hub before a gateway sees them.',
    cause: 'A layered deployment was given to a gateway.',
    cure: 'Give it to the hub (dragoman hub deployments create), or write the module into a whole manifest.',
  },
  'bad-name': {
    title: 'A name that cannot be one',
    meaning:
      'Modules become containers and identities at the hub; routes become keys of a twin. Both rule out some characters, and some names are the gateway’s own.',
    cause: 'A space, a dot, a $; or a module called edgeHub or dragoman.',
    cure: 'Letters, digits, hyphens and underscores always fit.',
  },
  'duplicate-module': {
    title: 'Two modules whose names differ in case only',
    meaning: 'Containers and identities do not tell them apart.',
    cause: 'A module was copied and renamed by a capital letter.',
    cure: 'Give one of them another name.',
  },
  'unknown-module': {
    title: 'A module that is not in the deployment',
    meaning: 'A route or a twin names a module that $edgeAgent does not have. It is a warning: what is for it waits until it comes.',
    cause: 'A module was renamed or removed, and its routes were not.',
    cure: 'Correct the name, or remove the route.',
  },
  image: {
    title: 'The name of an image cannot be read',
    meaning: 'It is no reference as registries know them: [host[:port]/]path[:tag][@sha256:digest], in small letters.',
    cause: 'A capital letter, a space, a forgotten tag.',
    cure: 'Write it as docker pull takes it.',
  },
  digest: {
    title: 'A digest that is none',
    meaning: 'settings.digest must be sha256: and 64 hexadecimal digits in small letters; the image must have it, or it does not run.',
    cause: 'A shortened digest, as docker images shows it.',
    cure: 'Copy it whole from what docker push said, or from docker inspect.',
  },
  'create-options': {
    title: 'createOptions cannot be read',
    meaning: 'They must be a JSON object: as a text, in parts (createOptions01 …), or plainly.',
    cause: 'Quotes inside the text that were not escaped, or a part that is missing.',
    cure: 'Write them plainly, as an object; "{}" for none.',
  },
  'twin-limit': {
    title: 'A twin that the hub would not take',
    meaning: 'Desired properties of a module have limits of size, depth and names; a manifest that comes in a file is held to the same.',
    cause: 'A model or a table in a twin.',
    cure: 'Put large things into the image or a mounted folder.',
  },
  route: {
    title: 'A route cannot be compiled',
    meaning:
      'Its text is not FROM source [WHERE condition] INTO sink, or compares what cannot be compared. The message says at which character.',
    cause: 'Properties are texts: temp > 5 is refused, as_number(temp) > 5 is meant.',
    cure: 'Try it: dragoman route test FILE --source MODULE/OUTPUT --property name=value.',
  },
  'module-policy': {
    title: 'A module asks for more than this gateway allows',
    meaning:
      'createOptions ask for privileges, namespaces, folders, devices or capabilities of the host. Nothing is begun before all of it is allowed.',
    cause: 'Options that were copied from a machine where everything was allowed.',
    cure: 'Leave it out, or allow it in dragoman.yaml with the setting that the message names (modules.policy).',
  },
  'unknown-option': {
    title: 'An option of the container engine that is not known here',
    meaning: 'The engine does not get it, because nobody here knows what it would allow. It is a warning.',
    cause: 'A newer option of Docker, or a slip.',
    cure: 'Correct it, or allow all of them: modules.policy.allow: [unknown-options].',
  },
  'image-refused': {
    title: 'An image that may not run here',
    meaning:
      'dragoman.yaml lists signers or digests, and this image has neither; or it is not the one whose digest the manifest demands. It is in the audit log.',
    cause: 'An image that was not signed, or was built anew under the same tag.',
    cure: 'Sign it, or add its digest (docs/modules.md).',
  },
  'not-carried': {
    title: 'A part of a Kubernetes file that no module has',
    meaning: 'It has no counterpart in a manifest of IoT Edge and is left out. It is a warning.',
    cause: 'Probes over HTTP, init containers, services: the cluster does these.',
    cure: 'Look whether the module needs it; an exec probe becomes a HEALTHCHECK.',
  },
  'no-deployment': {
    title: 'A Kubernetes file without a Deployment or Pod',
    meaning: 'None of its documents says which containers run.',
    cause: 'Only the ConfigMaps were given.',
    cure: 'Give one file with all documents, separated by ---.',
  },
} as const satisfies RuleCatalogue;

/** Those of every mapping are described with them. */
export type DeploymentRule = keyof typeof rules | 'unknown-key' | 'wrong-type' | 'not-in-this-version';
