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
ticks | kafka-console-producer.sh --bootstrap-server "$servers" --command-config $mounted/client.properties --topic "$1" &
exec kafka-console-consumer.sh --bootstrap-server "$servers" --command-config $mounted/client.properties --topic "$1" \
    --from-beginning
