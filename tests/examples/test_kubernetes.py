"""The manifests are valid, fit together, and ask for no more than they need; so does the image.

There is no cluster here and no Docker: what only these can show isn't shown.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import kubernetes_validate
import pytest
import yaml

from tests.examples.conftest import SHOP

FOLDER = SHOP / "kubernetes"
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml")
OLDEST = "1.29"
OURS = "anycompany-shop:1"
NODE_ADDRESS = {"name": "AWS_XRAY_DAEMON_ADDRESS", "value": "$(HOST_IP):2000"}

# cpu request and limit, memory request and limit
RESOURCES = {
    "frontend": ("500m", "1000m", "256Mi", "1024Mi"),
    "catalogservice": ("800m", "1500m", "128Mi", "128Mi"),
    "cartservice": ("100m", "200m", "64Mi", "128Mi"),
    "orderservice": ("100m", "200m", "64Mi", "128Mi"),
    "recommenderservice": ("100m", "200m", "64Mi", "128Mi"),
    "imageservice": ("150m", "250m", "256Mi", "512Mi"),
    "redis": ("75m", "125m", "64Mi", "128Mi"),
    "loadgen": ("128m", "500m", "128Mi", "256Mi"),
}


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


EVERYTHING = [(path, each) for path in FILES for each in documents(path)]
WORKLOADS = [
    pytest.param(path, each, id=f"{path.stem}-{each['metadata']['name']}")
    for path, each in EVERYTHING
    if each["kind"] in {"Deployment", "DaemonSet"}
]


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def containers_of(workload):
    pod = pod_of(workload)
    return [*pod.get("initContainers", ()), *pod["containers"]]


def named(kind, folder=FOLDER):
    return {
        each["metadata"]["name"]: each
        for path, each in EVERYTHING
        if each["kind"] == kind and path.parent == folder
    }


# -- valid


@pytest.mark.parametrize("version", [OLDEST, None], ids=["oldest", "newest"])
@pytest.mark.parametrize(
    ("path", "document"),
    [pytest.param(p, d, id=f"{p.stem}-{d['kind']}-{d['metadata']['name']}") for p, d in EVERYTHING],
)
def test_it_is_what_kubernetes_knows(path, document, version):
    version = version or kubernetes_validate.latest_version()
    kubernetes_validate.validate(document, version, strict=True)


def test_what_kubernetes_does_not_know_would_be_seen():
    (wrong,) = (each for path, each in EVERYTHING if path.name == "config.yaml")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**wrong, "dta": {}}, OLDEST, strict=True)


def test_the_kustomization_has_every_file_but_the_randomizer():
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    there = {path.name for path in FOLDER.glob("*.yaml")}
    assert len(listed) == len(set(listed))
    assert set(listed) == there - {"kustomization.yaml", "randomizer.yaml"}


# -- fits together


@pytest.mark.parametrize(("path", "workload"), WORKLOADS)
def test_selectors_volumes_and_accounts_are_there(path, workload):
    template = workload["spec"]["template"]
    assert (
        workload["spec"]["selector"]["matchLabels"].items()
        <= template["metadata"]["labels"].items()
    )
    pod = pod_of(workload)
    volumes = {volume["name"] for volume in pod.get("volumes", ())}
    for container in containers_of(workload):
        assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes
    names = {each["metadata"]["name"] for p, each in EVERYTHING if p == path}
    if "serviceAccountName" in pod:
        assert pod["serviceAccountName"] in names


def test_services_lead_to_ports_of_pods():
    workloads = [each for _, each in EVERYTHING if each["kind"] in {"Deployment", "DaemonSet"}]
    for name, service in named("Service").items():
        pods = [
            each["spec"]["template"]
            for each in workloads
            if service["spec"]["selector"].items()
            <= each["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert pods, name
        ports = {
            port["name"] for each in pods[0]["spec"]["containers"] for port in each.get("ports", ())
        }
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_configuration_names_services_that_are_there():
    data = named("ConfigMap")["services-environment-config"]["data"]
    endpoints = {value for key, value in data.items() if key.endswith("_ENDPOINT")}
    hosts = {re.sub(r"^redis://|:\d+.*$", "", endpoint) for endpoint in endpoints}
    assert hosts <= named("Service").keys()
    assert data["AWS_ENDPOINT_URL"].startswith("http://aws:")
    assert data["XTRACE_SAMPLING_RULES"].startswith("/app/shop/")
    assert (SHOP / data["XTRACE_SAMPLING_RULES"].rpartition("/")[2]).exists()


@pytest.mark.parametrize(("path", "workload"), WORKLOADS)
def test_the_image_understands_what_it_is_told(path, workload):
    from services import SERVICES

    from xtrace.cli import collector

    for container in containers_of(workload):
        if container["image"] != OURS:
            continue
        if "command" in container:
            python, file, *_ = container["command"]
            assert python == "python"
            assert (SHOP / file.removeprefix("/app/shop/")).exists()
            continue
        what, *rest = container["args"]
        if what == "collector":
            parser = argparse.ArgumentParser(exit_on_error=False)
            collector.add_arguments(parser)
            parser.parse_args(rest)
            continue
        assert what in {*SERVICES, "standins"}
        ports = [port["containerPort"] for port in container.get("ports", ())]
        assert [int(word) for word in rest if word.isdigit()] == ports


@pytest.mark.parametrize("service", ["frontend", "catalogservice", "cartservice", "orderservice",
                                     "recommenderservice", "imageservice"])  # fmt: skip
def test_a_service_sends_to_its_node_and_is_probed(service):
    from services import SERVICES

    for container in pod_of(named("Deployment")[service])["containers"]:
        host, daemon = container["env"]
        assert host["valueFrom"]["fieldRef"]["fieldPath"] == "status.hostIP"
        assert daemon == NODE_ADDRESS
        if "ports" in container:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["path"] == SERVICES[service].health


def test_the_node_has_a_collector_on_its_own_port_for_prometheus_to_see():
    collector = named("DaemonSet")["collector"]
    (container,) = pod_of(collector)["containers"]
    assert {(port["protocol"], port["hostPort"]) for port in container["ports"]} == {
        ("UDP", 2000),
        ("TCP", 2000),
    }
    notes = collector["spec"]["template"]["metadata"]["annotations"]
    assert notes == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "2000",
        "prometheus.io/path": "/metrics",
    }


@pytest.mark.parametrize("name", ["xray-daemon", "cloudwatch-agent", "adot"])
def test_instead_of_the_collector_others_listen_on_the_same_port(name):
    found = documents(FOLDER / "instead" / f"{name}.yaml")
    (workload,) = (each for each in found if each["kind"] == "DaemonSet")
    (container,) = pod_of(workload)["containers"]
    assert [port["hostPort"] for port in container["ports"]] == [2000, 2000]
    (config,) = (each for each in found if each["kind"] == "ConfigMap")
    ((file, text),) = config["data"].items()
    settings = json.loads(text) if file.endswith(".json") else yaml.safe_load(text)
    assert str(settings).count("0.0.0.0:2000") == 2


# -- no more than it needs


@pytest.mark.parametrize(("path", "workload"), WORKLOADS)
def test_nobody_is_root_or_may_become_it(path, workload):
    pod = pod_of(workload)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 999
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not any("hostPath" in volume for volume in pod.get("volumes", ()))
    for container in containers_of(workload):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        # The CloudWatch agent writes beside itself, and says so.
        assert context["readOnlyRootFilesystem"] is (path.name != "cloudwatch-agent.yaml")
    if path.name != "randomizer.yaml" and path.parent == FOLDER:
        assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("path", "workload"), WORKLOADS)
def test_everything_has_limits(path, workload):
    for container in containers_of(workload):
        for kind in ("requests", "limits"):
            assert container["resources"][kind].keys() == {"cpu", "memory"}
    name = workload["metadata"]["name"]
    if name in RESOURCES:
        found = pod_of(workload)["containers"][0]["resources"]
        kinds = [(kind, what) for what in ("cpu", "memory") for kind in ("requests", "limits")]
        assert tuple(found[kind][what] for kind, what in kinds) == RESOURCES[name]


def test_no_role_goes_beyond_its_namespace():
    kinds = [each["kind"] for _, each in EVERYTHING]
    assert not any(kind.startswith("ClusterRole") for kind in kinds)
    assert named("Role")["randomizer"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "delete"]}
    ]


def test_no_file_has_a_key():
    for path in FILES:
        assert not re.search(r"kind: Secret$", path.read_text(), re.MULTILINE)


# -- the image


def test_the_image_is_made_of_files_that_are_there_and_is_not_root():
    root = SHOP.parents[1]
    lines = (SHOP / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    allowed = [
        line.removeprefix("!")
        for line in (SHOP / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [shlex.split(words)[:-1] for step, words in steps if step == "COPY"]
    sources = [source for words in copied if not words[0].startswith("--") for source in words]
    for source in sources:
        assert (root / source).exists(), source
        assert any(source == each for each in allowed), source
    (user,) = (words for step, words in steps if step == "USER")
    assert int(user.partition(":")[0]) == 10001
    (entry,) = (json.loads(words) for step, words in steps if step == "ENTRYPOINT")
    assert entry == ["python", "/app/shop/serve.py"]


def test_what_the_image_installs_is_pinned():
    root = SHOP.parents[1]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (root / "tests" / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    for line in (root / "examples" / "requirements.txt").read_text().splitlines():
        name = re.split(r"[\[ #]", line)[0]
        assert not name or name in pinned


# -- the dashboard, the logs, the randomizer


def test_the_dashboard_asks_for_what_the_collector_tells():
    import httpx

    import xtrace
    from xtrace.collector import running

    recorder = xtrace.Recorder(service="Frontend", sampling=False)
    with running() as collector:
        recorder.configure(daemon_address=collector.address)
        with recorder.in_segment():
            pass
        collector.flush()
        told = httpx.get(f"{collector.url}/metrics", trust_env=False).text
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(r"xtrace_\w+", query)}
    assert len(asked) > 12
    assert asked <= set(re.findall(r"^(xtrace_\w+)", told, re.MULTILINE))
    variables = {each["name"] for each in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\}?", json.dumps(dashboard["panels"])))
    assert used <= variables
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)


def test_every_line_of_a_log_is_an_object_with_its_trace(monkeypatch):
    import httpx
    from launcher import Shop

    monkeypatch.setenv("LOG_FORMAT", "json")
    with Shop(free_ports=True, sample_all=True, seed=1) as shop:
        order = f"http://127.0.0.1:{shop.port('orderservice')}/api/v1/order"
        answer = httpx.post(order, json={}, trust_env=False)
        assert answer.status_code == 400
        lines = shop.programs["orderservice"].log.read_text().splitlines()
        for name in ("catalogservice", "cartservice", "recommenderservice", "worker"):
            lines += shop.programs[name].log.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert all({"timestamp", "level", "message"} <= record.keys() for record in records)
    (warned,) = (each for each in records if each["level"] == "WARNING")
    assert warned["trace_id"] in answer.headers["X-Amzn-Trace-Id"]


class Api(BaseHTTPRequestHandler):
    """A stand-in for the two operations of the Kubernetes API that the randomizer needs."""

    deleted: list[str]

    def do_GET(self):
        assert self.path == "/api/v1/namespaces/shop/pods?labelSelector=product%3Dstorefront"
        assert self.headers["Authorization"] == "Bearer token"
        pods = {"cart-1": "Running", "cart-2": "Pending"}
        items = [{"metadata": {"name": n}, "status": {"phase": p}} for n, p in pods.items()]
        self.answer({"items": [] if self.deleted else items})

    def do_DELETE(self):
        self.deleted.append(self.path)
        self.answer({})

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def test_the_randomizer_deletes_a_running_pod_of_the_shop():
    from randomizer import delete_one

    handler = type("Handler", (Api,), {"deleted": []})
    with HTTPServer(("127.0.0.1", 0), handler) as api:
        threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = f"http://127.0.0.1:{api.server_port}"
        try:
            assert delete_one(url, "shop", "token", False) == "cart-1"
            assert handler.deleted == ["/api/v1/namespaces/shop/pods/cart-1"]
            assert delete_one(url, "shop", "token", False) is None
        finally:
            api.shutdown()
