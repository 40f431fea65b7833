# kafka-python, without any C: produces and consumes steadily with the mounted single files.
import logging
import socket
import sys
import time

from kafka import KafkaConsumer, KafkaProducer

MOUNTED = "/var/run/secrets/kafka/"
logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")


def read(name):
    return open(MOUNTED + name).read()


def complain(error):
    print("error", error, flush=True)


topic, name = sys.argv[1], socket.gethostname()
conf = dict(
    bootstrap_servers=read("bootstrap.servers").split(","),
    security_protocol=read("security.protocol"),
    sasl_mechanism=read("sasl.mechanism"),
    sasl_plain_username=read("username"),
    sasl_plain_password=read("password"),
    ssl_cafile=MOUNTED + "ca.crt",
)
producer = KafkaProducer(**conf)
consumer = KafkaConsumer(topic, group_id=read("group.id"), auto_offset_reset="earliest", **conf)
n = 0
while True:
    n += 1
    time.sleep(0.3)
    producer.send(topic, f"tick {name} {n}".encode()).add_errback(complain)
    # The commit before a rebalance has no more time than this, and says so in the log.
    for records in consumer.poll(timeout_ms=2000).values():
        for record in records:
            print(record.value.decode(), flush=True)
