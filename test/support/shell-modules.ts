import { makeImage } from './images.ts';

const programs = ['/bin/sh', 'cat', 'sleep', 'mosquitto_sub', 'mosquitto_pub'];
/** Options that make mosquitto's clients a module. */
const asModule =
  '-V mqttv311 -h "$(cat host)" -p "$(cat port)" --cafile ca.pem -i "$(cat client-id)" -u "$(cat username)" -P "$(cat password)" -q 1';
const listen = `cd $DRAGOMAN_MQTT; echo version $VERSION; trap exit TERM; while true; do mosquitto_sub ${asModule} -c -t "$(cat topic)/inputs/#" & wait $!; sleep 1; done`;
const ask = `cd $DRAGOMAN_MQTT; trap exit TERM; until mosquitto_pub ${asModule} -t "$(cat topic)/messages/events/%24.on=set" -m "$WRITE"; do sleep 1; done; while true; do sleep 60 & wait $!; done`;

/** An image of a module that says its version, then prints what comes to its inputs; a shell with mosquitto's client. `host` as in {@link makeImage}. */
export const makeListener = (tag: string, version: number, host?: string): void =>
  makeImage(tag, { programs, cmd: ['sh', '-c', listen], changes: [`ENV VERSION=${version}`, 'USER 1000:1000'], host });

/** One that asks for one write, `WRITE` of its environment, at its output `set`; again until it is taken. */
export const makeSetter = (tag: string): void => makeImage(tag, { programs, cmd: ['sh', '-c', ask], changes: ['USER 1000:1000'] });
