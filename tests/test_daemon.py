"""The forms of the daemon's address."""

from __future__ import annotations

import pytest

from xtrace.daemon import DaemonAddress, endpoint, endpoint_text, parse
from xtrace.errors import InvalidAddress

LOCAL = ("127.0.0.1", 2000)


@pytest.mark.parametrize(
    ("value", "udp", "tcp"),
    [
        ("127.0.0.1:2000", LOCAL, LOCAL),
        ("xray-daemon:2000", ("xray-daemon", 2000), ("xray-daemon", 2000)),
        ("xray.example.com.:65535", ("xray.example.com.", 65535), ("xray.example.com.", 65535)),
        ("tcp:a:1 udp:b:2", ("b", 2), ("a", 1)),
        ("udp:b:2 tcp:a:1", ("b", 2), ("a", 1)),
        ("TCP:a:1 UDP:b:2", ("b", 2), ("a", 1)),
        ("tcp://a:1 udp://b:2", ("b", 2), ("a", 1)),
        ("  tcp:a:1 \t udp:b:2\n", ("b", 2), ("a", 1)),
        ("  127.0.0.1:2000 ", LOCAL, LOCAL),
        ("[::1]:2000", ("::1", 2000), ("::1", 2000)),
        ("tcp:[::1]:1 udp:[fe80::1%eth0]:2", ("fe80::1%eth0", 2), ("::1", 1)),
    ],
)
def test_an_address_is_read_as(value, udp, tcp):
    assert parse(value) == DaemonAddress(udp, tcp)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "junk",
        "127.0.0.1",
        "127.0.0.1:",
        ":2000",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:70000",
        "127.0.0.1:-1",
        "127.0.0.1:http",
        "127.0.0.1:²",
        "127.0.0.1:" + "9" * 5000,
        "127.0.0.1:2000:junk",
        "127.0.0.1 :2000",
        "::1:2000",
        "[::1]",
        "[::1]2000",
        "[::1:2000",
        "[]:2000",
        "http://127.0.0.1:2000",
        "tcp:127.0.0.1:2000",
        "udp:127.0.0.1:2000",
        "tcp:a:1 tcp:b:2",
        "tcp:a:1 b:2",
        "a:1 b:2",
        "tcp:a:1 udp:b:2 udp:c:3",
        "tcp:a:1,udp:b:2",
        "tcp:a udp:b:2",
        7,
        None,
        ("127.0.0.1", 2000),
    ],
)
def test_an_address_that_cannot_be_read_is_named_with_what_to_write(value):
    with pytest.raises(InvalidAddress) as caught:
        parse(value, "AWS_XRAY_DAEMON_ADDRESS")
    message = str(caught.value)
    assert message.startswith(f"AWS_XRAY_DAEMON_ADDRESS is {value!r}")
    assert "127.0.0.1:2000" in message or "from 1 to 65535" in message


@pytest.mark.parametrize(
    "value", ["127.0.0.1:2000", "[::1]:2000", "tcp:a:1 udp:b:2", "tcp:[::1]:1 udp:[::1]:2"]
)
def test_an_address_is_written_as_it_is_read(value):
    assert str(parse(value)) == value
    assert parse(str(parse(value))) == parse(value)


def test_addresses_that_are_the_same_are_equal():
    assert parse("tcp:a:1 udp:a:1") == parse("a:1")
    assert hash(parse("tcp:a:1 udp:a:1")) == hash(parse("a:1"))
    assert parse("a:1") != parse("a:2")
    assert parse("a:1") != "a:1"


def test_an_endpoint_is_read_and_written():
    assert endpoint("//[::1]:80", "udp://[::1]:80", "emitter") == ("::1", 80)
    assert endpoint_text(("::1", 80)) == "[::1]:80"
    assert endpoint_text(("a", 80)) == "a:80"
