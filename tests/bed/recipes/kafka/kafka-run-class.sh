#!/bin/sh
# Starts one class of Kafka. Understands the variables of the scripts that Kafka itself ships: KAFKA_HEAP_OPTS,
# KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS, KAFKA_OPTS, LOG_DIR. Writes nothing outside of /tmp.
home=$(cd "${0%/*}/.." && pwd)
logging=${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=$home/config/${KAFKA_LOG4J_FILE:-tools-log4j2.yaml}}
# Word splitting is what these variables are for.
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} \
    ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto} \
    -Djava.awt.headless=true "-Dkafka.logs.dir=${LOG_DIR:-/tmp}" $logging ${KAFKA_OPTS:-} \
    -cp "$home/libs/*" "$@"
