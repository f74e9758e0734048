import type { RuleCatalogue } from '../../mappings/rules.ts';

/** What `dragoman check` may say about OPC UA mappings, for the docs. Rules shared with the core (`duration`, `unknown-value`) are described there. */
export const rules: RuleCatalogue = {
  'opcua-endpoint': {
    title: 'Not an OPC UA endpoint',
    meaning: 'The endpoint of a connection is a URL of the form `opc.tcp://host:port/path`. Port and path may be left out.',
    cause: 'A web address, a user name inside the URL, a port that is no number, or a space copied along.',
    cure: 'Copy the endpoint from the server or from another client, and keep only scheme, host, port and path.',
    example: 'endpoint: http://10.20.0.31:4840     # write opc.tcp://10.20.0.31:4840',
  },
  'opcua-deprecated-policy': {
    title: 'Deprecated security policy',
    meaning:
      'Basic128Rsa15 and Basic256 rest on SHA-1 and an RSA padding that can be attacked. The OPC Foundation deprecated them in 2018, and current Node versions no longer carry the decryption they need.',
    cause: 'An old example, or a server whose firmware knows nothing newer.',
    cure: 'Enable Basic256Sha256, Aes128_Sha256_RsaOaep or Aes256_Sha256_RsaPss on the server. If it has none, use mode None on a network of its own, and know that anyone on it can read and write.',
    example: 'security: { mode: SignAndEncrypt, policy: Basic256 }     # write policy: Basic256Sha256',
  },
  'opcua-policy-without-security': {
    title: 'Security policy without security',
    meaning: 'With `mode: None` nothing is signed or encrypted, so a policy beside it has no effect.',
    cause: 'The mode was turned off while testing, and the policy stayed.',
    cure: 'Write `mode: SignAndEncrypt`, or leave the policy out.',
    example: 'security: { mode: None, policy: Basic256Sha256 }',
  },
  'opcua-fingerprint': {
    title: 'Not a fingerprint',
    meaning: '`trust` takes `ask`, or fingerprints of server certificates: SHA-1 (40 hex digits) or SHA-256 (64).',
    cause: 'A digit was lost while copying, or the serial number was copied instead.',
    cure: 'Copy the fingerprint again; colons and spaces may stay. Or write `trust: ask` and accept the certificate with `dragoman trust`.',
    example: 'trust: 3F:A1:09:…',
  },
  'opcua-node-id': {
    title: 'Not a node id or browse path',
    meaning:
      '`at` is a node id with the URI of its namespace, or a path of browse names from the Objects folder. The identifier is `s=` text, `i=` a number, `g=` a GUID or `b=` base64.',
    cause: 'A typing error, a missing `;s=`, or a name that another tool shows in its own notation.',
    cure: 'Copy the node id from a client that shows namespace URIs. A `;` inside the URI is written %3B, a `%` %25.',
    example: 'at: nsu=http://candyco/mixer;s=Mixer.Speed',
  },
  'opcua-namespace-missing': {
    title: 'Node id without a namespace',
    meaning:
      'Only numeric ids of OPC UA itself (`i=2258`) may stand without a namespace. Text, GUID and opaque ids belong to the machine and need its namespace URI.',
    cause: 'The `ns=2;` or `nsu=…;` before the identifier was left out.',
    cure: 'Write `nsu=<namespace URI>;` before it. The server lists its URIs in the NamespaceArray, node i=2255.',
    example: 'at: s=Mixer.Speed     # write nsu=http://candyco/mixer;s=Mixer.Speed',
  },
  'namespace-index': {
    title: 'Namespace by its index',
    meaning:
      'The index of a namespace is its place in the list of one start of the server. After an update or a new option the same index can be another namespace, and the value that of another node.',
    cause: 'The node id was copied from a client that shows indexes.',
    cure: 'Write the URI: `nsu=…`. The gateway then finds the index at every connection by itself.',
    example: 'at: ns=2;s=Mixer.Speed     # write nsu=http://candyco/mixer;s=Mixer.Speed',
  },
  'opcua-index': {
    title: 'Index range that ends before it begins',
    meaning:
      '`index` takes one element (3), a range with both ends included ("2:5"), or one of these for each dimension of a matrix ("0:1,2").',
    cause: 'The ends were exchanged, or a count was written in place of the last index.',
    cure: 'Write the smaller index first. Elements count from 0.',
    example: 'index: "5:2"     # write "2:5"',
  },
  'opcua-write-part': {
    title: 'Writing a part of a value',
    meaning:
      'A point with `field` or `index` is a part of a structure or an array; writing it would need to read the rest and race with the machine.',
    cause: 'A structure for reading was taken for a command.',
    cure: 'Take the node that the machine offers for writing, or its method.',
    example: 'speed: { at: /Mixer/Motor, field: Speed, write: { } }',
  },
  'opcua-poll-key': {
    title: 'Key without effect on a polled point',
    meaning:
      'samplingInterval, queueSize, discard and trigger describe a subscription. A point with `read: poll` is read every `every` and has none.',
    cause: 'The keys stayed when the point was changed to polling, or stand under `defaults`.',
    cure: 'Leave them out, or leave out `read: poll`.',
    example: 'speed: { at: /Mixer/Speed, read: poll, queueSize: 10 }',
  },
  'given-unknown': {
    title: 'Sample gives a node that no point reads',
    meaning: 'The keys under `given` are nodes, written as in `at`. This one is the `at` of no point.',
    cause: 'A typing error, or the point was moved to another node and the sample was not.',
    cure: 'Copy the `at` of the point.',
    example: 'given: { nsu=http://candyco/mixer;s=Mixer.Spede: 12.5 }',
  },
  'given-value': {
    title: 'Sample gives a value that does not fit its type',
    meaning:
      '`{ value, type, status }` names a built-in type of OPC UA (Int64, Float, DateTime …) and a value of it, or a status like BadSensorFailure in its place.',
    cause: 'A number outside the type, 64-bit digits without quotes, or a type of another protocol.',
    cure: 'Correct value or type. Integers beyond 9007199254740991 are written in quotes.',
    example: 'given: { /Mixer/BatchId: { value: "1311768468603649775", type: UInt64 } }',
  },
};
