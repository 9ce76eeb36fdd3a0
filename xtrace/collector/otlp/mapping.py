"""OTLP span -> X-Ray documents. Pure.

What X-Ray has a field for goes there, in the old and the new names of OpenTelemetry's semantic
conventions; what `aws.xray.annotations` lists becomes annotations; the rest is metadata. Ids that
X-Ray needs and OTLP hasn't (of exceptions, of the service segment of a local root) are derived
from the span's own, so that a request sent twice gives the same documents.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from ...otlp import names
from ...otlp.names import (
    ANNOTATIONS,
    CLIENT,
    CONSUMER,
    ERROR,
    INTERNAL,
    METADATA,
    PRODUCER,
    SERVER,
    SQL_SYSTEMS,
)
from . import stacktraces

if TYPE_CHECKING:
    from typing import Any

    from .spans import Attributes, Event, Span

    Document = dict[str, Any]

MAX_TEXT = 250
MAX_NAME = 200
MAX_ANNOTATION = 1000
MAX_ANNOTATION_KEY = 500
MAX_ANNOTATIONS = 50
MAX_LINKS = 20
MAX_METADATA_LEVELS = 200
"""Levels of one value that can still be written."""

_GOOD_NAME = re.compile(r"[A-Za-z0-9 _.:/%&#=+\-@]{1,200}")
_REFUSED_IN_KEY = re.compile(r"[^A-Za-z0-9.]")
_HOST_WITH_PORT = re.compile(r":[0-9]+$")
_ID = re.compile(r"[0-9a-fA-F]{16}")


def documents(span: Span, resource: Attributes, scope: str = "") -> list[Document]:
    """The documents of one span: one, or for a local root that calls another service two.

    scope: name of the instrumentation scope.
    """
    return _Mapping(span, resource, scope == names.SCOPE).documents()


class _Attributes:
    """Attributes of a span, and which of them have found a field."""

    def __init__(self, held: Attributes) -> None:
        self.held = held
        self.used: set[str] = set()

    def peek(self, *names: str) -> str | None:
        """The first of these that is text and not empty, not used by that."""
        for name in names:
            value = self.held.get(name)
            if isinstance(value, str) and value:
                return value
        return None

    def text(self, *names: str, most: int | None = MAX_TEXT) -> str | None:
        """The first of these that is text and not empty. A text that is cut isn't used up."""
        for name in names:
            value = self.held.get(name)
            if isinstance(value, str) and value:
                if most is None or len(value) <= most:
                    self.used.add(name)
                return value[:most]
        return None

    def integer(self, *names: str) -> int | None:
        """The first of these that is an integer, as a number or as text."""
        for name in names:
            value = self.held.get(name)
            if isinstance(value, list) and len(value) == 1:  # headers are lists
                value = value[0]
            if isinstance(value, str) and len(value) < 19 and value.isascii() and value.isdigit():
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool):
                self.used.add(name)
                return value
        return None

    def true(self, name: str) -> bool | None:
        """A boolean, or None."""
        value = self.held.get(name)
        if not isinstance(value, bool):
            return None
        self.used.add(name)
        return value


class _Mapping:
    """One span on its way."""

    def __init__(self, span: Span, resource: Attributes, was_document: bool) -> None:
        self.span = span
        self.was_document = was_document
        self.attributes = _Attributes(span.attributes)
        self.resource = _Attributes(resource)
        self.local_root = span.attributes.get("aws.span.kind") == "LOCAL_ROOT"
        if self.local_root:
            self.attributes.used.add("aws.span.kind")
        self.calls = span.kind in (CLIENT, PRODUCER, CONSUMER)
        self.is_segment = span.kind == SERVER or not span.parent_id
        self.splits = self.local_root and self.calls
        if self.local_root:
            self.is_segment = not self.calls
        provider = resource.get("cloud.provider")
        self.in_aws = provider is None or provider == "aws"
        self.is_aws_call = span.attributes.get("rpc.system") == "aws-api"
        self.unparsed: list[str] = []

    def documents(self) -> list[Document]:
        span = self.span
        document: Document = {
            "trace_id": f"1-{span.trace_id[:8]}-{span.trace_id[8:]}",
            "id": span.id,
            "start_time": span.start / 10**9,
        }
        if span.end and not self.attributes.true(names.IN_PROGRESS):
            document["end_time"] = span.end / 10**9
        else:
            document["in_progress"] = True
        service = self._service_segment(document) if self.splits else None
        if service is not None:
            document["parent_id"] = service["id"]
        elif span.parent_id:
            document["parent_id"] = span.parent_id
        self._name(document)
        if self.is_segment:
            self._about_service(document)
        else:
            document["type"] = "subsegment"
        http = self._http()
        if http:
            document["http"] = http
        aws = self._aws()
        if aws:
            document["aws"] = {**document.get("aws", {}), **aws}
        self._sql(document)
        arn = self.attributes.text("aws.xray.resource_arn", most=None)
        if arn:
            document["resource_arn"] = arn
        flags = self._flags(http)
        document.update(flags)
        self._cause(document)
        if service is None:
            self._rest(document)
            if self.was_document:
                self._what_it_said(document)
            return [document]
        service.update(flags)
        self._about_service(service)
        self._metadata(service, {})
        self._rest(document)
        return [service, document]

    def _service_segment(self, document: Document) -> Document:
        """What stands for the service whose only span calls another one."""
        span = self.span
        service = {**document, "id": _derived(span, "service")}
        if span.parent_id:
            service["parent_id"] = span.parent_id
        candidates = {
            "aws.local.service": self.attributes.peek("aws.local.service"),
            "": self.resource.peek("service.name"),
        }
        source, service["name"] = _first_name(candidates, span.name)
        if service["name"] == candidates.get(source):
            self.attributes.used.add(source)
        return service

    # -- names ---------------------------------------------------------------------------------

    def _name(self, document: Document) -> None:
        """The first of many that is there; and the namespace that goes with it."""
        kind = self.span.kind
        here = self.attributes.peek
        remote = here("aws.remote.service") if self.calls else None
        if remote and self.is_aws_call:
            remote = remote.removeprefix("AWS.SDK.").removeprefix("AWS::")
        serves = kind == SERVER or (self.local_root and kind == INTERNAL)
        candidates = {
            "aws.remote.service": remote,
            "aws.local.service": here("aws.local.service") if serves else None,
            "peer.service": here("peer.service"),
            "aws.service": here("aws.service"),
            "db.name" if here("db.name") else "db.namespace": self._database_name(),
            "": self.resource.peek("service.name") if kind == SERVER else None,
            "rpc.service": here("rpc.service"),
            "http.host": here("http.host"),
            "net.peer.name": here("net.peer.name"),
            "server.address": here("server.address"),
        }
        source, name = _first_name(candidates, self.span.name)
        document["name"] = name
        if name == candidates.get(source):
            self.attributes.used.add(source)
        if not self.is_segment:
            if self.is_aws_call or source == "aws.service":
                document["namespace"] = "aws"
                self.attributes.text("rpc.system")
            elif kind == CLIENT or remote:
                document["namespace"] = "remote"

    def _database_name(self) -> str | None:
        name = self.attributes.peek("db.name", "db.namespace")
        if name is None:
            return None
        connection = self.attributes.held.get("db.connection_string")
        host = _host(connection.removeprefix("jdbc:")) if isinstance(connection, str) else None
        return f"{name}@{host}" if host else name

    # -- what a call or a request was ----------------------------------------------------------

    def _http(self) -> Document:
        attributes = self.attributes
        request: Document = {}
        response: Document = {}
        method = attributes.text("http.method", "http.request.method")
        agent = attributes.text("http.user_agent", "user_agent.original")
        status = attributes.integer("http.status_code", "http.response.status_code")
        url = attributes.text("http.url", "url.full")
        if not url and (method or status is not None or self._has_path()):
            url = self._url_from_parts()
        client = attributes.text("http.client_ip", "client.address")
        peer = None
        if self.span.kind == SERVER and (method or url or status is not None):
            # Of a call it would be the other side's.
            peer = attributes.text("net.peer.ip", "network.peer.address", "net.sock.peer.addr")
        forwarded = attributes.true("aws.xray.x_forwarded_for")
        if forwarded is None and client and not peer:
            forwarded = True
        address = client or peer
        for key, value in (
            ("method", method),
            ("url", url),
            ("user_agent", agent),
            ("client_ip", address),
        ):
            if value:
                request[key] = value
        if address and forwarded is not None:
            request["x_forwarded_for"] = forwarded
        if not self.is_segment:
            traced = attributes.true("aws.xray.traced")
            if traced is not None:
                request["traced"] = traced
        if status is not None:
            response["status"] = status
        length = self._content_length()
        if length is not None:
            response["content_length"] = length
        found = {"request": request, "response": response}
        return {key: value for key, value in found.items() if value}

    def _has_path(self) -> bool:
        return "http.target" in self.attributes.held or "url.path" in self.attributes.held

    def _url_from_parts(self) -> str | None:
        attributes = self.attributes
        used = set(attributes.used)
        scheme = attributes.text("http.scheme", "url.scheme") or "http"
        host = attributes.text(
            "http.host", "server.address", "net.host.name", "net.peer.name", "net.peer.ip"
        )
        port = attributes.integer("server.port", "net.host.port", "net.peer.port")
        path = attributes.text("http.target", most=None)
        if path is None:
            path = attributes.text("url.path", most=None) or ""
            query = attributes.text("url.query", most=None)
            path += f"?{query}" if query else ""
        if host:
            if host.count(":") > 1 and not host.startswith("["):
                host = f"[{host}]"
            default = {"http": 80, "https": 443}.get(scheme)
            if port and port != default and not _HOST_WITH_PORT.search(host):
                host += f":{port}"
            path = f"{scheme}://{host}{'/' if path and path[0] != '/' else ''}{path}"
        if len(path) > MAX_TEXT:
            attributes.used = used  # what is cut here stays whole in the metadata
        return path[:MAX_TEXT] or None

    def _content_length(self) -> int | None:
        own = self.attributes.integer(
            "http.response_content_length",
            "http.response.body.size",
            "http.response.header.content-length",
        )
        if own is not None:
            return own
        for held in (self.span.attributes, *(each.attributes for each in self.span.events)):
            if held.get("message.type") == "RECEIVED":
                message = _Attributes(held)
                size = message.integer(
                    "messaging.message_payload_size_bytes", "messaging.message.body.size"
                )
                if size is not None:
                    if held is self.span.attributes:
                        self.attributes.used |= message.used | {"message.type"}
                    return size
        return None

    def _aws(self) -> Document:
        if not self.in_aws:
            return {}
        attributes = self.attributes
        operation = attributes.text("aws.operation")
        if self.is_aws_call:
            operation = operation or attributes.text("rpc.method")
        tables = attributes.held.get("aws.dynamodb.table_names")
        if isinstance(tables, list) and tables and all(isinstance(each, str) for each in tables):
            attributes.used.add("aws.dynamodb.table_names")
        else:
            tables = []
        found = {
            "operation": operation,
            "account_id": attributes.text("aws.account_id"),
            "region": attributes.text("aws.region"),
            "request_id": attributes.text("aws.request_id", "aws.requestId"),
            "queue_url": attributes.text(
                "aws.queue_url", "aws.queue.url", "messaging.url", most=None
            ),
            "table_name": attributes.text("aws.table_name", "aws.table.name")
            or (tables[0] if len(tables) == 1 else None),
            "table_names": tables if len(tables) > 1 else None,
            "retries": attributes.integer("aws.xray.retries"),
        }
        if self.was_document:
            for member, name in names.PARAMETERS.items():
                found[member] = attributes.text(name, most=None)
        return {key: value for key, value in found.items() if value is not None}

    def _sql(self, document: Document) -> None:
        attributes = self.attributes
        system = attributes.held.get("db.system") or attributes.held.get("db.system.name")
        if not isinstance(system, str) or system not in SQL_SYSTEMS:
            return
        name = attributes.text("db.name", "db.namespace", most=None)
        connection = attributes.text("db.connection_string", most=None) or "localhost"
        sql = {
            "url": self.span.name,
            "connection_string": f"{connection}/{name}" if name else connection,
            "database_type": attributes.text("db.system", "db.system.name"),
            "sanitized_query": attributes.text("db.statement", "db.query.text", most=None),
            "user": attributes.text("db.user", "user.name"),
        }
        document["sql"] = {key: value for key, value in sql.items() if value}

    # -- whether it went well ------------------------------------------------------------------

    def _flags(self, http: Document) -> Document:
        status = http.get("response", {}).get("status", 0)
        return dict(names.flags_of(status, self.span.status))

    def _cause(self, document: Document) -> None:
        exceptions: list[Document] = []
        for number, event in enumerate(self.span.events):
            if event.name == names.EXCEPTION:
                exceptions.extend(self._exceptions(event, number))
            elif event.name == "HTTP request failure" and self.is_aws_call:
                exceptions.append(self._failed_attempt(event, number))
        if exceptions:
            document["cause"] = {"exceptions": exceptions}
            return
        message = self.span.status_message
        if self.span.status != ERROR:
            return
        message = message or self.attributes.text("http.status_text") or ""
        if _ID.fullmatch(message):  # an exception that was recorded deeper in the trace
            document["cause"] = message
        elif message:
            entry = {"id": _derived(self.span, "status"), "message": message}
            document["cause"] = {"exceptions": [self._with_remote(entry)]}

    def _exceptions(self, event: Event, number: int) -> list[Document]:
        """What an `exception` event tells of: an exception, and the causes its stack trace names."""
        attributes = _Attributes(event.attributes)
        own_id = attributes.text(names.EXCEPTION_ID)
        text = attributes.text("exception.stacktrace", most=None) or ""
        language = self.resource.held.get("telemetry.sdk.language")
        chain = stacktraces.parse(text, language if isinstance(language, str) else "")
        if self.was_document:
            frames = _parsed(attributes.held.get(names.EXCEPTION_STACK), list)
            chain = [stacktraces.Thrown(None, None, chain[0].stack if frames is None else frames)]
        elif text.strip() and not any(thrown.stack for thrown in chain):
            self.unparsed.append(text)
        if own_id and _ID.fullmatch(own_id):
            chain = chain[:1]  # each exception of the chain has an event of its own
        else:
            own_id = None
        entries: list[Document] = []
        for place, thrown in enumerate(chain):
            entry: Document = {"id": own_id or _derived(self.span, f"exception {number} {place}")}
            type_, message = thrown.type, thrown.message
            if place == 0:
                type_ = attributes.text("exception.type", most=None) or type_
                message = attributes.text("exception.message", most=None) or message
            if type_:
                entry["type"] = type_
            if message:
                entry["message"] = message
            if thrown.stack:
                entry["stack"] = thrown.stack
            if thrown.truncated:
                entry["truncated"] = thrown.truncated
            if thrown.skipped:
                entry["skipped"] = thrown.skipped
            if entries:
                entries[-1]["cause"] = entry["id"]
            entries.append(self._with_remote(entry))
        for key in ("truncated", "skipped"):
            count = attributes.integer(f"aws.xray.exception.{key}")
            if count is not None:
                entries[0][key] = count
        remote = attributes.true(names.EXCEPTION_REMOTE)
        if remote is not None:
            entries[0]["remote"] = remote
        cause = attributes.text(names.EXCEPTION_CAUSE)
        if cause and _ID.fullmatch(cause):
            entries[0]["cause"] = cause
        return entries

    def _failed_attempt(self, event: Event, number: int) -> Document:
        """One attempt of an AWS SDK that failed and was tried again."""
        said = [f"{key}: {value}" for key, value in sorted(event.attributes.items())]
        entry = {
            "id": _derived(self.span, f"exception {number} 0"),
            "type": "aws.http.error.event",
            "message": ", ".join(said),
        }
        return self._with_remote(entry)

    def _with_remote(self, entry: Document) -> Document:
        if self.span.kind in (CLIENT, PRODUCER) and not self.was_document:
            entry["remote"] = True
        return entry

    # -- where it ran --------------------------------------------------------------------------

    def _about_service(self, document: Document) -> None:
        """What only segments have: where and by what the service runs, its user, its links."""
        resource = self.resource
        platform = resource.text("cloud.platform")
        origin = names.origin_of(platform, resource.text("aws.ecs.launchtype"))
        if origin:
            document["origin"] = origin
        version = resource.text("service.version", "container.image.tag")
        tags = resource.held.get("container.image.tags")
        if not version and isinstance(tags, list) and tags and isinstance(tags[0], str):
            version = tags[0][:MAX_TEXT]
        about = {
            "version": version,
            "runtime": resource.text("process.runtime.name") if self.was_document else None,
            "runtime_version": resource.text("process.runtime.version")
            if self.was_document
            else None,
        }
        if any(about.values()):
            document["service"] = {key: held for key, held in about.items() if held}
        if self.in_aws:
            aws = self._platform(platform)
            if aws:
                document["aws"] = aws
        user = self.attributes.text("enduser.id")
        if user:
            document["user"] = user
        links = [_link(link) for link in self._good_links()[:MAX_LINKS]]
        if links:
            document["links"] = links

    def _platform(self, platform: str | None) -> Document:
        resource = self.resource
        aws: Document = {}
        zone = resource.text("cloud.availability_zone")
        container = resource.text("container.id")
        host = resource.text("host.id")
        blocks: dict[str, Document] = {}
        if platform == "aws_ec2" or host:
            blocks["ec2"] = {
                "instance_id": host,
                "instance_size": resource.text("host.type"),
                "ami_id": resource.text("host.image.id"),
                "availability_zone": zone,
            }
        if platform == "aws_ecs":
            blocks["ecs"] = {
                "container": resource.text("container.name"),
                "container_id": container,
                "availability_zone": zone,
                "container_arn": resource.text("aws.ecs.container.arn", most=None),
                "cluster_arn": resource.text("aws.ecs.cluster.arn", most=None),
                "task_arn": resource.text("aws.ecs.task.arn", most=None),
                "task_family": resource.text("aws.ecs.task.family"),
                "launch_type": resource.text("aws.ecs.launchtype"),
            }
        if platform == "aws_elastic_beanstalk":
            blocks["elastic_beanstalk"] = {
                "environment_name": resource.text("service.namespace"),
                "version_label": resource.text("service.version"),
                "deployment_id": resource.integer("service.instance.id"),
            }
        if platform == "aws_eks" or "k8s.cluster.name" in resource.held:
            blocks["eks"] = {
                "cluster_name": resource.text("k8s.cluster.name"),
                "pod": resource.text("k8s.pod.name"),
                "container_id": container,
            }
        blocks["xray"] = self._sdk()
        for name, block in blocks.items():
            kept = {key: value for key, value in block.items() if value is not None}
            if kept:
                aws[name] = kept
        account = resource.text("cloud.account.id")
        if account:
            aws["account_id"] = account
        groups = self._log_groups()
        if groups:
            aws["cloudwatch_logs"] = groups
        return aws

    def _sdk(self) -> Document:
        name = self.resource.text("telemetry.sdk.name")
        language = self.resource.text("telemetry.sdk.language")
        if name and language and " for " not in name:
            name = f"{name} for {language}"
        automatic = self.resource.text("telemetry.auto.version", "telemetry.distro.version")
        return {
            "sdk": name,
            "sdk_version": self.resource.text("telemetry.sdk.version"),
            "auto_instrumentation": True if automatic else None,
        }

    def _log_groups(self) -> list[Document]:
        arns = _texts(self.resource.held.get("aws.log.group.arns"))
        if arns:
            # arn:aws:logs:<region>:<account>:log-group:<name>, perhaps with ":*" behind
            named = [(arn.removesuffix(":*").rpartition(":log-group:")[2], arn) for arn in arns]
            return [{"log_group": name, "arn": arn} for name, arn in named]
        return [
            {"log_group": name} for name in _texts(self.resource.held.get("aws.log.group.names"))
        ]

    # -- the rest ------------------------------------------------------------------------------

    def _rest(self, document: Document) -> None:
        """Annotations, and as metadata whatever has found no field."""
        rest = dict(self.span.attributes)
        listed = _texts(rest.get(ANNOTATIONS), separator=None)
        listed += _texts(self.resource.held.get(ANNOTATIONS), separator=None)
        annotations: Document = {}
        for name in dict.fromkeys(listed):
            value = rest.get(name)
            key = _REFUSED_IN_KEY.sub("_", name)[:MAX_ANNOTATION_KEY]
            good = isinstance(value, (str, int, float)) and key and key not in annotations
            if good and len(annotations) < MAX_ANNOTATIONS:
                annotations[key] = value[:MAX_ANNOTATION] if isinstance(value, str) else value
                if annotations[key] == value and key == name:
                    self.attributes.used.add(name)
        if annotations:
            document["annotations"] = annotations
        for name in self.attributes.used:
            rest.pop(name, None)
        rest.pop(ANNOTATIONS, None)
        if self.was_document:  # it has said all the rest in other words
            self._metadata(document, {k: v for k, v in rest.items() if k.startswith(METADATA)})
            return
        if self.unparsed:
            rest["exception.stacktrace"] = self.unparsed
        links = self.span.links
        mapped = self._good_links()[:MAX_LINKS] if self.is_segment or self.splits else []
        unmapped = [link for link in links if link not in mapped]
        if unmapped:
            rest["otel.links"] = [
                {
                    "trace_id": link.trace_id,
                    "span_id": link.span_id,
                    "attributes": link.attributes,
                }
                for link in unmapped
            ]
        self._metadata(document, rest)

    def _what_it_said(self, document: Document) -> None:
        """Put into a document what it was before it became a span."""
        said = _parsed(self.span.attributes.get(names.DOCUMENT), dict)
        if said is not None:
            for key in ("trace_id", "id", "parent_id", "start_time"):
                said.pop(key, None)
            _merge(document, said)

    def _metadata(self, document: Document, rest: Attributes) -> None:
        metadata: Document = {}
        default: Document = {}
        plain: Document = {}
        for name, value in rest.items():
            namespace = name.removeprefix(METADATA)
            held = _parsed(value, dict) if namespace and namespace != name else None
            if held is None or namespace.startswith("AWS."):
                plain[name] = value
            elif namespace == "default":
                default = held
            else:
                metadata[namespace] = held
        for name, value in plain.items():
            default[f"otel.{name}" if name in default else name] = value
        if "type" not in document and not self.was_document:
            for name, value in self.resource.held.items():
                if name != ANNOTATIONS:
                    default.setdefault(f"otel.resource.{name}", value)
        if default:
            metadata["default"] = default
        if metadata:
            document["metadata"] = metadata

    def _good_links(self) -> list[Any]:
        return [
            link
            for link in self.span.links
            if _ID.fullmatch(link.span_id) and re.fullmatch("[0-9a-f]{32}", link.trace_id)
        ]


def _link(link: Any) -> Document:
    made: Document = {
        "trace_id": f"1-{link.trace_id[:8]}-{link.trace_id[8:]}",
        "id": link.span_id,
    }
    if link.attributes:
        made["attributes"] = link.attributes
    return made


def _derived(span: Span, what: str) -> str:
    seed = f"{span.trace_id} {span.id} {what}".encode()
    return blake2b(seed, digest_size=8).hexdigest()


def _first_name(candidates: dict[str, str | None], span_name: str) -> tuple[str, str]:
    """The first that has a good character, as (where it stood, name); else the span's own."""
    for source, candidate in candidates.items():
        name = _clean(candidate)
        if name:
            return source, name
    return "span", _clean(span_name) or "span"


def _clean(name: str | None) -> str:
    """A name without the characters that X-Ray refuses; "" if nothing is left."""
    if not name or _GOOD_NAME.fullmatch(name):
        return name or ""
    good = (
        char for char in name if char in "_.:/%&#=+-@" or unicodedata.category(char)[0] in "LNZ"
    )
    return "".join(good)[:MAX_NAME]


def _host(connection: str) -> str | None:
    try:
        return urlsplit(connection).hostname
    except ValueError:
        return None


def _texts(value: Any, separator: str | None = "&") -> list[str]:
    """A list of texts, also from one text in which they stand side by side."""
    if isinstance(value, str):
        value = value.split(separator) if separator else [value]
    if not isinstance(value, list):
        return []
    return [each for each in value if isinstance(each, str) and each]


def _parsed(value: Any, kind: type) -> Any:
    """What a text holds as JSON; None if it holds nothing of this kind, or one too deep to be written."""
    if not isinstance(value, str):
        return None
    try:
        held = orjson.loads(value)
        orjson.dumps(_inside(held))
    except (ValueError, TypeError):
        return None
    return held if isinstance(held, kind) else None


def _merge(document: Document, said: Document) -> None:
    for key, held in said.items():
        if held is None:
            document.pop(key, None)
        elif isinstance(held, dict) and isinstance(document.get(key), dict):
            _merge(document[key], held)
        else:
            document[key] = held


def _inside(value: Any) -> Any:
    """As deep as it will stand in the document, and in the trace that one becomes part of."""
    for _ in range(254 - MAX_METADATA_LEVELS):
        value = [value]
    return value
