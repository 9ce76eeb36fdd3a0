"""What every HTTP client's integration promises, of each client, patched alone and with all others."""

from __future__ import annotations

import asyncio
import re
import socket
import threading

import pytest
import trustme
import urllib3

import xtrace
from tests.helpers import eventually
from tests.integrations.clients.server import IPv6Server, Server, serving
from tests.marks import SECRET
from xtrace import faults
from xtrace.default import recorder
from xtrace.header import parse
from xtrace.integrations import _outgoing

HOST = "127.0.0.1"


def only(traces):
    """The one subsegment there is."""
    (call,) = traces.subsegments
    return call


def without_addresses(error):
    return re.sub(r"0x[0-9a-f]+", "0x", str(error))


def flags(call):
    return {flag for flag in ("error", "throttle", "fault") if call.get(flag)}


def configured(monkeypatch, **settings):
    for name, value in xtrace.settings.check(settings).items():
        monkeypatch.setattr(recorder, name, value)


# -- what is recorded ----------------------------------------------------------------------------


def test_a_call_is_one_subsegment(client, server, traces):
    with xtrace.in_segment("a") as segment:
        answer = client.get(f"{server.url}/status/200?token={SECRET}")
        assert recorder.get_trace_entity() is segment
    call = only(traces)
    assert answer[:2] == (200, b"hello")
    assert call["name"] == HOST
    assert call["namespace"] == "remote"
    assert call["http"] == {
        "request": {"method": "GET", "url": f"{server.url}/status/200"},
        "response": {"status": 200, "content_length": 5},
    }
    assert not flags(call)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(204, set()), (404, {"error"}), (429, {"error", "throttle"}), (500, {"fault"})],
)
def test_the_status_sets_the_flags_and_is_no_exception(client, server, traces, status, expected):
    with xtrace.in_segment("a"):
        assert client.get(f"{server.url}/status/{status}").status == status
    call = only(traces)
    assert call["http"]["response"]["status"] == status
    assert flags(call) == expected
    assert "cause" not in call


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_methods_and_bodies_go_through(client, server, traces, method):
    with xtrace.in_segment("a"):
        answer = client.get(server.url + "/status/200", method=method, body=SECRET.encode())
    assert answer.body == (b"" if method == "HEAD" else b"hello")
    assert server.seen[0][0] == only(traces)["http"]["request"]["method"] == method


def test_the_query_is_recorded_if_that_is_asked_for(client, server, traces, monkeypatch):
    configured(monkeypatch, redact=False)
    with xtrace.in_segment("a"):
        client.get(f"{server.url}/status/200?q=1")
    assert only(traces)["http"]["request"]["url"] == f"{server.url}/status/200?q=1"


def test_credentials_are_never_recorded(client, server, traces, monkeypatch):
    if client.name in ("urllib", "http_client"):
        pytest.skip("takes no credentials in URLs")
    configured(monkeypatch, redact=False)
    with xtrace.in_segment("a"):
        client.get(server.url.replace("//", f"//user:{SECRET}@") + "/status/200")
    assert only(traces)["http"]["request"]["url"] == f"{server.url}/status/200"


def test_a_path_that_is_not_ascii_and_a_long_one(client, server, traces):
    path = "/status/200/" + "x" * 400
    with xtrace.in_segment("a"):
        assert client.get(f"{server.url}/status/200/%C3%A9").status == 200
        assert client.get(server.url + path).status == 200
    first, second = (call["http"]["request"]["url"] for call in traces.subsegments)
    assert first.endswith("/status/200/%C3%A9")
    assert len(second) == 250 and second.startswith(f"{server.url}/status/200/xxx")


def test_a_host_that_is_a_number_of_ipv6(client, traces):
    try:
        server = IPv6Server(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with serving(server), xtrace.in_segment("a"):
        assert client.get(f"{server.url}/status/200").status == 200
    call = only(traces)
    assert call["name"] == "::1"
    assert call["http"]["request"]["url"] == f"{server.url}/status/200"
    assert server.url.startswith("http://[::1]:")


def test_over_tls(client, traces, tmp_path):
    import ssl

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    certificate = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(certificate)
    with serving(Server(tls=context)) as server, xtrace.in_segment("a"):
        made = client.make(str(certificate))
        url = server.url.replace(HOST, "localhost")
        assert client.get(f"{url}/status/200", client=made).status == 200
        if not asyncio.iscoroutinefunction(getattr(made, "close", None)):
            client.close(made)
    call = only(traces)
    assert call["name"] == "localhost"
    assert call["http"]["request"]["url"] == f"{url}/status/200"
    assert len(server.trace_headers) == 1


# -- the trace header --------------------------------------------------------------------------


def test_the_called_service_learns_the_call_s_id(client, server, traces):
    with xtrace.in_segment("a") as segment:
        client.get(f"{server.url}/status/200")
    (sent,) = map(parse, server.trace_headers)
    assert (sent.root, sent.parent, sent.sampled) == (
        segment.trace_id,
        only(traces)["id"],
        True,
    )


def test_an_unsampled_call_carries_the_decision(client, server, traces):
    with xtrace.in_segment("a", sampling=False) as segment:
        assert client.get(f"{server.url}/status/200").status == 200
        if client.follows:
            client.get(f"{server.url}/redirect")
    assert set(server.trace_headers) == {f"Root={segment.trace_id};Sampled=0"}
    assert traces.documents == []


def test_without_a_segment_nothing_is_added_and_nothing_said(client, server, traces, caplog):
    assert client.get(f"{server.url}/status/200").status == 200
    assert client.stream(f"{server.url}/stream", server.go.set) == b"firstsecond"
    assert server.headers() == [[], []]
    assert traces.documents == []
    assert [record for record in caplog.records if record.name == "xtrace"] == []


def test_switched_off_nothing_is_added(client, server, traces, monkeypatch):
    monkeypatch.setattr(recorder, "enabled", False)
    with xtrace.in_segment("a"):
        assert client.get(f"{server.url}/status/200").status == 200
    assert server.headers() == [[]]
    assert traces.documents == []


def test_w3c_s_header_is_sent_beside_ours_if_asked_for(client, server, traces, monkeypatch):
    configured(monkeypatch, traceparent=True)
    with xtrace.in_segment("a"):
        client.get(f"{server.url}/status/200", headers={"TraceParent": "theirs"})
    ((sent,),) = server.headers("traceparent")
    assert sent.split("-")[2] == only(traces)["id"]


@pytest.mark.parametrize("name", ["X-Amzn-Trace-Id", "x-amzn-trace-id"])
def test_a_header_of_the_application_is_replaced(client, server, traces, name):
    given = {name: "Root=1-00000001-000000000000000000000001", "X-Other": "1"}
    with xtrace.in_segment("a") as segment:
        client.get(f"{server.url}/status/200", headers=given)
    assert parse(server.trace_headers[0]).root == segment.trace_id
    assert server.headers("X-Other") == [["1"]]
    assert len(given) == 2 and given[name].startswith("Root=1-00000001")


def test_a_header_that_is_signed_stays(client, server, traces):
    given = {
        "x-amzn-trace-id": "Root=1-00000001-000000000000000000000001",
        "Authorization": "AWS4-HMAC-SHA256 SignedHeaders=host;x-amzn-trace-id, Signature=1",
    }
    with xtrace.in_segment("a"):
        client.get(f"{server.url}/status/200", headers=given)
    assert server.trace_headers == ["Root=1-00000001-000000000000000000000001"]
    assert only(traces)["http"]["response"]["status"] == 200


def test_a_header_of_the_application_stays_where_we_have_none(client, server, traces, monkeypatch):
    configured(monkeypatch, trace_header_targets="*.example")
    given = {"X-Amzn-Trace-Id": "Root=1-00000001-000000000000000000000001"}
    with xtrace.in_segment("a"):
        client.get(f"{server.url}/status/200", headers=given)
    assert server.trace_headers == list(given.values())


def test_what_came_in_is_carried_on_without_line_breaks(client, server, traces):
    came_in = parse("Root=1-00000001-000000000000000000000001;Lineage=a:1;Evil=a\r\nX-Evil: 1")
    with xtrace.in_segment("a\r\nX-Evil: 1", header=came_in):
        client.get(f"{server.url}/status/200")
    assert server.trace_headers[0].endswith(";Sampled=1;Lineage=a:1")
    assert server.headers("X-Evil") == [[]]


# -- hops ----------------------------------------------------------------------------------------


def test_redirects_are_hops_of_one_call(client, server, traces):
    if not client.follows:
        pytest.skip("follows no redirects")
    with xtrace.in_segment("a"):
        assert client.get(f"{server.url}/redirect?x=1").status == 200
    call = only(traces)
    assert call["http"]["request"]["url"] == f"{server.url}/redirect"
    assert call["http"]["response"]["status"] == 200
    assert [parse(value).parent for value in server.trace_headers] == [call["id"]] * 2
    hops = call["metadata"]["http"]["hops"]
    assert [hop["url"] for hop in hops] == [f"{server.url}/redirect", f"{server.url}/status/200"]
    assert [hop["method"] for hop in hops] == ["GET", "GET"]
    if client.name != "urllib":  # which keeps no history
        assert [hop["status"] for hop in hops] == [302, 200]


def test_redirects_without_end_are_one_failed_call(client, server, traces):
    if not client.follows:
        pytest.skip("follows no redirects")
    with xtrace.in_segment("a"):
        try:
            assert client.get(f"{server.url}/loop").status == 302
        except client.broken:
            pass
    call = only(traces)
    assert flags(call) == {"fault"} or client.name == "urllib"
    hops = call["metadata"]["http"]["hops"]
    assert len(hops) == len(server.seen)
    assert len({*server.trace_headers}) == 1


@pytest.mark.parametrize("listed", ["first", "second"])
def test_a_redirect_takes_the_header_to_listed_hosts_only(
    client, server, other_server, traces, monkeypatch, listed
):
    if not client.follows or client.__class__.__name__ == "Pool":
        pytest.skip("follows no redirects to other hosts")
    second = other_server.url.replace(HOST, "localhost")
    configured(monkeypatch, trace_header_targets=[HOST if listed == "first" else "localhost"])
    for sampling in (True, False):
        with xtrace.in_segment("a", sampling=sampling):
            assert client.get(f"{server.url}/redirect?to={second}/status/200").status == 200
    sent = [[len(each) for each in one.headers()] for one in (server, other_server)]
    assert sent == ([[1, 1], [0, 0]] if listed == "first" else [[0, 0], [1, 1]])
    assert only(traces)["name"] == HOST


@pytest.mark.parametrize("failing", [1, 9])
def test_retries_are_hops_of_one_call(client, server, traces, failing):
    if not client.retries:
        pytest.skip("doesn't try again")
    made = client.make(None, 2)
    with xtrace.in_segment("a"):
        try:
            client.get(f"{server.url}/flaky/{failing}", client=made)
        except client.broken:
            pass
    client.close(made)
    call = only(traces)
    assert {parse(value).parent for value in server.trace_headers} == {call["id"]}
    if failing == 1:
        assert not flags(call)
        assert [h["status"] for h in call["metadata"]["http"]["hops"]] == [503, 200]
    else:
        assert flags(call) == {"fault"}
        assert len(server.seen) == 3


# -- failures --------------------------------------------------------------------------------------


def test_a_refused_connection_is_a_fault_and_passes_unchanged(client, traces):
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        url = f"http://{HOST}:{unused.getsockname()[1]}/x"
        with pytest.raises(client.failures) as untraced:
            client.get(url)
        with xtrace.in_segment("a") as segment:
            with pytest.raises(client.failures) as traced:
                client.get(url)
            assert recorder.get_trace_entity() is segment
    call = only(traces)
    assert traced.type is untraced.type
    assert call["fault"] is True
    assert call["cause"]["exceptions"][0]["type"] == traced.type.__name__
    assert call["http"] == {"request": {"method": "GET", "url": url}}


@pytest.mark.parametrize("path", ["/wait", "/hang_up"])
def test_a_timeout_and_a_lost_connection_are_faults(client, server, traces, path):
    with xtrace.in_segment("a"), pytest.raises(Exception) as raised:  # noqa: PT011
        client.get(server.url + path, timeout=0.1 if path == "/wait" else None)
    call = only(traces)
    assert call["fault"] is True
    assert call["cause"]["exceptions"][0]["type"] == raised.type.__name__


def test_a_cancelled_call_is_no_fault(client, server, traces):
    if not client.cancelled:
        pytest.skip("isn't asynchronous")

    async def cancel():
        task = asyncio.ensure_future(client.aget(server.url + "/wait"))
        while not server.seen:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with xtrace.in_segment("a"):
        asyncio.run(cancel())
    call = only(traces)
    assert not flags(call)
    assert call["annotations"] == {"cancelled": client.cancelled}


def test_concurrent_calls_are_siblings(client, server, traces):
    if client.cancelled:

        async def several():
            await asyncio.gather(*(client.aget(f"{server.url}/status/200?{n}") for n in range(8)))

        with xtrace.in_segment("a") as segment:
            asyncio.run(several())
    else:

        def call():
            with recorder.attach(segment):
                client.get(f"{server.url}/status/200")

        with xtrace.in_segment("a") as segment:
            threads = [threading.Thread(target=call) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert len(traces.segment("a")["subsegments"]) == 8
    sent = {parse(value).parent for value in server.trace_headers}
    assert sent == {call["id"] for call in traces.subsegments}


@pytest.mark.parametrize(
    "url", ["http://[bad/", "http://", "http://127.0.0.1:99999/", "http://127.0.0.1:port/", "/"]
)
def test_a_bad_url_is_the_library_s_own_error(client, traces, url):
    with pytest.raises(Exception) as untraced:  # noqa: PT011
        xtrace.unpatch()
        client.get(url)
    xtrace.patch(client.name)
    with xtrace.in_segment("a") as segment:
        with pytest.raises(Exception) as traced:  # noqa: PT011
            client.get(url)
        assert recorder.get_trace_entity() is segment
    assert traced.type is untraced.type
    assert without_addresses(traced.value) == without_addresses(untraced.value)


# -- bodies --------------------------------------------------------------------------------------


def test_a_streamed_body_belongs_to_the_call(client, server, traces):
    during = []

    def meanwhile():
        during.append((recorder.get_trace_entity(), len(recorder.open)))
        server.go.set()

    with xtrace.in_segment("a") as segment:
        assert client.stream(f"{server.url}/stream", meanwhile) == b"firstsecond"
        assert len(recorder.open) == 1
    assert during == [(segment, 2)]
    call = only(traces)
    assert call["http"]["response"]["status"] == 200
    assert not flags(call)


def test_a_body_that_is_given_up_ends_the_call(client, server, traces):
    with xtrace.in_segment("a"):
        assert client.stream(f"{server.url}/stream", lambda: None, reads_on=False) == b"first"
        assert len(recorder.open) == 1
    assert not flags(only(traces))


def test_a_body_that_breaks_off_fails_as_ever(client, server, traces):
    if client.name == "requests" and urllib3.__version__.startswith("1."):
        pytest.skip("doesn't look at the length")
    with xtrace.in_segment("a"), pytest.raises(client.broken):
        client.get(f"{server.url}/broken")
    call = only(traces)
    assert flags(call) == {"fault"} or call["http"]["response"]["status"] == 200


def test_a_call_that_outlives_its_segment_is_sent_by_itself(client, server, traces):
    def meanwhile():
        segment.close()
        server.go.set()

    with xtrace.in_segment("a") as segment:
        client.stream(f"{server.url}/stream", meanwhile)
    (document,) = [d for d in traces.documents if d.get("type") == "subsegment"]
    assert document["parent_id"] == segment.id
    recorder.clear_trace_entities()  # asyncio.run() has a context of its own


# -- what isn't recorded -----------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", [HOST, "127.*", "*/status/*", f"{HOST}/status/200"])
def test_excluded_calls_are_left_alone(client, server, traces, monkeypatch, pattern):
    configured(monkeypatch, excluded_urls=pattern)
    with xtrace.in_segment("a"):
        assert client.get(f"{server.url}/status/200?x=1").status == 200
    assert server.headers() == [[]]
    assert traces.subsegments == []


def test_other_calls_are_not_excluded(client, server, traces, monkeypatch):
    configured(monkeypatch, excluded_urls=["*/health", "example.com"])
    with xtrace.in_segment("a"):
        client.get(f"{server.url}/status/200")
    assert only(traces)
    assert len(server.trace_headers) == 1


@pytest.mark.parametrize("pattern", ["{netloc}", "127.*"])
def test_a_call_is_named_by_what_is_known_of_its_host(client, server, traces, monkeypatch, pattern):
    netloc = server.url.partition("//")[2]
    named = {"example.com": "nobody", pattern.format(netloc=netloc): "orders", "*": "too late"}
    configured(monkeypatch, peer_names=named)
    with xtrace.in_segment("a"):
        client.get(f"{server.url}/status/200")
        configured(monkeypatch, peer_names={})
        client.get(f"{server.url}/status/200")
    first, second = traces.subsegments
    assert (first["name"], second["name"]) == ("orders", HOST)
    assert first["http"]["request"]["url"] == f"{server.url}/status/200"


# -- patching ----------------------------------------------------------------------------------------


def test_clients_made_before_patching_are_traced(client, server, traces):
    xtrace.unpatch()
    made = client.make()
    xtrace.patch(client.name)
    with xtrace.in_segment("a"):
        client.get(f"{server.url}/status/200", client=made)
    assert only(traces)
    if not client.cancelled:
        client.close(made)


def test_unpatched_in_the_middle_of_a_call(client, server, traces):
    def meanwhile():
        xtrace.unpatch()
        server.go.set()

    with xtrace.in_segment("a"):
        assert client.stream(f"{server.url}/stream", meanwhile) == b"firstsecond"
        assert client.get(f"{server.url}/status/200").status == 200
    assert server.headers()[1] == []
    recorder.flush()
    assert len({call["id"] for call in traces.subsegments}) <= 1


INSIDE = [
    "_look_at",
    "_write",
    "_left",
    "_describe_hops",
    "Call.begin",
    "Call.__enter__",
    "Call.__exit__",
    "Call.apply_status_code",
    "Body.__init__",
    "urljoin",
]


@pytest.mark.parametrize("broken", INSIDE)
def test_our_own_failures_do_not_reach_the_caller(
    client, server, traces, monkeypatch, lenient_faults, broken
):
    def fail(*args, **kwargs):
        raise RuntimeError("ours")

    _outgoing._origins.clear()
    monkeypatch.setattr(f"xtrace.integrations._outgoing.{broken}", fail)
    with xtrace.in_segment("a") as segment:
        assert client.get(f"{server.url}/status/404")[:2] == (404, b"hello")
        if client.follows:
            assert client.get(f"{server.url}/redirect")[:2] == (200, b"hello")
        server.go.set()
        assert client.stream(f"{server.url}/stream", lambda: None) == b"firstsecond"
        assert recorder.get_trace_entity() is segment
    if broken == "_look_at":
        assert faults.counts["http"] > 0


def test_injecting_may_fail(client, server, traces, monkeypatch, lenient_faults):
    def fail(*args, **kwargs):
        raise RuntimeError("ours")

    monkeypatch.setattr(type(recorder), "inject", fail)
    with xtrace.in_segment("a"):
        assert client.get(f"{server.url}/status/404")[:2] == (404, b"hello")
    assert len(traces.subsegments) <= 1


def test_nothing_is_left_open(client, server, traces):
    with xtrace.in_segment("a"):
        for path in ("/status/200", "/status/500", "/redirect"):
            client.get(server.url + path)
    eventually(lambda: not recorder.open)


def test_inside_a_call_of_the_library_above_every_client_is_silent(client, server, traces):
    """As under an AWS client, which makes its requests with one of these."""
    with xtrace.in_segment("a"):
        call = _outgoing.outgoing(0, _outgoing.EVERY_LAYER, "POST", "https://aws.example/")
        assert client.get(f"{server.url}/status/200").status == 200
        assert client.stream(f"{server.url}/stream", server.go.set) == b"firstsecond"
        _outgoing.finished(call)
    assert only(traces)["name"] == "aws.example"
    assert server.headers() == [[], []]
