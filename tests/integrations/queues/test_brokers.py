"""Kafka's and RabbitMQ's clients keep one contract: what is sent is a subsegment, carries the trace, and
the work on it is a segment of that trace. RabbitMQ is the real one; Kafka is the broker that librdkafka
has in it for tests, which speaks its protocol and keeps its records in memory.
"""

from __future__ import annotations

import asyncio
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import xtrace
from tests.marks import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 30.0
BODY = SECRET.encode()


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[str]:
    """The address of a broker, host:port."""
    from confluent_kafka import Producer

    cluster = Producer(
        {"test.mock.num.brokers": 1, "bootstrap.servers": "unused:1", "log_level": 0}
    )
    (broker,) = cluster.list_topics(timeout=SECONDS).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del cluster


class KafkaPython:
    """kafka-python."""

    patches = "kafka"

    def __init__(self, kafka_broker: str, rabbitmq: Any) -> None:
        self.broker = kafka_broker

    def send(self, topic: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        from kafka import KafkaProducer

        producer = KafkaProducer(bootstrap_servers=self.broker)
        pairs = [(name, value.encode()) for name, value in (headers or {}).items()]
        try:
            producer.send(topic, body, headers=pairs or None).get(SECONDS)
        finally:
            producer.close()

    def work(self, topic: str, count: int, work: Any) -> None:
        from kafka import KafkaConsumer

        consumer = KafkaConsumer(
            topic,
            bootstrap_servers=self.broker,
            auto_offset_reset="earliest",
            consumer_timeout_ms=SECONDS * 1000,
        )
        left = count
        for record in xtrace.messages(consumer):
            work(record.value, dict(record.headers))
            left -= 1
            if not left:
                break
        consumer.close()


class ConfluentKafka(KafkaPython):
    """confluent_kafka."""

    patches = "confluent_kafka"

    def send(self, topic: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        import confluent_kafka

        errors: list[Any] = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker})
        producer.produce(
            topic, body, headers=headers, on_delivery=lambda error, _: errors.append(error)
        )
        assert producer.flush(SECONDS) == 0
        assert errors == [None]

    def work(self, topic: str, count: int, work: Any) -> None:
        import confluent_kafka

        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.broker,
                "group.id": topic,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([topic])
        received: list[Any] = []
        while len(received) < count:
            received += [each for each in consumer.consume(count, 1.0) if not each.error()]
        for message in xtrace.messages(received):
            work(message.value(), dict(message.headers() or ()))
        consumer.close()


class Pika:
    """pika, on a blocking connection, its callbacks."""

    patches = "pika"

    def __init__(self, kafka_broker: str, rabbitmq: Any) -> None:
        self.url = rabbitmq.url

    def channel(self, queue: str) -> Any:
        import pika

        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        channel = connection.channel()
        channel.queue_declare(queue)
        return SimpleNamespace(connection=connection, channel=channel)

    def send(self, queue: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        import pika

        open = self.channel(queue)
        properties = pika.BasicProperties(headers=headers) if headers else None
        open.channel.basic_publish("", queue, body, properties)
        if properties is not None:
            assert properties.headers == headers
        open.connection.close()

    def work(self, queue: str, count: int, work: Any) -> None:
        open = self.channel(queue)
        left = count

        def callback(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            nonlocal left
            left -= 1
            if not left:
                channel.stop_consuming()
            work(body, properties.headers or {})

        open.channel.basic_consume(queue, callback, auto_ack=True)
        try:
            open.channel.start_consuming()
        finally:
            open.connection.close()


class PikaTaken(Pika):
    """pika, its messages taken one by one."""

    def work(self, queue: str, count: int, work: Any) -> None:
        open = self.channel(queue)
        taken = open.channel.consume(queue, auto_ack=True, inactivity_timeout=SECONDS)
        try:
            for _, properties, body in xtrace.messages([next(taken) for _ in range(count)]):
                work(body, properties.headers or {})
        finally:
            open.channel.cancel()
            open.connection.close()


class AioPika(Pika):
    """aio_pika, its callbacks."""

    patches = "aio_pika"
    connect = "connect_robust"

    def send(self, queue: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        asyncio.run(self._send(queue, body, headers))

    async def _send(self, queue: str, body: bytes, headers: dict[str, str] | None) -> None:
        import aio_pika

        async with await getattr(aio_pika, self.connect)(self.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue(queue)
            message = aio_pika.Message(body, headers=headers)
            await channel.default_exchange.publish(message, routing_key=queue)
            assert message.headers == (headers or {})

    def work(self, queue: str, count: int, work: Any) -> None:
        asyncio.run(self._work(queue, count, work))

    async def _work(self, name: str, count: int, work: Any) -> None:
        import aio_pika

        done, left = asyncio.get_running_loop().create_future(), count

        async def callback(message: Any) -> None:
            nonlocal left
            left -= 1
            try:
                work(message.body, message.headers)
            finally:
                if not left:
                    done.set_result(None)

        async with await getattr(aio_pika, self.connect)(self.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(name)
            await queue.consume(callback, no_ack=True)
            await asyncio.wait_for(done, SECONDS)


class AioPikaTaken(AioPika):
    """aio_pika, its messages taken one by one, on a plain connection."""

    connect = "connect"

    async def _work(self, name: str, count: int, work: Any) -> None:
        import aio_pika

        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(name)
            async with queue.iterator(timeout=SECONDS, no_ack=True) as messages:
                async for message in messages:
                    with xtrace.messages(message):
                        work(message.body, message.headers)
                    count -= 1
                    if not count:
                        break


library = pytest.mark.library
CLIENTS = [
    pytest.param(KafkaPython, marks=library("kafka-python", "sync")),
    pytest.param(ConfluentKafka, marks=library("confluent-kafka", "sync")),
    pytest.param(Pika, marks=library("pika", "sync")),
    pytest.param(PikaTaken, marks=library("pika", "sync")),
    pytest.param(AioPika, marks=library("aio-pika", "async")),
    pytest.param(AioPikaTaken, marks=library("aio-pika", "async")),
]


@pytest.fixture(params=CLIENTS)
def client(request: Any, kafka_broker: str, rabbitmq: Any) -> Iterator[Any]:
    """One client after the other, patched."""
    xtrace.patch(request.param.patches)
    change_back = xtrace.recorder.override(service="shop")
    yield request.param(kafka_broker, rabbitmq)
    change_back()
    xtrace.unpatch()


@pytest.fixture
def queue() -> str:
    """The name of a queue, or a topic, that nobody else uses."""
    return f"orders-{uuid.uuid4().hex}"


def part(body: bytes, headers: Any) -> None:
    """The work on a message."""
    with xtrace.in_subsegment(body.decode()):
        pass


def test_a_message_and_its_work_are_one_trace(client, queue, traces):
    with xtrace.in_segment() as sender:
        client.send(queue, b"first")
    client.work(queue, 1, part)
    producer, consumer = traces.segments
    (sending,) = producer["subsegments"]
    assert (sending["name"], sending["namespace"]) == (queue, "remote")
    assert consumer["trace_id"] == sender.trace_id
    assert consumer["parent_id"] == sending["id"]
    assert consumer["name"] == "shop"
    assert [each["name"] for each in consumer["subsegments"]] == ["first"]


def test_each_message_has_its_own_senders_trace(client, queue, traces):
    for number in range(3):
        with xtrace.in_segment("sender"):
            client.send(queue, f"part {number}".encode())
    client.work(queue, 3, part)
    by_name = {name: [] for name in ("sender", "shop")}
    for each in traces.segments:
        by_name[each["name"]].append(each)
    parents = {each["trace_id"]: each["parent_id"] for each in by_name["shop"]}
    assert len(parents) == 3
    assert parents == {e["trace_id"]: e["subsegments"][0]["id"] for e in by_name["sender"]}


def test_unsampled_and_untraced_messages(client, queue, traces):
    with xtrace.in_segment(sampling=False):
        client.send(queue, b"unsampled")
    client.send(queue, b"untraced")
    client.work(queue, 2, part)
    (segment,) = traces.segments
    assert segment["subsegments"][0]["name"] == "untraced"
    assert "parent_id" not in segment


def test_the_applications_headers_arrive(client, queue, traces):
    seen = []
    with xtrace.in_segment("a"):
        client.send(queue, BODY, {"mine": "1"})
    client.work(queue, 1, lambda body, headers: seen.append(headers))
    (headers,) = seen
    assert headers["mine"] in ("1", b"1")
    assert len(headers) == 2


def test_work_that_fails_is_a_fault(client, queue, traces):
    def fails(body: bytes, headers: Any) -> None:
        raise ValueError("boom")

    with xtrace.in_segment("a"):
        client.send(queue, BODY)
    try:
        client.work(queue, 1, fails)
    except ValueError:
        pass
    (segment,) = (each for each in traces.segments if each["name"] == "shop")
    if isinstance(client, (KafkaPython, PikaTaken)):
        return  # Python doesn't tell a loop what has left it: see docs/aws.md
    assert segment["fault"] is True
    assert segment["cause"]["exceptions"][0]["message"] == "boom"


def test_unpatched_it_is_as_before(client, queue, traces):
    xtrace.unpatch()
    with xtrace.in_segment("a"):
        client.send(queue, BODY)
    (segment,) = traces.segments
    assert "subsegments" not in segment


def test_switched_off_nothing_is_added(client, queue, traces, monkeypatch):
    monkeypatch.setattr(xtrace.recorder, "enabled", False)
    seen = []
    with xtrace.in_segment("a"):
        client.send(queue, BODY)
    client.work(queue, 1, lambda body, headers: seen.append(headers))
    assert seen == [{}]
    assert traces.documents == []


def test_our_own_failure_stops_no_message(client, queue, traces, monkeypatch, lenient_faults):
    from xtrace.integrations import _queues

    def breaks(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    for name in ("annotate", "link_to", "segment_for"):
        monkeypatch.setattr(_queues, name, breaks)
    monkeypatch.setattr(_queues.Call, "__enter__", breaks)
    seen = []
    with xtrace.in_segment("a"):
        client.send(queue, BODY)
    client.work(queue, 1, lambda body, headers: seen.append(body))
    assert seen == [BODY]


def test_a_consumer_without_an_end_has_no_batch(traces):
    with pytest.raises(TypeError, match="without an end"), xtrace.messages(iter([])):
        pass


def test_kafkas_polled_records_are_taken_together(kafka_broker, rabbitmq, queue, traces):
    from kafka import KafkaConsumer

    client = KafkaPython(kafka_broker, rabbitmq)
    xtrace.patch("kafka")
    for _ in range(2):
        with xtrace.in_segment("sender"):
            client.send(queue, BODY)
    xtrace.unpatch()
    consumer = KafkaConsumer(queue, bootstrap_servers=kafka_broker, auto_offset_reset="earliest")
    polled: dict[Any, list[Any]] = {}
    while sum(map(len, polled.values())) < 2:
        for partition, records in consumer.poll(1000).items():
            polled.setdefault(partition, []).extend(records)
    consumer.close()
    with xtrace.messages(polled, "batch") as batch:
        assert len(batch) == 2
        for _ in batch:
            pass
    (segment,) = (each for each in traces.segments if each["name"] == "batch")
    # Records of several partitions come in any order.
    linked = sorted(link["trace_id"] for link in segment["links"])
    assert linked == sorted(
        each["trace_id"] for each in traces.segments if each["name"] == "sender"
    )


def test_confluents_classes_stay_what_they_were(kafka_broker, traces):
    import confluent_kafka

    original = confluent_kafka.Producer
    xtrace.patch("confluent_kafka")
    patched = confluent_kafka.Producer
    assert issubclass(patched, original)
    assert (patched.__name__, patched.__module__) == (original.__name__, original.__module__)

    class Mine(confluent_kafka.Producer):
        pass

    assert isinstance(Mine({"bootstrap.servers": kafka_broker}), original)
    xtrace.unpatch()
    assert confluent_kafka.Producer is original
