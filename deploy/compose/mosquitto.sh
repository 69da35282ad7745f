#!/bin/sh
# The two logins of mosquitto.acl, then the broker.
set -eu
rm -f /mosquitto/data/passwords
mosquitto_passwd -b -c /mosquitto/data/passwords fleet "$MQTT_PASSWORD"
mosquitto_passwd -b /mosquitto/data/passwords device "$MQTT_DEVICE_PASSWORD"
chown mosquitto /mosquitto/data /mosquitto/data/passwords
chmod 600 /mosquitto/data/passwords
exec mosquitto -c /mosquitto/config/mosquitto.conf
