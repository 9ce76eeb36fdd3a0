"""Where the process runs, against stand-ins of the metadata services on the loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.helpers import eventually
from xtrace.environment import beanstalk, ec2
from xtrace.errors import ConfigurationError

IDENTITY = {
    "instanceId": "i-1234",
    "availabilityZone": "eu-west-1a",
    "instanceType": "t3.micro",
    "imageId": "ami-99",
    "privateIp": "10.0.0.1",
}


@pytest.fixture
def metadata(monkeypatch):
    """An instance metadata service; `versions` says which versions of the protocol it speaks."""

    class Handler(BaseHTTPRequestHandler):
        versions = {1, 2}

        def do_PUT(self):
            self.answer(200 if 2 in self.versions else 404, b"the token")

        def do_GET(self):
            known = self.headers.get("X-aws-ec2-metadata-token") == "the token"
            allowed = 1 in self.versions or known
            self.answer(200 if allowed else 401, json.dumps(IDENTITY).encode())

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv(ec2.ENDPOINT_VARIABLE, f"http://127.0.0.1:{server.server_port}")
        yield Handler
        server.shutdown()
        thread.join()


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No metadata service, no container, no Beanstalk."""
    monkeypatch.setenv(ec2.ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    for mark in (
        "ECS_CONTAINER_METADATA_URI_V4",
        "ECS_CONTAINER_METADATA_URI",
        "AWS_EXECUTION_ENV",
    ):
        monkeypatch.delenv(mark, raising=False)
    monkeypatch.setattr(beanstalk, "CONF_PATH", str(tmp_path / "environment.conf"))
    return tmp_path


@pytest.mark.parametrize("versions", [{1}, {2}, {1, 2}])
def test_an_ec2_instance_is_recorded(recorder, sent, metadata, versions):
    metadata.versions = versions
    recorder.configure(plugins=("EC2Plugin",))
    eventually(lambda: recorder.environment)
    with recorder.in_segment():
        pass
    document = sent.documents[0]
    assert document["origin"] == "AWS::EC2::Instance"
    assert document["aws"]["ec2"] == {
        "instance_id": "i-1234",
        "availability_zone": "eu-west-1a",
        "instance_type": "t3.micro",
        "ami_id": "ami-99",
    }
    assert document["aws"]["xray"]["sdk"] == "xtrace for Python"


def test_off_aws_nothing_is_claimed(recorder, sent, nowhere):
    recorder.configure(plugins=["EC2Plugin", "ECSPlugin", "ElasticBeanstalkPlugin"])
    eventually(lambda: not any(t.name == "xtrace-environment" for t in threading.enumerate()))
    with recorder.in_segment():
        pass
    assert "origin" not in sent.documents[0]
    assert set(sent.documents[0]["aws"]) == {"xray"}


def test_a_container_on_ec2_is_a_container(recorder, sent, metadata, nowhere, monkeypatch):
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "http://127.0.0.1:9")
    recorder.configure(plugins=("ecs_plugin", "ec2_plugin"))
    assert recorder.origin == "AWS::ECS::Container"
    assert recorder.environment["ecs"]["container"]


def test_beanstalk_is_recognised_by_its_file(recorder, nowhere):
    (nowhere / "environment.conf").write_text('{"environment_name": "prod", "deployment_id": 7}')
    recorder.configure(plugins=("ElasticBeanstalkPlugin",))
    assert recorder.origin == "AWS::ElasticBeanstalk::Environment"
    assert recorder.environment == {
        "elastic_beanstalk": {"environment_name": "prod", "deployment_id": 7}
    }


def test_no_plugins_forgets_what_was_found(recorder, nowhere, monkeypatch):
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE")
    recorder.configure(plugins=("ECSPlugin",))
    recorder.configure(plugins=())
    assert (recorder.environment, recorder.origin) == ({}, None)


def test_an_unknown_plugin_is_an_error_that_says_what_to_type(recorder):
    with pytest.raises(ConfigurationError, match="Known: EC2Plugin, ECSPlugin"):
        recorder.configure(plugins=("EC3Plugin",))


def test_metadata_that_is_switched_off_is_not_asked_for(recorder, metadata, monkeypatch):
    monkeypatch.setenv(ec2.DISABLED_VARIABLE, "true")
    assert ec2.detect() is None
