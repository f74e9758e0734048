#!/bin/sh
# The program is as it was in 1996; each line that it prints becomes a message at the output "lines".
set -eu
cd "$DRAGOMAN_MQTT"
/module/weigh | while true; do
  mosquitto_pub -V mqttv311 -h "$(cat host)" -p "$(cat port)" --cafile ca.pem -i "$(cat client-id)" -u "$(cat username)" -P "$(cat password)" \
    -q 1 -l -t "$(cat topic)/messages/events/%24.on=lines" && break
  sleep 1
done
