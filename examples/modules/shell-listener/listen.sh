#!/bin/sh
# Prints each message of its inputs as a line, with nothing but mosquitto's client. What it needs to connect lies as files in the
# folder that DRAGOMAN_MQTT names; the password there is fresh whenever it is read.
set -eu
cd "$DRAGOMAN_MQTT"
while true; do
  mosquitto_sub -V mqttv311 -h "$(cat host)" -p "$(cat port)" --cafile ca.pem -i "$(cat client-id)" -u "$(cat username)" -P "$(cat password)" \
    -c -q 1 -t "$(cat topic)/inputs/#" || true
  sleep 1
done
