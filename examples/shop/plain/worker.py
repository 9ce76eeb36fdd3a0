"""order-worker: takes the orders off the queue and ships them. A script: boto3 and sqlite3."""

import json
import logging
import os
import sqlite3
import time
from contextlib import closing

import boto3

sqs = boto3.client("sqs")
queue_url = sqs.get_queue_url(QueueName=os.environ["ORDER_QUEUE"])["QueueUrl"]


def ship(message):
    order = json.loads(message["Body"])
    age = time.time() - int(message["Attributes"]["SentTimestamp"]) / 1000
    with closing(sqlite3.connect(os.environ["ORDERS_DB"])) as database, database:
        database.execute("update orders set status = 'shipped' where id = ?", (order["order_id"],))
    logging.info("order %s shipped, %.1f s after it was queued", order["order_id"], age)


def poll():
    answer = sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["SentTimestamp"],
    )
    messages = answer.get("Messages", [])
    for message in messages:
        ship(message)
    # Not before: what fails meanwhile is delivered again.
    for message in messages:
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


def main():
    while True:
        try:
            poll()
        except Exception:
            logging.exception("the queue can't be worked on; trying again")
            time.sleep(1)
