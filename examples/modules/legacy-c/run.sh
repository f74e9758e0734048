#!/bin/sh
# The program is as it was in 1996; each line that it prints becomes a message at the output "lines", and is said again until the gateway has it.
set -eu
cd "$DRAGOMAN_MQTT"
say() {
  mosquitto_pub -V mqttv311 -h "$(cat host)" -p "$(cat port)" --cafile ca.pem -i "$(cat client-id)" -u "$(cat username)" -P "$(cat password)" \
    -q 1 -t "$(cat topic)/messages/events/%24.on=lines" -m "$1"
}
/module/weigh | while read -r line; do
  until say "$line"; do sleep 1; done
done
