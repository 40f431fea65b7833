#!/bin/sh
# Starts the broker that this Pod is; formats its disk if it never was.
set -eu
# The first two brokers share a rack, so that where a replica goes tells whether racks count.
case "$POD_NAME" in kafka-0 | kafka-1) rack=a ;; *) rack=b ;; esac
sed -e "s/@id@/${POD_NAME##*-}/" -e "s/@pod@/$POD_NAME/g" -e "s/@rack@/$rack/" /etc/kafka/config/server.properties >/tmp/server.properties
if [ ! -e /var/lib/kafka/data/meta.properties ]; then
    # Salted credentials, from a file: no password is in these arguments. What it prints has keys in it.
    set --
    while read -r scram; do set -- "$@" --add-scram "$scram"; done </etc/kafka/broker/scram
    /opt/kafka/bin/kafka-storage.sh format --config /tmp/server.properties \
        --cluster-id="$(cat /etc/kafka/broker/cluster-id)" "$@" >/dev/null
fi
# The names of the other brokers may not exist yet: ask again at once.
export KAFKA_OPTS="-Dsun.net.inetaddr.ttl=5 -Dsun.net.inetaddr.negative.ttl=0"
exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties
