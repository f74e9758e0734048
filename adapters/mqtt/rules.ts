import type { RuleCatalogue } from '../../mappings/rules.ts';

/** What `dragoman check` may say about MQTT mappings, for the docs. Rules of message bodies (`payload-…`) stand with them, shared ones with the core. */
export const rules: RuleCatalogue = {
  'mqtt-url': {
    title: 'Not the address of a broker',
    meaning:
      'The url of a connection begins with `mqtt://`, `mqtts://` (TLS), `ws://` or `wss://` and names host and, where it is not the usual one, port.',
    cause: 'A web address, a user name inside the url, or a topic behind the port.',
    cure: 'Keep scheme, host and port; a WebSocket also has a path. User and password have keys of their own.',
    example: 'url: http://10.20.0.5:1883     # write mqtt://10.20.0.5:1883',
  },
  'mqtt-broker': {
    title: 'The broker is named twice, or not at all',
    meaning: 'A connection has either `url`, or `host` with `port` and `tls`.',
    cause: 'A key stayed when the other form was written.',
    cure: 'Keep one form.',
    example: 'connection: { adapter: mqtt, url: mqtt://10.20.0.5:1883 }',
  },
  'mqtt-tls': {
    title: 'Certificates that do not fit the connection',
    meaning: '`ca`, `certificate` and `key` belong to TLS, and a certificate is of no use without its key.',
    cause: 'The scheme stayed `mqtt://`, or one of the two was forgotten.',
    cure: 'Write `mqtts://` (or `tls: true` beside host), and certificate and key together.',
    example: 'url: mqtts://broker.candyco:8883\nca: { file: ./secrets/plant-ca.pem }',
  },
  'mqtt-user': {
    title: 'A password without a user',
    meaning: 'A broker checks a password together with a user name; MQTT 3.1.1 does not even allow one alone.',
    cause: 'The user name was forgotten.',
    cure: 'Write `user:` beside it.',
    example: 'user: gateway\npassword: { file: ./secrets/broker }',
  },
  'mqtt-client-id': {
    title: 'A client id that brokers refuse',
    meaning:
      'The client id names the session at the broker. Wildcards, slashes and control characters make some brokers refuse it, others misread their own access rules.',
    cause: 'A topic or path was used as client id.',
    cure: 'Use letters, digits, hyphens and underscores. Left out, the gateway makes a stable one by itself.',
    example: 'clientId: leeds/gw-1     # write leeds-gw-1',
  },
  'mqtt-topic': {
    title: 'Not a topic filter',
    meaning:
      'A topic filter has levels between slashes. `+` stands for one level, `#` for all that follow and is the last one, `{name}` for one level whose text names the point or the machine. Each stands alone in its level.',
    cause: 'A wildcard beside text (`line-+`), `#` in the middle, a placeholder within a level (`line-{id}`), or no topic at all.',
    cure: 'Let the placeholder or wildcard stand for the whole level.',
    example: 'topic: plant/line-{id}/temp     # write plant/{line}/temp',
  },
  'mqtt-given': {
    title: 'Sample gives what no point takes',
    meaning: 'The keys under `given` are topics of messages, or names of Sparkplug metrics. This one reaches no point.',
    cause: 'A typing error, or the topic of the point was changed and the sample was not.',
    cure: 'Write a topic that the filter of a point matches, without wildcards; or the metric as in `at`.',
    example: 'given: { plant/l1/temp: { value: 21.5 } }',
  },
  'sparkplug-id': {
    title: 'Not an id of Sparkplug',
    meaning: 'Group, edge node, device and host ids are levels of topics: not empty, and none of `/`, `+`, `#`.',
    cause: 'A whole topic was copied, or a path.',
    cure: 'Write the id alone.',
    example: 'sparkplug: { group: plant/leeds, edgeNode: press-7 }     # write group: plant-leeds',
  },
  'sparkplug-topic': {
    title: 'It is not clear whose metrics are meant',
    meaning:
      'Metrics belong to an edge node, or to a device of one: `group` and `edgeNode`, perhaps `device`, or a `topic` in their place.',
    cause: 'One of them was left out, or both forms were written.',
    cure: 'Write group and edgeNode, or topic: spBv1.0/GROUP/+/NODE at the points.',
    example: 'sparkplug: { group: leeds, edgeNode: press-7, device: drive }',
  },
  'sparkplug-metric': {
    title: 'Not the name of a metric',
    meaning:
      '`at` is the name of the metric as the birth of its node gives it, slashes included. One placeholder may stand for a part of it, and then names the point: `Motor/{metric}`. A point named by a placeholder that is in no topic, such as `"{metric}"`, takes all metrics.',
    cause: 'The key was left out, or two placeholders stand in one name.',
    cure: 'Copy the name from the birth; `dragoman watch` with a point "{metric}" shows them all.',
    example: 'speed: { payload: sparkplug, at: Motor/Speed }',
  },
  'sparkplug-key': {
    title: 'Key without effect on a Sparkplug metric',
    meaning: 'A metric says by itself which type it has and when it was measured. Keys for message bodies mean nothing to it.',
    cause: 'The keys stayed when the point was changed, or stand under `defaults`.',
    cure: 'Leave them out.',
    example: 'speed: { payload: sparkplug, at: Motor/Speed, type: int32 }     # leave type out',
  },
};
