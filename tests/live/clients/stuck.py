# One member of a group of two, with the mounted files: it commits all that it consumes, or the first record of each partition alone.
# It goes on polling either way, so its group notices nothing. The one that works also produces, to both partitions.
import sys

from confluent_kafka import Consumer, KafkaException, Producer

topic, protocol, works = sys.argv[1], sys.argv[2], sys.argv[3] == "works"
lines = open("/var/run/secrets/kafka/librdkafka.conf").read().splitlines()
conf = dict(line.split("=", 1) for line in lines)
group = conf.pop("group.id")
settings = {"group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest", "enable.auto.commit": False}
producer, consumer = Producer(conf), Consumer(conf | settings)
consumer.subscribe([topic])
held, committed = None, set()
while True:
    if works:
        for partition in (0, 1):
            producer.produce(topic, b"work", partition=partition)
        producer.poll(0)
    for message in consumer.consume(100, timeout=0.2):
        if message.error():
            print("error", message.error(), flush=True)
        elif works or message.partition() not in committed:
            try:
                consumer.commit(message=message, asynchronous=False)
                committed.add(message.partition())
            except KafkaException as error:
                # As while the group changes hands: the next record is another occasion.
                print("not committed:", error, flush=True)
    now = sorted(part.partition for part in consumer.assignment())
    if now != held:
        held = now
        print("holds", *held, flush=True)
