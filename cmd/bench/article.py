"""Moves a Redis list to a Kafka topic the way the article does it from cron.

usage: article.py REDIS_HOST:PORT BROKER KEY TOPIC

One flush before each trim is added: without it, what Kafka did not take would be
lost. A crash between the two still doubles a batch, and a second copy of the
script running at the same time loses one.
"""
import json
import sys

import redis
from kafka import KafkaProducer

BATCH = 1000


def main(address, broker, key, topic):
    host, port = address.rsplit(":", 1)
    client = redis.Redis(host=host, port=int(port))
    producer = KafkaProducer(bootstrap_servers=[broker])
    while events := client.lrange(key, 0, BATCH - 1):
        for event in events:
            user = json.loads(event)["user_id"]
            producer.send(topic, key=user.encode(), value=event)
        producer.flush()
        client.ltrim(key, len(events), -1)
    producer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
