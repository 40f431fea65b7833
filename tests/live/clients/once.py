# Logs in anew with the mounted files and produces one record, which a steady consumer takes for a tick.
import sys

from confluent_kafka import Producer

lines = open("/var/run/secrets/kafka/librdkafka.conf").read().splitlines()
conf = dict(line.split("=", 1) for line in lines)
conf.pop("group.id", None)
said = []
producer = Producer(conf | {"message.timeout.ms": 20000})
producer.produce(sys.argv[1], b"tick once 1", on_delivery=lambda error, _: said.append(error))
producer.flush(25)
print("delivered" if said and said[0] is None else said)
