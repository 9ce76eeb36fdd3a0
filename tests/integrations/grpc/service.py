"""A service with a method of each kind, in four forms: sync, asyncio, and clients of both.

What a call says is what the method does: "fail", "abort", "sleep" ...; messages are text.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import grpc
import grpc.aio

import xtrace

NAME = "shop.Cart"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def encode(message):
    """asyncio's side has turned a text into bytes already."""
    return message if isinstance(message, bytes) else message.encode()


FORMAT = {"request_deserializer": bytes.decode, "response_serializer": encode}
CLIENT_FORMAT = {"request_serializer": encode, "response_deserializer": bytes.decode}

waiting, cancelled = threading.Event(), threading.Event()
"""Set when a method waits, and when it is given up."""


class NoStock(Exception):
    pass


def work(text):
    with xtrace.in_subsegment("work"):
        entity = xtrace.recorder.get_trace_entity()
        return f"{text} {entity.segment.trace_id if entity is not None else None}"


class Sync:
    def answer(self, text, context):
        if text == "fail":
            raise NoStock("no tea left")
        if text == "abort":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such cart")
        if text == "set":
            context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
            context.set_details("too many")
            return ""
        if text == "wait":
            waiting.set()
            if context.add_callback(cancelled.set):
                cancelled.wait(10)
            else:
                cancelled.set()
        return work(text)

    def unary_unary(self, request, context):
        return self.answer(request, context)

    def stream_unary(self, requests, context):
        return self.answer(" ".join(requests), context)

    def unary_stream(self, request, context):
        yield "first"
        yield self.answer(request, context)
        yield "last"

    def stream_stream(self, requests, context):
        for request in requests:
            yield self.answer(request, context)


class Async:
    async def answer(self, text, context):
        if text == "fail":
            raise NoStock("no tea left")
        if text == "abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such cart")
        if text == "set":
            context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
            context.set_details("too many")
            return ""
        if text == "wait":
            waiting.set()
            try:
                await asyncio.sleep(10)
            finally:
                cancelled.set()
        return work(text)

    async def unary_unary(self, request, context):
        return await self.answer(request, context)

    async def stream_unary(self, requests, context):
        return await self.answer(" ".join([each async for each in requests]), context)

    async def unary_stream(self, request, context):
        yield "first"
        yield await self.answer(request, context)
        yield "last"

    async def stream_stream(self, requests, context):
        async for request in requests:
            yield await self.answer(request, context)


class Writing(Async):
    """asyncio's other way to stream: what is sent is written."""

    async def unary_stream(self, request, context):
        async for each in Async.unary_stream(self, request, context):
            await context.write(each)

    async def stream_stream(self, requests, context):
        async for each in Async.stream_stream(self, requests, context):
            await context.write(each)


def handler(service):
    """What a server is given for it, as generated code makes it."""
    methods = {
        kind: getattr(grpc, f"{kind}_rpc_method_handler")(getattr(service, kind), **FORMAT)
        for kind in KINDS
    }
    return grpc.method_handlers_generic_handler(NAME, methods)


@contextmanager
def sync_server(**options):
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler(Sync())], **options)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


@contextmanager
def aio_server(service=Async, **options):
    """In a loop and thread of its own."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    found = {}

    async def serve():
        server = grpc.aio.server(handlers=[handler(service())], **options)
        found["port"] = server.add_insecure_port("127.0.0.1:0")
        found["stop"] = asyncio.Event()
        await server.start()
        started.set()
        await found["stop"].wait()
        await server.stop(None)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    yield found["port"]
    loop.call_soon_threadsafe(found["stop"].set)
    thread.join(10)
    loop.close()


class SyncClient:
    """Calls through a sync channel: each method gives what came, as a list."""

    mode = "sync"

    def __init__(self, port, channel=None):
        self.channel = channel or grpc.insecure_channel(f"127.0.0.1:{port}")

    def call(self, kind, text="hello", **options):
        method = getattr(self.channel, kind)(f"/{NAME}/{kind}", **CLIENT_FORMAT)
        request = iter([text]) if kind.startswith("stream") else text
        response = method(request, **options)
        return list(response) if kind.endswith("stream") else [response]

    def close(self):
        self.channel.close()


class AioClient:
    """The same through asyncio's channel."""

    mode = "async"

    def __init__(self, port, interceptors=()):
        self.port = port
        self.interceptors = interceptors

    def call(self, kind, text="hello", **options):
        return asyncio.run(self._call(kind, text, options))

    async def _call(self, kind, text, options):
        async with connected(self.port, self.interceptors) as channel:
            method = getattr(channel, kind)(f"/{NAME}/{kind}", **CLIENT_FORMAT)
            call = method(iter([text]) if kind.startswith("stream") else text, **options)
            if kind.endswith("stream"):
                return [each async for each in call]
            return [await call]

    def close(self):
        pass


@asynccontextmanager
async def connected(port, interceptors=()):
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{port}", interceptors=list(interceptors)
    ) as channel:
        yield channel
