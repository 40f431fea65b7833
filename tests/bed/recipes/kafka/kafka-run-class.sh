#!/bin/sh
# Starts one class of Kafka. Understands the variables of the scripts that Kafka itself ships: KAFKA_HEAP_OPTS,
# KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS, KAFKA_OPTS, LOG_DIR. Writes nothing outside of /tmp.
#
# KAFKA_KIND is server, storage or tools: which log settings, and which archive of preloaded classes. With KAFKA_RECORD set,
# the archive is written at exit instead of used.
home=$(cd "${0%/*}/.." && pwd)
kind=${KAFKA_KIND:-tools}
archive=$home/classes/$kind.jsa
if [ -n "${KAFKA_RECORD:-}" ]; then
    classes="-XX:ArchiveClassesAtExit=$archive -Xlog:cds=off -Xlog:cds+dynamic=off -Xlog:class+path=off"
else
    classes="-XX:SharedArchiveFile=$archive -Xshare:auto -Xlog:disable -Xlog:all=error:stderr"
fi
if [ "$kind" = server ]; then settings=log4j2.yaml; else settings=tools-log4j2.yaml; fi
# An archive fits one class path: so each file by name, in the order of names.
path=
for jar in "$home"/libs/*.jar; do path=$path:$jar; done
# Word splitting is what these variables are for.
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1} $classes \
    -Djava.awt.headless=true "-Dkafka.logs.dir=${LOG_DIR:-/tmp}" \
    ${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=$home/config/$settings} ${KAFKA_OPTS:-} -cp "${path#:}" "$@"
