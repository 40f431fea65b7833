# confluent-kafka, and so librdkafka: produces and consumes steadily with the one file that is written for it.
import socket
import sys

from confluent_kafka import Consumer, Producer

topic, name = sys.argv[1], socket.gethostname()
lines = open("/var/run/secrets/kafka/librdkafka.conf").read().splitlines()
conf = dict(line.split("=", 1) for line in lines)
group = conf.pop("group.id")


def complain(error, *_):
    if error:
        print("error", error, flush=True)


producer = Producer(conf | {"error_cb": complain, "message.timeout.ms": 20000})
consumer = Consumer(conf | {"error_cb": complain, "group.id": group, "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
n = 0
while True:
    n += 1
    producer.produce(topic, f"tick {name} {n}", on_delivery=complain)
    producer.poll(0)
    for message in consumer.consume(100, timeout=0.3):
        print(f"error {message.error()}" if message.error() else message.value().decode(), flush=True)
