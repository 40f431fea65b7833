# The console clients that come with Kafka: they produce and consume steadily with the one file that is written for Java.
mounted=/var/run/secrets/kafka
servers=$(cat $mounted/bootstrap.servers)
ticks() {
    n=0
    while sleep 0.3; do
        n=$((n + 1))
        echo "tick $HOSTNAME $n"
    done
}
# As long as applications wait: the tool itself gives up after 1.5 s, which a busy broker may take.
ticks | kafka-console-producer.sh --bootstrap-server "$servers" --command-config $mounted/client.properties --topic "$1" \
    --request-timeout-ms 30000 &
exec kafka-console-consumer.sh --bootstrap-server "$servers" --command-config $mounted/client.properties --topic "$1" \
    --from-beginning
