"""How aws_xray_sdk is answered: modules, names, installing and undoing it."""

from __future__ import annotations

import gc
import importlib
import importlib.resources
import json
import logging
import os
import pkgutil
import subprocess
import sys
import weakref
from pathlib import Path
from unittest import mock

import pytest

from tests.helpers import zipped
from xtrace.compat import aws_xray_sdk as layer
from xtrace.compat.surface import SURFACE
from xtrace.default import recorder

SLIDE = """
import json
import xtrace
{install}
from flask import Flask
app = Flask(__name__)

from aws_xray_sdk.core import xray_recorder, patch_all
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware

plugins = ('EC2Plugin', 'ECSPlugin')
xray_recorder.configure(service='recommenderservice', plugins=plugins)
XRayMiddleware(app, xray_recorder)
patch_all()

@app.route('/recommendations')
def recommendations():
    return 'a, b'

xtrace.configure(emitter='memory:')
app.test_client().get('/recommendations')
print(json.dumps(xtrace.recorder.emitters[0].documents))
"""


def test_the_program_of_the_slide_runs_without_the_official_sdk(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        SLIDE.format(install="from xtrace.compat import aws_xray_sdk\naws_xray_sdk.install()")
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert '"name": "recommenderservice"' in done.stdout
    assert '"url": "http://localhost/recommendations"' in done.stdout


FROM_A_ZIP = """
import xtrace
xtrace.configure(emitter="memory:")
from xtrace.compat import aws_xray_sdk
aws_xray_sdk.install()
from aws_xray_sdk.core import patch_all, xray_recorder
from aws_xray_sdk.ext import boto_utils
xray_recorder.configure(service="shop", sampling=False)
patch_all()
with xray_recorder.in_segment("official"):
    pass
print(len(boto_utils.whitelist), xtrace.stats(), xtrace.__file__)
"""


def test_the_layer_works_from_a_zip(tmp_path):
    archive = zipped(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FROM_A_ZIP],
        env={**os.environ, "PYTHONPATH": str(archive)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "recorded 1, sent 1 " in done.stdout
    assert str(archive) in done.stdout


@pytest.mark.parametrize("path", SURFACE)
def test_every_module_has_the_names_of_the_table(path):
    name = f"aws_xray_sdk.{path}".rstrip(".")
    if "aiobotocore" in path:
        pytest.importorskip("aiobotocore", reason="has an environment of its own, see test_oracle")
    module = importlib.import_module(name)
    row = SURFACE[path].partition(":")[2].split()
    assert module.__name__ == name
    assert not [each for each in row if not hasattr(module, each)]
    assert sys.modules[name] is module
    parent, _, last = name.rpartition(".")
    if parent:
        found = getattr(sys.modules[parent], last)
        assert found is module or last in ("patch",)


def test_classes_say_the_module_that_the_official_ones_are_of(xray_recorder):
    from aws_xray_sdk.core.context import Context

    assert type(xray_recorder).__module__ == "aws_xray_sdk.core.async_recorder"
    assert Context.__module__ == "aws_xray_sdk.core.context"


def test_a_function_sees_what_is_patched_into_its_module():
    from aws_xray_sdk.core.plugins import ec2_plugin

    answers = [
        "token",
        '{"instanceId": "i", "availabilityZone": "z", "instanceType": "t", "imageId": "a"}',
    ]
    with mock.patch("aws_xray_sdk.core.plugins.ec2_plugin.do_request", side_effect=answers):
        ec2_plugin.initialize()
    assert ec2_plugin.runtime_context["instance_id"] == "i"


def test_a_module_can_be_reloaded_and_imported_anew():
    from aws_xray_sdk.core import patcher

    patcher.patch(["sqlite3"])
    assert importlib.reload(patcher) is patcher
    assert set() == patcher._PATCHED_MODULES
    del sys.modules["aws_xray_sdk.core.patcher"]
    again = importlib.import_module("aws_xray_sdk.core.patcher")
    assert again is not patcher
    assert again.SUPPORTED_MODULES == patcher.SUPPORTED_MODULES


def test_data_of_packages_can_be_read():
    assert b"services" in pkgutil.get_data("aws_xray_sdk.ext", "resources/aws_para_whitelist.json")
    assert b"default" in pkgutil.get_data("aws_xray_sdk.core.sampling.local", "sampling_rule.json")
    file = importlib.resources.files("aws_xray_sdk.ext") / "resources" / "aws_para_whitelist.json"
    assert "services" in json.loads(file.read_text())


def test_uninstalling_puts_back_what_was_there():
    import sqlite3

    layer.uninstall()
    before = recorder.segment_class, recorder.context, recorder.sampler, sqlite3.connect
    layer.install()
    from aws_xray_sdk.core import patch

    patch(["sqlite3"])
    assert sqlite3.connect is not before[-1]
    assert recorder.context is not before[1]
    layer.uninstall()
    after = recorder.segment_class, recorder.context, recorder.sampler, sqlite3.connect
    assert after == before
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("aws_xray_sdk")


def test_the_real_package_is_shadowed_and_comes_back(tmp_path, monkeypatch, caplog):
    layer.uninstall()
    package = tmp_path / "aws_xray_sdk"
    package.mkdir()
    Path(package, "__init__.py").write_text("is_real = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    real = importlib.import_module("aws_xray_sdk")
    with caplog.at_level(logging.INFO, "xtrace"):
        layer.install()
    assert "shadowed" in caplog.text
    assert not hasattr(importlib.import_module("aws_xray_sdk"), "is_real")
    layer.uninstall()
    assert importlib.import_module("aws_xray_sdk") is real
    del sys.modules["aws_xray_sdk"]


def test_both_recorders_see_the_same_current_entity(xray_recorder, kept):
    import xtrace

    with xtrace.in_segment("outer"), xray_recorder.in_subsegment("theirs"):
        with xtrace.in_subsegment("ours"):
            pass
    (document,) = kept.documents
    (theirs,) = document["subsegments"]
    assert (document["name"], theirs["name"]) == ("outer", "theirs")
    assert [each["name"] for each in theirs["subsegments"]] == ["ours"]


def test_the_emitter_of_the_environment_is_used(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "from aws_xray_sdk.core import xray_recorder\n"
        "xray_recorder.configure(service='s', sampling=False)\n"
        "with xray_recorder.in_segment():\n"
        "    with xray_recorder.in_subsegment('part'): pass\n"
        "xray_recorder.begin_segment('open')\n"
        "xray_recorder.begin_subsegment('never ended')\n"
        "xray_recorder.end_segment()\n"
    )
    file = tmp_path / "traces.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "xtrace", "run", "--compat", program],
        env={**os.environ, "XTRACE_EMITTER": f"file:{file}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    by_name = {each["name"]: each for each in documents}
    assert [each["name"] for each in by_name["s"]["subsegments"]] == ["part"]
    # What waited for something open is sent when the process ends.
    assert by_name["never ended"]["in_progress"] is True
    assert by_name["never ended"]["parent_id"] == by_name["open"]["id"]


def test_a_datagram_holds_what_a_daemon_takes(xray_recorder):
    from tests.helpers import listening, port_of, received

    with listening() as daemon:
        from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter

        xray_recorder.configure(emitter=UDPEmitter(f"127.0.0.1:{port_of(daemon)}"))
        with xray_recorder.in_segment("a") as segment, xray_recorder.in_subsegment("b") as b:
            b.put_metadata("object", {"set": {1}})
            b.add_exception(ValueError("no"), [("f.py", 1, "f")])
            assert segment.aws["xray"]["sdk"] == "X-Ray for Python"
        (document,) = received(daemon)
    assert document["aws"]["xray"]["sdk"] == "xtrace for Python"
    (part,) = document["subsegments"]
    assert part["metadata"] == {"default": {"object": {"set": [1]}}}
    assert part["cause"]["exceptions"][0]["stack"] == [{"path": "f.py", "line": 1, "label": "f"}]


def test_methods_of_the_emitter_may_be_mocked(xray_recorder):
    from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter

    name = "aws_xray_sdk.core.emitters.udp_emitter.UDPEmitter.send_entity"
    with mock.patch(name) as send_entity:
        xray_recorder.configure(emitter=UDPEmitter())
        with xray_recorder.in_segment("a") as segment:
            pass
    send_entity.assert_called_once()
    assert send_entity.call_args.args[-1] is segment


def test_what_is_put_into_a_context_counts_for_all_its_recorders(kept):
    from aws_xray_sdk.core.context import Context
    from aws_xray_sdk.core.recorder import AWSXRayRecorder

    shared = Context()
    recorders = [AWSXRayRecorder(), AWSXRayRecorder()]
    for each in recorders:
        each.configure(service="s", sampling=False, emitter=kept, context=shared)
    with recorders[0].in_segment("a") as segment:
        for each in recorders:
            with each.in_subsegment("b"):
                each.put_annotation("before", True)
            with mock.patch.object(shared, "get_trace_entity", return_value=segment) as look:
                each.put_annotation("first" if each is recorders[0] else "second", True)
                look.assert_called()
            with each.in_subsegment("c"):
                each.put_annotation("after", True)
    (document,) = kept.documents
    assert document["annotations"] == {"first": True, "second": True}
    names = [(each["name"], *each["annotations"]) for each in document["subsegments"]]
    assert names == [("b", "before"), ("c", "after")] * 2


def test_methods_of_a_context_that_xtrace_was_given_may_be_mocked(xray_recorder, kept):
    from aws_xray_sdk.core.context import Context

    import xtrace

    context = Context()
    before = recorder.context
    xtrace.configure(context=context)
    try:
        with xray_recorder.in_segment("a") as segment:
            with mock.patch.object(context, "get_trace_entity", return_value=segment) as look:
                xray_recorder.put_annotation("key", True)
            look.assert_called()
    finally:
        recorder.context = before


def test_a_context_does_not_keep_the_recorders_that_it_was_given_to():
    from aws_xray_sdk.core.context import Context
    from aws_xray_sdk.core.recorder import AWSXRayRecorder

    shared = Context()
    made = []
    for _ in range(3):
        each = AWSXRayRecorder()
        each.configure(service="s", sampling=False, context=shared)
        made.append(weakref.ref(each))
    del each
    gc.collect()
    assert [ref() is None for ref in made] == [True, True, False]  # it is the last one's


@pytest.mark.parametrize("strategy", ["LOG_ERROR", "RUNTIME_ERROR", "IGNORE_ERROR"])
def test_a_context_of_xtrace_itself_may_be_configured(xray_recorder, kept, strategy):
    from aws_xray_sdk.core.exceptions.exceptions import SegmentNotFoundException

    import xtrace
    from xtrace.context import Context

    given = Context(strategy)
    xtrace.configure(context=given)
    assert xray_recorder.context is given
    with xray_recorder.in_segment("a"), xtrace.in_subsegment("b"):
        assert xray_recorder.context.get().name == "b"
        xray_recorder.begin_subsegment("c")
        xray_recorder.end_subsegment()
    (document,) = kept.documents
    assert document["subsegments"][0]["subsegments"][0]["name"] == "c"
    if strategy == "RUNTIME_ERROR":
        with pytest.raises(SegmentNotFoundException):
            xray_recorder.begin_subsegment("d")
    else:
        assert xray_recorder.begin_subsegment("d") is None
    xray_recorder.configure(context=given, context_missing="IGNORE_ERROR")
    assert given.context_missing == "IGNORE_ERROR"


def test_any_object_with_get_set_and_missing_is_a_context(xray_recorder, kept):
    import xtrace

    class Current:
        entity = None

        def get(self):
            return self.entity

        def set(self, entity):
            self.entity = entity

        def missing(self, call):
            raise AssertionError(call)

    xtrace.configure(context=Current())
    with xtrace.in_segment("a"), xray_recorder.in_subsegment("b"):
        assert xray_recorder.current_segment().name == "a"
    assert kept.documents[0]["subsegments"][0]["name"] == "b"


@pytest.mark.parametrize("name", ["aws-xray-sdk", "aws_xray_sdk", "AWS.XRay-SDK"])
def test_the_distribution_says_its_version_while_the_layer_is_there(name):
    from importlib import metadata

    from aws_xray_sdk.version import VERSION

    assert metadata.version(name) == VERSION
    assert metadata.distribution(name).metadata["Name"] == "aws-xray-sdk"
    assert [each for each in metadata.distributions() if each.name == "aws-xray-sdk"]
    assert "aws-xray-sdk" in metadata.packages_distributions()["aws_xray_sdk"]
    assert metadata.entry_points(group="of no package") == ()
    layer.uninstall()
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version(name)


def test_a_real_distribution_stands_behind_the_layers(tmp_path, monkeypatch):
    from importlib import metadata

    folder = tmp_path / "aws_xray_sdk-1.2.3.dist-info"
    folder.mkdir()
    Path(folder, "METADATA").write_text(
        "Metadata-Version: 2.1\nName: aws-xray-sdk\nVersion: 1.2.3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert metadata.version("aws-xray-sdk") == "2.15.0"
    # Who looks into a folder sees what is there.
    (found,) = metadata.distributions(path=[str(tmp_path)])
    assert found.version == "1.2.3"
    layer.uninstall()
    assert metadata.version("aws-xray-sdk") == "1.2.3"
