#!/bin/sh
# Runs one broker and one tool inside of the image's files, so that the JVM records the classes that each loads: a start
# then costs a quarter of the CPU time.
set -eu
export POD_NAME=kafka-0 KAFKA_RECORD=yes PATH=/usr/lib/jvm/java-17-openjdk-@ARCHITECTURE@/bin:/opt/kafka/bin:/usr/bin:/bin
mkdir -p /opt/kafka/classes /var/lib/kafka
sh /etc/kafka/config/start.sh >/tmp/log 2>&1 &
broker=$!
tries=0
until grep -q 'Kafka Server started' /tmp/log; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ] || ! kill -0 $broker; then
        cat /tmp/log
        exit 1
    fi
    sleep 0.2
done
kafka-topics.sh --bootstrap-server kafka-0.kafka.kafka.svc.cluster.local:9092 \
    --command-config /etc/kafka/admin/client.properties --create --topic recorded --replication-factor 1
kill $broker
wait $broker || true
ls -l /opt/kafka/classes/server.jsa /opt/kafka/classes/storage.jsa /opt/kafka/classes/tools.jsa
