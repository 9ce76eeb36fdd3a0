"""Where the process runs, against stand-ins of the metadata services on the loopback."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.helpers import DEADLINE_SECONDS, eventually
from xtrace import environment
from xtrace.environment import _fetch, beanstalk, ec2, ecs, eks
from xtrace.errors import ConfigurationError

IDENTITY = {
    "instanceId": "i-1234",
    "availabilityZone": "eu-west-1a",
    "instanceType": "t3.micro",
    "imageId": "ami-99",
    "privateIp": "10.0.0.1",
}


TASK = "arn:aws:ecs:eu-west-1:111122223333:task/blue/158d1c8083dd49d6b527399fd6414f5c"
CONTAINER = "arn:aws:ecs:eu-west-1:111122223333:container/05966557-f16c-49cb-9352-24b3a0dcd0e1"
ECS_ANSWERS = {
    "/v4/1": {"DockerId": "cd189a933e5849da", "ContainerARN": CONTAINER, "LaunchType": "EC2"},
    "/v4/1/task": {
        "Cluster": "blue",
        "TaskARN": TASK,
        "Family": "web",
        "LaunchType": "FARGATE",
        "AvailabilityZone": "eu-west-1b",
    },
}


@pytest.fixture(autouse=True)
def nothing_known():
    """Answers that the process had before."""
    environment._answers.clear()
    yield
    threads = [t for t in threading.enumerate() if t.name == "xtrace-environment"]
    for thread in threads:
        thread.join()
    environment._answers.clear()


def serving(answers, context=None):
    """A server that gives these answers by path, and keeps what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            body = json.dumps(answers.get(self.path)).encode()
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, asked, stop


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
        "CLUSTER_NAME",
        "LAMBDA_TASK_ROOT",
        eks.KUBERNETES,
        *eks.EKS_MARKS,
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
    assert ec2.detect() == (None, None)


def test_a_task_of_ecs_says_whose_it_is(recorder, nowhere, monkeypatch):
    port, asked, stop = serving(ECS_ANSWERS)
    monkeypatch.setenv(ecs.METADATA_VARIABLE, f"http://127.0.0.1:{port}/v4/1")
    recorder.configure(plugins=("ECSPlugin",))
    assert recorder.environment == {"ecs": {"container": socket.gethostname()}}
    eventually(lambda: len(recorder.environment["ecs"]) > 1)
    recorder.configure(plugins=("ECSPlugin",))
    assert recorder.environment["ecs"] == {
        "container": socket.gethostname(),
        "container_id": "cd189a933e5849da",
        "container_arn": CONTAINER,
        "cluster_arn": "arn:aws:ecs:eu-west-1:111122223333:cluster/blue",
        "task_arn": TASK,
        "task_family": "web",
        "availability_zone": "eu-west-1b",
        "launch_type": "FARGATE",
    }
    stop()
    assert len(asked) == 2  # once for the life of the process


@pytest.mark.parametrize("answers", [{}, {"/v4/1": [1]}, {"/v4/1": {"DockerId": 7}}])
def test_metadata_of_another_kind_is_left_out(recorder, nowhere, monkeypatch, answers):
    port, asked, stop = serving(answers)
    monkeypatch.setenv(ecs.METADATA_VARIABLE, f"http://127.0.0.1:{port}/v4/1")
    recorder.configure(plugins=("ECSPlugin",))
    eventually(lambda: not any(t.name == "xtrace-environment" for t in threading.enumerate()))
    stop()
    assert asked
    assert recorder.environment == {"ecs": {"container": socket.gethostname()}}


def token(issuer):
    claims = base64.urlsafe_b64encode(json.dumps({"iss": issuer}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2lnbmF0dXJl"


@pytest.fixture
def pod(nowhere, monkeypatch):
    """A pod, with the files that Kubernetes and the kernel put there."""
    container = "7be92808767a667f35c8505cbf40d14e931ef6db5b0210329cf193b15ba9d605"
    (nowhere / "token").write_text(token("https://oidc.eks.eu-west-1.amazonaws.com/id/D48675"))
    (nowhere / "cgroup").write_text(f"0::/kubepods.slice/cri-containerd-{container}.scope\n")
    (nowhere / "mountinfo").write_text("")
    monkeypatch.setattr(eks, "ACCOUNT_FOLDER", str(nowhere))
    monkeypatch.setattr(eks, "PROC_FOLDER", str(nowhere))
    monkeypatch.setenv(eks.KUBERNETES, "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
    monkeypatch.setenv("HOSTNAME", "web-5d8c-x7")
    monkeypatch.setenv("CLUSTER_NAME", "green")
    return nowhere


POD = {
    "cluster_name": "green",
    "pod": "web-5d8c-x7",
    "container_id": "7be92808767a667f35c8505cbf40d14e931ef6db5b0210329cf193b15ba9d605",
}


def test_a_pod_of_eks_says_where_it_is(recorder, sent, pod):
    recorder.configure(plugins=("EKSPlugin",))
    with recorder.in_segment():
        pass
    assert sent.documents[0]["origin"] == "AWS::EKS::Container"
    assert sent.documents[0]["aws"]["eks"] == POD


def test_the_container_is_found_in_the_other_list_too(pod):
    (pod / "cgroup").write_text("0::/\n")
    (pod / "mountinfo").write_text(
        f"1 2 0:3 /x/sandboxes/{'a' * 64}/hostname /etc/hostname rw\n"
        f"1 2 0:3 /var/lib/docker/containers/{POD['container_id']}/hostname /etc/hostname rw\n"
    )
    assert eks.detect()[0][1]["container_id"] == POD["container_id"]
    (pod / "mountinfo").unlink()
    assert "container_id" not in eks.detect()[0][1]


def test_the_clusters_name_is_asked_for(recorder, pod, monkeypatch):
    monkeypatch.delenv("CLUSTER_NAME")
    authority = pytest.importorskip("trustme").CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(pod / "ca.crt"))
    port, asked, stop = serving(
        {eks.CLUSTER_INFO: {"data": {"cluster.name": "green", "logs.region": "eu-west-1"}}}, context
    )
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
    recorder.configure(plugins=("EKSPlugin",))
    assert recorder.origin == "AWS::EKS::Container"
    eventually(lambda: recorder.environment["eks"] == POD)
    stop()
    assert asked == [(eks.CLUSTER_INFO, f"Bearer {(pod / 'token').read_text()}")]


@pytest.mark.parametrize("content", [token("https://kubernetes.default.svc"), "x", "a.b.c", ""])
def test_another_kubernetes_is_not_eks(pod, monkeypatch, content):
    (pod / "token").write_text(content)
    assert eks.detect() == (None, None)
    (pod / "token").unlink()
    assert eks.detect() == (None, None)
    monkeypatch.setenv(
        "AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
    )
    assert eks.detect()[0] is not None


def test_the_most_specific_place_is_the_origin(recorder, metadata, pod, monkeypatch):
    every = ("EC2Plugin", "ECSPlugin", "EKSPlugin", "ElasticBeanstalkPlugin")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_ECS_EC2")
    (pod / "environment.conf").write_text('{"environment_name": "prod"}')
    monkeypatch.setenv(ec2.ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    origins = []
    for last in range(len(every), 0, -1):
        recorder.configure(plugins=every[:last])
        origins.append(recorder.origin)
    assert origins == [
        "AWS::ElasticBeanstalk::Environment",
        "AWS::EKS::Container",
        "AWS::ECS::Container",
        None,
    ]


@pytest.fixture
def black_hole(monkeypatch):
    """A metadata address that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        monkeypatch.setenv(ec2.ENDPOINT_VARIABLE, f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield listener


def test_an_address_that_never_answers_delays_nothing(recorder, sent, black_hole, monkeypatch):
    monkeypatch.setattr(_fetch, "CAP_SECONDS", 60.0)
    begin = time.thread_time()
    recorder.configure(plugins=("EC2Plugin",))
    with recorder.in_segment():
        pass
    assert time.thread_time() - begin < 1.0
    assert len(sent.documents) == 1
    asking = [t for t in threading.enumerate() if t.name == "xtrace-environment"]
    assert len(asking) == 1 and asking[0].daemon
    for _ in range(2):
        black_hole.accept()[0].close()


def test_an_answer_is_waited_for_at_most_so_long(recorder, black_hole):
    assert _fetch.CAP_SECONDS <= 0.3
    begin = time.monotonic()
    assert ec2.ask() is None
    assert time.monotonic() - begin < 5.0


def test_an_answer_in_drops_is_given_up(monkeypatch):
    monkeypatch.setattr(_fetch, "CAP_SECONDS", 0.1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def drip():
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
                try:
                    while True:
                        peer.sendall(b"x")
                        time.sleep(0.02)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(OSError, match=r"slowly|timed out"):
            _fetch.fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()


def test_what_came_too_late_does_not_count(recorder, metadata, monkeypatch):
    reached, go_on = threading.Event(), threading.Event()

    def ask():
        reached.set()
        go_on.wait(DEADLINE_SECONDS)
        return "ec2", {"instance_id": "i-1"}, ec2.ORIGIN

    monkeypatch.setattr(ec2, "ask", ask)
    recorder.configure(plugins=("EC2Plugin",))
    assert reached.wait(DEADLINE_SECONDS)
    recorder.configure(plugins=())
    go_on.set()
    eventually(lambda: environment._answers)
    eventually(lambda: not any(t.name == "xtrace-environment" for t in threading.enumerate()))
    assert (recorder.environment, recorder.origin) == ({}, None)


def test_on_lambda_nothing_is_looked_for(recorder, metadata, monkeypatch):
    monkeypatch.setenv("LAMBDA_TASK_ROOT", "/var/task")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_ECS_EC2")
    recorder.configure(plugins=("EC2Plugin", "ECSPlugin"))
    assert not any(t.name == "xtrace-environment" for t in threading.enumerate())
    assert (recorder.environment, recorder.origin) == ({}, None)
