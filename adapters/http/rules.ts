import type { RuleCatalogue } from '../../mappings/rules.ts';

/** What `dragoman check` may say about HTTP mappings, for the docs. Rules of the points themselves are those of payloads. */
export const rules: RuleCatalogue = {
  'http-url': {
    title: 'Not a base URL',
    meaning: '`url` is where the paths of all points begin: http or https, a host, a port and a path if there are any. No user, no query.',
    cause: 'The address of a page was copied with its query, or a user name stands before the host.',
    cure: 'Keep scheme, host, port and path; write the query with `path`, the user with `user` and `password`.',
    example: 'url: http://admin:secret@10.20.0.60/     # url: http://10.20.0.60, user: admin, password: { file: … }',
  },
  'http-path': {
    title: 'Not a path below the base URL',
    meaning: '`path` is added to `url`. It cannot name another host, and blanks in it are written %20.',
    cause: 'A whole URL was copied into `path`.',
    cure: 'Write the part after the host.',
    example: 'path: http://10.20.0.60/status     # path: /status',
  },
  'http-auth': {
    title: 'Credentials that do not go together',
    meaning: 'A machine is asked with user and password, or with a token, or with neither.',
    cause: 'One half of a pair was forgotten, or both kinds were written.',
    cure: 'Write `user` and `password`, or `token`. Secrets are references: { file } or { env }.',
    example: 'user: operator     # password: { file: ./secrets/press }',
  },
  'http-header': {
    title: 'Header that cannot be set',
    meaning:
      'Host, length, encoding, connection and validators belong to the connection; names and values must be ones that HTTP can carry.',
    cause: 'A request was copied from a browser with all its headers.',
    cure: 'Keep the headers that the machine asks for.',
  },
  'http-secret': {
    title: 'Secret in a header',
    meaning:
      'Authorization, Cookie and headers with key, token, secret or password in their name prove who asks. Their values are never written in a mapping.',
    cause: 'The line was copied from a test with curl.',
    cure: 'Put the value into a file or a variable of the environment, and name it.',
    example: 'headers: { X-API-Key: { file: ./secrets/press-7 } }',
  },
  'http-size': {
    title: 'Not a size',
    meaning: 'A size is a number with B, kB or MB, up to 100MB.',
    cause: 'The unit is missing.',
    cure: 'Write the unit.',
    example: 'maxBody: 4     # 4MB',
  },
  'http-given': {
    title: 'Sample gives a page that no point reads',
    meaning: 'The keys under `given` are `path` and the path of points, or `body` where all points share one.',
    cause: 'A typing error, or the points were moved to another path and the sample was not.',
    cure: 'Copy the `path` of the points.',
    example: 'given: { path /status: { temperature: 23.5 } }',
  },
};
