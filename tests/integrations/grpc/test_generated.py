"""Stubs and servicers as protoc generates them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import xtrace
from tests.helpers import eventually
from tests.marks import SECRET
from xtrace.testing import recording

PROTO = """
syntax = "proto3";
package shop;
message Item { string product = 1; }
message Items { repeated Item items = 1; }
service Cart {
  rpc Add (Item) returns (Items);
  rpc Watch (Item) returns (stream Item);
}
"""


@pytest.fixture
def generated(tmp_path, monkeypatch):
    (tmp_path / "cart.proto").write_text(PROTO)
    out = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{tmp_path}", *out, "cart.proto"]
    subprocess.run(command, check=True, cwd=tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("cart_pb2"), importlib.import_module("cart_pb2_grpc")
    for name in ("cart_pb2", "cart_pb2_grpc"):
        del sys.modules[name]


@pytest.mark.library("grpcio", "sync")
def test_generated_code_is_traced_without_what_is_in_messages(generated):
    messages, services = generated

    class Cart(services.CartServicer):
        def Add(self, request, context):
            return messages.Items(items=[request])

        def Watch(self, request, context):
            yield request
            context.abort(grpc.StatusCode.OUT_OF_RANGE, "no more")

    xtrace.patch("grpc")
    try:
        with recording(service="shop") as traces:
            server = grpc.server(ThreadPoolExecutor(2))
            services.add_CartServicer_to_server(Cart(), server)
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            item = messages.Item(product=SECRET)
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, xtrace.in_segment("caller"):
                stub = services.CartStub(channel)
                metadata = [("authorization", SECRET)]
                assert stub.Add(item, metadata=metadata).items[0].product == SECRET
                with pytest.raises(grpc.RpcError):
                    list(stub.Watch(item, metadata=metadata))
            server.stop(None).wait()
            eventually(lambda: len(traces.segments) == 3)
    finally:
        xtrace.unpatch("grpc")
    added, watched = traces.segment("caller")["subsegments"]
    assert added["http"]["request"]["url"].endswith("/shop.Cart/Add")
    assert watched["annotations"] == {"grpc_status": "OUT_OF_RANGE"}
    assert SECRET not in str(traces.documents)
