"""Documents to an OTLP/HTTP endpoint, as spans.

Configured by a URL and by the variables OTEL_EXPORTER_OTLP_*, whose meaning OpenTelemetry has
written down ("OpenTelemetry Protocol Exporter"): headers, protocol, compression, timeout, certificates.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import ssl
import time
from typing import NamedTuple
from urllib.parse import unquote

from .. import ids
from .._version import __version__
from ..otlp import encoding
from ..otlp.mapping import Refused, service_of, spans_of
from . import CLIENT_ERROR, SERVER_ERROR, Outcome, Parcel, retry
from .http import NEEDS, Client, Unreachable, place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Protocol

    from ..otlp.mapping import Attribute, Service
    from .http import Answer
    from .xray import Signer

    class Services(Protocol):
        """Knows which service a subsegment belongs to that comes alone."""

        def learn(self, document: dict[str, Any]) -> None:
            """Remember what a document says."""
            ...

        def of(self, document: dict[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
            """The service of a subsegment's document, as in a Parcel."""
            ...


DEFAULT_ENDPOINT = "http://localhost:4318"
TRACES_PATH = "/v1/traces"
SECONDS = 10.0
"""For a request, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise."""
RETRYABLE = frozenset((429, 502, 503, 504))
"""Statuses after which the same request may be sent again; after no others, as OTLP has it."""

REJECTED = "rejected by the backend"
NO_SPAN = "no OTLP span"
"""Reason for a drop: ids or times that OTLP has no form for."""
TOO_LARGE = "too large for the backend"

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""Uncompressed; AWS takes 5 MB, others mostly 4 MiB or more."""
MAX_HELD = 1000
MAX_HELD_BYTES = 4 * 1024 * 1024
"""Spans in progress that are held back until they have ended, and their documents."""

_MIN_GZIP_BYTES = 1024
_SECONDS_AT_A_STRETCH = 0.0005
_MAX_SERVICES = 1000
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ENCODINGS = {
    "http/protobuf": encoding.PROTOBUF,
    "http/json": encoding.JSON,
}


class OtlpError(ValueError):
    """What is wrong with how an endpoint is configured, and what to write instead."""


class Options(NamedTuple):
    """How requests are made.

    headers: added to each. protocol: "http/protobuf" or "http/json". compression: "gzip" or
    "none". timeout: seconds for a request. certificate: file with the CAs that are trusted.
    client_certificate, client_key: files with which we say who we are. resource: attributes of
    every resource.
    """

    headers: dict[str, str]
    protocol: str
    compression: str
    timeout: float
    certificate: str | None
    client_certificate: str | None
    client_key: str | None
    resource: dict[str, str]


def options(environment: Mapping[str, str] = os.environ) -> Options:
    """What OTEL_EXPORTER_OTLP_* and OTEL_RESOURCE_ATTRIBUTES say. Raises OtlpError.

    A variable with TRACES in its name wins: OTEL_EXPORTER_OTLP_TRACES_HEADERS.
    """

    def said(name: str) -> str | None:
        for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
            value = environment.get(variable, "").strip()
            if value:
                return value
        return None

    protocol = said("PROTOCOL") or "http/protobuf"
    if protocol not in _ENCODINGS:
        raise OtlpError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}. Write http/protobuf or http/json; "
            "there is no gRPC here, and every backend with it has HTTP on another port (4318)."
        )
    compression = said("COMPRESSION") or "gzip"
    if compression not in ("gzip", "none"):
        raise OtlpError(f"OTEL_EXPORTER_OTLP_COMPRESSION is {compression!r}. Write gzip or none.")
    timeout = said("TIMEOUT") or "10000"
    if not (timeout.isascii() and timeout.isdigit() and len(timeout) < 10 and int(timeout)):
        raise OtlpError(
            f"OTEL_EXPORTER_OTLP_TIMEOUT is {timeout!r}. Write milliseconds, as in 10000."
        )
    headers = _pairs(said("HEADERS") or "", "OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not value.isascii():
            raise OtlpError(
                f"OTEL_EXPORTER_OTLP_HEADERS has {name!r}, which can't be sent as a header: names are "
                "letters, digits and hyphens, and values are ASCII."
            )
    return Options(
        headers,
        protocol,
        compression,
        int(timeout) / 1000,
        said("CERTIFICATE"),
        said("CLIENT_CERTIFICATE"),
        said("CLIENT_KEY"),
        _pairs(
            environment.get("OTEL_RESOURCE_ATTRIBUTES", ""),
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        ),
    )


def _pairs(text: str, variable: str, example: str) -> dict[str, str]:
    """ "key=value,key=value", percent-encoded."""
    found = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        key, value = unquote(key.strip()), unquote(value.strip())
        if not equals or not key or not (key + value).isprintable():
            raise OtlpError(
                f"{variable} has {part.strip()!r}. Write key=value with commas between, as in "
                f"{example}."
            )
        found[key] = value
    return found


def endpoint_of(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """Where spans are posted to: "http://host:4318/v1/traces". Raises OtlpError.

    url: "otlp+http://host:4318", perhaps with a path, which /v1/traces is added to unless it ends
    so; "otlp+http:" for what OTEL_EXPORTER_OTLP_ENDPOINT says.
    """
    scheme, _, rest = url.partition(":")
    if rest.strip("/"):
        target = f"{scheme.lower().removeprefix('otlp+')}:{rest}"
    else:
        whole = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
        target = whole or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
        target = target or DEFAULT_ENDPOINT
    try:
        place = place_of(target)
    except ValueError as error:
        raise OtlpError(
            f"{target!r} {error}. Write otlp+http://host:4318 or otlp+https://host:4318."
        ) from None
    path = place.path
    if not path.endswith(TRACES_PATH) and not (not rest.strip("/") and whole and path):
        path += TRACES_PATH
    return f"{place.scheme}://{place.authority}{path}"


class _Made(NamedTuple):
    """The spans of a document, encoded.

    key: of the resource that they belong to. refused: how many entities are no spans.
    """

    parcel: Parcel
    key: str
    resource: bytes
    spans: list[bytes]
    refused: int
    encoding: encoding.Encoding

    @property
    def size(self) -> int:
        return sum(map(len, self.spans))

    @property
    def entities(self) -> int:
        return self.parcel.entities - self.refused


class OtlpBackend:
    """Posts spans to an OTLP/HTTP endpoint. Used by one thread at a time.

    url: of the endpoint. signer: of requests, for an endpoint that asks for it.
    gives_way: lets other threads run while spans are made; for a process that has more to do.
    services: for documents of subsegments whose parcel doesn't say what service they belong to.
    """

    max_documents = 1000
    max_bytes = 1024 * 1024

    def __init__(
        self,
        url: str,
        options: Options,
        signer: Signer | None = None,
        gives_way: bool = True,
        proxy: str | None = None,
        services: Services | None = None,
    ) -> None:
        self.url = url
        self._options = options
        self._services_of = services
        self._encoding = _ENCODINGS[options.protocol]
        self._signer = signer
        self.gives_way = gives_way
        self.needs: Sequence[str] = NEEDS
        place = place_of(url)
        self._path = place.path
        self._client = Client(place._replace(path=""), proxy, _context(place.scheme, options))
        self._has_other = True
        self._services: dict[str, tuple[Service, bytes]] = {}
        # Spans in progress, by trace and id, until the same ones have ended.
        self._held: dict[tuple[str, str], Parcel] = {}
        self._held_bytes = 0

    def deliver(self, parcels: Sequence[Parcel], deadline: float, final: bool = False) -> Outcome:
        """Send documents as spans; see Backend.deliver."""
        dropped: dict[str, int] = {}
        made: list[_Made] = []
        superseded = 0
        stretch = time.monotonic() + _SECONDS_AT_A_STRETCH
        for parcel in parcels:
            one, overtaken = self._made(parcel, final)
            superseded += overtaken
            if one is None:
                continue
            if one.spans:
                made.append(one)
            else:
                _count(dropped, NO_SPAN, parcel.entities)
            if self.gives_way and time.monotonic() > stretch:
                # Python hands the interpreter over every 5 ms if it isn't asked to earlier, which
                # a request that has just got its data would wait for.
                time.sleep(0.00005)
                stretch = time.monotonic() + _SECONDS_AT_A_STRETCH
        if final or len(self._held) > MAX_HELD or self._held_bytes > MAX_HELD_BYTES:
            made += self._no_longer_held(final)
        outcome = Outcome(superseded=superseded, dropped=dropped)
        while made:
            count = _fitting(made)
            outcome, made[:count] = self._send(made[:count], deadline, outcome)
            if outcome.trouble:
                break
        return outcome._replace(again=[each.parcel for each in made])

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def give_up(self) -> int:
        """Forget what is in progress and held back; gives how many entities that was."""
        entities = sum(parcel.entities for parcel in self._held.values())
        self._held.clear()
        self._held_bytes = 0
        return entities

    def after_fork(self) -> None:
        """Forget the parent's connection, and what it holds back."""
        self._client.after_fork()
        if self._signer is not None:
            self._signer.after_fork()
        self.give_up()

    # -- spans ------------------------------------------------------------------------------------

    def _made(self, parcel: Parcel, final: bool) -> tuple[_Made | None, int]:
        """The spans of a document, None if it is held back; and how many that were are overtaken."""
        refused: list[Refused] = []
        try:
            document = json.loads(parcel.data)
            key, service, resource = self._service(self._about(document, parcel))
            spans = list(spans_of(document, service, ids.wall_clock(), refused))
        except (ValueError, AttributeError, RecursionError):
            return _Made(parcel, "", b"", [], parcel.entities, self._encoding), 0
        overtaken = 0
        if self._held:
            for span in spans:
                held = self._released((span["traceId"], span["spanId"]))
                overtaken += held.entities if held is not None else 0
        if len(spans) == 1 and not final and document.get("end_time") is None:
            self._held[(spans[0]["traceId"], spans[0]["spanId"])] = parcel
            self._held_bytes += len(parcel.data)
            return None, overtaken
        encoded = [self._encoding.span(span) for span in spans]
        lost = min(len(refused), parcel.entities)
        return _Made(parcel, key, resource, encoded, lost, self._encoding), overtaken

    def _anew(self, made: _Made) -> _Made:
        """The same spans in the encoding that is used now."""
        again, _ = self._made(made.parcel, final=True)
        assert again is not None  # what is final is never held back
        return again

    def _about(self, document: dict[str, Any], parcel: Parcel) -> Mapping[str, Any]:
        """What says which service a document belongs to: itself, or if it is a subsegment others."""
        is_subsegment = document.get("type") == "subsegment"
        service = parcel.service
        if self._services_of is not None and service is None:
            if is_subsegment:
                service = self._services_of.of(document)
            self._services_of.learn(document)
        if not is_subsegment:
            return document
        if service is None:
            return {}
        name, fields = service
        return {**fields, "name": name}

    def _released(self, key: tuple[str, str]) -> Parcel | None:
        parcel = self._held.pop(key, None)
        if parcel is not None:
            self._held_bytes -= len(parcel.data)
        return parcel

    def _no_longer_held(self, final: bool) -> Iterable[_Made]:
        """What was held back for too long, or can be no longer: in progress, as it is."""
        parcels = []
        for key in list(self._held):
            is_half_empty = (
                len(self._held) <= MAX_HELD // 2 and self._held_bytes <= MAX_HELD_BYTES // 2
            )
            if is_half_empty and not final:
                break
            parcel = self._released(key)
            if parcel is not None:
                parcels.append(parcel)
        made = (self._made(parcel, final=True)[0] for parcel in parcels)
        return [each for each in made if each is not None]

    def _service(self, about: Mapping[str, Any]) -> tuple[str, Service, bytes]:
        """A service, the key under which it is kept, and its resource, encoded."""
        aws = about.get("aws")
        if isinstance(aws, dict):
            aws = {name: aws.get(name) for name in _OF_SERVICE}
        key = repr((about.get("name"), about.get("service"), about.get("origin"), aws))
        found = self._services.get(key)
        if found is None:
            service = service_of(about)
            attributes = _with(service.attributes, self._options.resource)
            if len(self._services) >= _MAX_SERVICES:
                self._services.clear()
            found = self._services[key] = service, self._encoding.resource(attributes)
        return key, *found

    # -- requests ---------------------------------------------------------------------------------

    def _send(
        self, chunk: list[_Made], deadline: float, before: Outcome
    ) -> tuple[Outcome, list[_Made]]:
        """Post spans, in one request or in parts; gives also those that are to be tried again."""
        chunk = [each if each.encoding is self._encoding else self._anew(each) for each in chunk]
        body = self._body(chunk)
        headers = {
            "Content-Type": self._encoding.content_type,
            "User-Agent": f"xtrace/{__version__}",
            **self._options.headers,
        }
        if self._options.compression == "gzip" and len(body) >= _MIN_GZIP_BYTES:
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        deadline = min(deadline, time.monotonic() + self._options.timeout)
        try:
            if self._signer is not None:
                headers = self._signer.sign(self.url, headers, body)
            answer = self._client.request("POST", self._path, headers, body, deadline)
        except Unreachable as error:
            return before._replace(trouble=str(error), kind=error.kind, is_dead=True), chunk
        return self._answered(answer, chunk, len(body), deadline, before)

    def _body(self, chunk: list[_Made]) -> bytes:
        groups: dict[str, tuple[bytes, list[bytes]]] = {}
        for each in chunk:
            groups.setdefault(each.key, (each.resource, []))[1].extend(each.spans)
        return self._encoding.request(list(groups.values()))

    def _answered(
        self, answer: Answer, chunk: list[_Made], size: int, deadline: float, before: Outcome
    ) -> tuple[Outcome, list[_Made]]:
        status = answer.status
        entities = sum(each.entities for each in chunk)
        if 200 <= status < 300:
            rejected = min(_rejected(answer), entities)
            _count(before.dropped, REJECTED, rejected)
            _count(before.dropped, NO_SPAN, sum(each.refused for each in chunk))
            sent = before.sent + entities - rejected
            return before._replace(sent=sent, bytes=before.bytes + size), []
        if status in RETRYABLE:
            after = before._replace(
                trouble=f"{self.url} answers with status {status}",
                kind=CLIENT_ERROR if status == 429 else SERVER_ERROR,
                retry_after=retry.retry_after(answer.headers.get("Retry-After"), time.time()),
            )
            return after, chunk
        if status == 413 and len(chunk) > 1:
            middle = len(chunk) // 2
            after, left = self._send(chunk[:middle], deadline, before)
            if after.trouble:
                return after, left + chunk[middle:]
            return self._send(chunk[middle:], deadline, after)
        if status == 415 and self._has_other:  # it doesn't know this encoding
            self._has_other = False
            is_protobuf = self._encoding is encoding.PROTOBUF
            self._encoding = encoding.JSON if is_protobuf else encoding.PROTOBUF
            self._services.clear()
            return self._send(chunk, deadline, before)
        reason = TOO_LARGE if status == 413 else f"refused with status {status}"
        _count(before.dropped, reason, sum(each.parcel.entities for each in chunk))
        return before, []


def _rejected(answer: Answer) -> int:
    """How many spans the backend says that it hasn't taken."""
    try:
        if answer.headers.get_content_type() == encoding.JSON_TYPE:
            partial = json.loads(answer.body or b"{}").get("partialSuccess") or {}
            return int(partial.get("rejectedSpans") or 0)
        return encoding.rejected_spans(answer.body)
    except (ValueError, TypeError, AttributeError, IndexError):
        return 0


_OF_SERVICE = (
    *("xray", "ec2", "ecs", "eks", "elastic_beanstalk", "account_id", "cloudwatch_logs"),
)


def _context(scheme: str, options: Options) -> ssl.SSLContext | None:
    """For TLS with certificates that were asked for. Raises OtlpError if they can't be read."""
    if scheme != "https" or not (options.certificate or options.client_certificate):
        return None
    try:
        context = ssl.create_default_context(cafile=options.certificate)
        if options.client_certificate:
            context.load_cert_chain(options.client_certificate, options.client_key)
    except (OSError, ssl.SSLError) as error:
        raise OtlpError(
            f"The files of OTEL_EXPORTER_OTLP_CERTIFICATE or _CLIENT_CERTIFICATE can't be used: {error}."
        ) from error
    return context


def _with(attributes: list[Attribute], more: Mapping[str, str]) -> list[Attribute]:
    """Attributes of a resource and those that the environment says, of which ours win."""
    known = {each["key"] for each in attributes}
    extra = {key: text for key, text in more.items() if key not in known}
    return attributes + [
        {"key": key, "value": {"stringValue": text}} for key, text in extra.items()
    ]


def _fitting(made: list[_Made]) -> int:
    """How many of the first go into one request; one at least."""
    size = 0
    for count, each in enumerate(made):
        size += each.size
        if count and size > MAX_REQUEST_BYTES:
            return count
    return len(made)


def _count(dropped: dict[str, int], reason: str, entities: int) -> None:
    if entities:
        dropped[reason] = dropped.get(reason, 0) + entities
