"""A segment document -> OTLP spans in the form of OTLP/JSON. Pure.

Each entity is a span; subsegments in their parents become children. Attributes have the names of
the semantic conventions. What the way back (`xtrace.collector.otlp`) would make of them is noted in
`told`; what the document says beyond that travels in one attribute, so that nothing is lost.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import NamedTuple
from urllib.parse import urlsplit

from . import names
from .names import CLIENT, ERROR, INTERNAL, SERVER
from .stacktraces import is_told_by_text, stack_trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, TypeAlias

    Document: TypeAlias = dict[str, Any]
    # {"key": ..., "value": {"stringValue": ...}}, and a span with members of OTLP/JSON.
    Attribute: TypeAlias = dict[str, Any]
    SpanJSON: TypeAlias = dict[str, Any]

MAX_TEXT = 250
"""What the way back takes of most texts."""

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_HEX = frozenset("0123456789abcdef")
_PLACE = frozenset(("trace_id", "id", "parent_id", "type", "start_time", "end_time"))
# Attributes that the way back reads; an annotation of such a name would be taken for one.
_READ = (
    *("aws.", "client.", "db.", "enduser.", "exception.", "http.", "message.", "messaging."),
    *("net.", "network.", "peer.", "rpc.", "server.", "url.", "user", "faas."),
)
_DATABASES = {
    # database_type in lower case -> db.system, db.system.name
    "postgresql": ("postgresql", "postgresql"),
    "postgres": ("postgresql", "postgresql"),
    "mysql": ("mysql", "mysql"),
    "mariadb": ("mariadb", "mariadb"),
    "sqlite": ("sqlite", "sqlite"),
    "oracle": ("oracle", "oracle.db"),
    "microsoft sql server": ("mssql", "microsoft.sql_server"),
    "mssql": ("mssql", "microsoft.sql_server"),
    "db2": ("db2", "ibm.db2"),
}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LANGUAGES = {"node.js": "nodejs", "node": "nodejs", ".net": "dotnet"}


class Service(NamedTuple):
    """What a document's spans say of the service: attributes of their resource.

    told: what of a segment's document the way back finds there.
    """

    attributes: list[Attribute]
    told: Document
    language: str


def value(held: Any) -> Document:
    """A JSON value as OTLP/JSON's AnyValue; {} for null."""
    kind = type(held)
    if kind is str:
        return {"stringValue": held}
    if kind is bool:
        return {"boolValue": held}
    if kind is int:
        if _SMALLEST <= held <= _LARGEST:
            return {"intValue": str(held)}
        return {"stringValue": str(held)}
    if kind is float:
        return {"doubleValue": held} if isfinite(held) else {"stringValue": str(held)}
    if kind is list:
        return {"arrayValue": {"values": [value(each) for each in held]}}
    if kind is dict:
        return {"kvlistValue": {"values": [_pair(key, each) for key, each in held.items()]}}
    return {}


def _pair(key: str, held: Any) -> Attribute:
    return {"key": key, "value": value(held)}


def trace_id(id: Any) -> str | None:
    """ "1-5759e988-bd862e3fe1be46a994272793" -> the same 32 digits; None for what is no such id."""
    if type(id) is not str or len(id) != 35 or not (id[0] == "1" and id[1] == id[10] == "-"):
        return None
    digits = (id[2:10] + id[11:]).lower()
    return digits if _HEX.issuperset(digits) and digits.strip("0") else None


def span_id(id: Any) -> str | None:
    """The 16 digits of an entity's id in lower case; None for what is no such id."""
    if type(id) is not str or len(id) != 16:
        return None
    digits = id.lower()
    return digits if _HEX.issuperset(digits) and digits.strip("0") else None


def nanoseconds(seconds: float) -> int:
    """A time in whole nanoseconds; dividing by 10**9 gives the same float again."""
    whole = int(seconds)
    return whole * 10**9 + round((seconds - whole) * 1e9)


# -- the service ----------------------------------------------------------------------------------


def service_of(document: Mapping[str, Any]) -> Service:
    """What a segment's document says of its service. Never raises.

    document: of a segment, or what all segments of a service have in common: name, service,
    aws, origin.
    """
    attributes: list[Attribute] = []
    told: Document = {}

    def put(key: str, held: Any) -> bool:
        if type(held) is not str or not held or len(held) > MAX_TEXT:
            return False
        attributes.append({"key": key, "value": {"stringValue": held}})
        return True

    name = document.get("name")
    put("service.name", name if isinstance(name, str) and name else "unknown_service")
    service = document.get("service")
    if isinstance(service, dict):
        told["service"] = about = {}
        for member, key in _SERVICE:
            if put(key, service.get(member)):
                about[member] = service[member]
    aws = document.get("aws")
    blocks = aws if isinstance(aws, dict) else {}
    language = _sdk(blocks.get("xray"), attributes, told)
    _platform(document.get("origin"), blocks, attributes, told, put)
    return Service(attributes, told, language)


_SERVICE = (
    ("version", "service.version"),
    ("runtime", "process.runtime.name"),
    ("runtime_version", "process.runtime.version"),
)
_BLOCKS = {
    "ec2": {
        "instance_id": "host.id",
        "instance_size": "host.type",
        "ami_id": "host.image.id",
        "availability_zone": "cloud.availability_zone",
    },
    "ecs": {
        "container": "container.name",
        "container_id": "container.id",
        "availability_zone": "cloud.availability_zone",
        "container_arn": "aws.ecs.container.arn",
        "cluster_arn": "aws.ecs.cluster.arn",
        "task_arn": "aws.ecs.task.arn",
        "task_family": "aws.ecs.task.family",
        "launch_type": "aws.ecs.launchtype",
    },
    "eks": {
        "cluster_name": "k8s.cluster.name",
        "pod": "k8s.pod.name",
        "container_id": "container.id",
    },
    "elastic_beanstalk": {"environment_name": "service.namespace"},
}
"""Members of a segment's `aws` -> attributes of the resource, for text."""


def _sdk(xray: Any, attributes: list[Attribute], told: Document) -> str:
    """What recorded it; gives the language, as telemetry.sdk.language has it."""
    sdk = xray.get("sdk") if isinstance(xray, dict) else None
    language = "python"
    if isinstance(sdk, str) and sdk and len(sdk) <= MAX_TEXT:
        _, words, named = sdk.partition(" for ")
        language = _LANGUAGES.get(named.lower(), named.lower()) if words else ""
        attributes.append(_pair("telemetry.sdk.name", sdk))
        held = {"sdk": sdk}
        version = xray.get("sdk_version")
        if isinstance(version, str) and version and len(version) <= MAX_TEXT:
            attributes.append(_pair("telemetry.sdk.version", version))
            held["sdk_version"] = version
        if language:
            attributes.append(_pair("telemetry.sdk.language", language))
        told["aws"] = {"xray": held}
    else:
        attributes.append(_pair("telemetry.sdk.language", language))
    return language


def _platform(
    origin: Any, aws: Document, attributes: list[Attribute], told: Document, put: Any
) -> None:
    blocks = {name: aws[name] for name in _BLOCKS if isinstance(aws.get(name), dict)}
    platform = next((key for key, name in names.ORIGINS.items() if name == origin), None)
    launch_type = next((key for key, name in names.ECS_ORIGINS.items() if name == origin), None)
    if launch_type or (platform is None and "ecs" in blocks):
        platform = "aws_ecs"
    if origin == "AWS::Lambda::Function":
        platform = "aws_lambda"
    elif platform is None and "elastic_beanstalk" in blocks:
        platform = "aws_elastic_beanstalk"
    if platform or blocks:
        put("cloud.provider", "aws")
    if platform:
        put("cloud.platform", platform)
    found: Document = {}
    for name, block in blocks.items():
        for member, key in _BLOCKS[name].items():
            held = block.get(member)
            if key not in found and put(key, held):
                found[key] = held
    if "elastic_beanstalk" in blocks:
        deployment = blocks["elastic_beanstalk"].get("deployment_id")
        if type(deployment) is int and abs(deployment) < 2**63:
            attributes.append(_pair("service.instance.id", str(deployment)))
            found["service.instance.id"] = deployment
    if launch_type and "aws.ecs.launchtype" not in found:
        put("aws.ecs.launchtype", launch_type)
        found["aws.ecs.launchtype"] = launch_type
    said = names.origin_of(platform, found.get("aws.ecs.launchtype"))
    if said:
        told["origin"] = said
    about = told.setdefault("aws", {})
    version = told.get("service", {}).get("version")
    if version:
        found["service.version"] = version
    for name, members in _BLOCKS.items():
        # The conditions are those of the way back, which knows no blocks but attributes.
        if name == "ec2":
            is_there = platform == "aws_ec2" or "host.id" in found
        elif name == "eks":
            is_there = platform == "aws_eks" or "k8s.cluster.name" in found
        else:
            is_there = platform == f"aws_{name}"
        if is_there:
            block = {member: found[key] for member, key in members.items() if key in found}
            if name == "elastic_beanstalk":
                for member, key in (
                    ("version_label", "service.version"),
                    ("deployment_id", "service.instance.id"),
                ):
                    if key in found:
                        block[member] = found[key]
            if block:
                about[name] = block
    account = aws.get("account_id")
    if put("cloud.account.id", account):
        about["account_id"] = account
    _log_groups(aws.get("cloudwatch_logs"), attributes, about)
    if not about:
        del told["aws"]


def _log_groups(groups: Any, attributes: list[Attribute], about: Document) -> None:
    if not isinstance(groups, list) or not groups:
        return
    listed = [group for group in groups if isinstance(group, dict)]
    for member, key in (("arn", "aws.log.group.arns"), ("log_group", "aws.log.group.names")):
        texts = [group.get(member) for group in listed]
        if len(texts) == len(groups) and all(type(each) is str and each for each in texts):
            attributes.append(_pair(key, texts))
            if member == "arn":
                about["cloudwatch_logs"] = [
                    {"log_group": str(arn).removesuffix(":*").rpartition(":log-group:")[2]}
                    | {"arn": arn}
                    for arn in texts
                ]
            else:
                about.setdefault("cloudwatch_logs", [{"log_group": each} for each in texts])


# -- spans ----------------------------------------------------------------------------------------


class Refused(NamedTuple):
    """An entity that can't be a span, and why."""

    id: str
    reason: str


def spans_of(
    document: Document, service: Service, now: float, refused: list[Refused]
) -> Iterator[SpanJSON]:
    """The spans of a document and of all subsegments in it, parents first.

    service: of the segment that it belongs to. now: seconds since the epoch, the end of what is
    in progress. refused: gets what can't be a span: ids or times that OTLP has no form for.
    """
    trace = trace_id(document.get("trace_id"))
    waiting: list[tuple[Any, Any]] = [(document, document.get("parent_id"))]
    for entity, parent in waiting:
        if not isinstance(entity, dict):
            refused.append(Refused("", "it is no object"))
            continue
        id = span_id(entity.get("id"))
        below = entity.get("subsegments")
        if isinstance(below, list):
            waiting.extend((each, entity.get("id")) for each in below)
        start, end = entity.get("start_time"), entity.get("end_time")
        if trace is None or id is None:
            refused.append(
                Refused(str(entity.get("id")), "its id or its trace's isn't hexadecimal")
            )
        elif not _is_time(start) or not (end is None or _is_time(end)):
            refused.append(Refused(id, "its times aren't numbers of seconds"))
        else:
            yield _Mapping(entity, service, trace, id, parent, entity is document, now).span


def _is_time(held: Any) -> bool:
    return type(held) in (int, float) and 0 <= held < 2**63 / 10**9


class _Mapping:
    """One entity on its way: its span is made by making this."""

    __slots__ = ("_attributes", "_document", "_language", "_told", "span")

    def __init__(
        self,
        document: Document,
        service: Service,
        trace: str,
        id: str,
        parent: Any,
        is_outermost: bool,
        now: float,
    ) -> None:
        self._document = document
        self._language = service.language
        self._attributes: list[Attribute] = []
        is_segment = is_outermost and document.get("type") != "subsegment"
        self._told: Document = {}
        if is_segment:
            self._told = {**service.told}
            if "aws" in self._told:
                self._told["aws"] = {**self._told["aws"]}
        namespace = document.get("namespace")
        kind = SERVER if is_segment else CLIENT if namespace in ("aws", "remote") else INTERNAL
        start = nanoseconds(document["start_time"])
        end = document.get("end_time")
        if end is None:
            end = max(start, nanoseconds(now))
            self._put(names.IN_PROGRESS, True)
        else:
            end = nanoseconds(end)
        name = document.get("name")
        name = name if isinstance(name, str) and name else "span"
        span: SpanJSON = {
            "traceId": trace,
            "spanId": id,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": str(start),
            # A clock that was set back: backends refuse what ends before it starts.
            "endTimeUnixNano": str(max(start, end)),
        }
        self.span = span
        parent_id = span_id(parent)
        if parent_id:
            span["parentSpanId"] = parent_id
        elif not is_segment:
            self._told["type"] = None  # the way back takes it for a segment
        if end < start:
            self._told["end_time"] = max(start, end) / 10**9
        self._name(name, kind, namespace)
        status = self._http(kind)
        self._aws(is_segment, namespace)
        self._sql()
        self._outcome(status, kind)
        self._texts(is_segment)
        if is_segment:
            self._links()
        self._annotations()
        self._metadata()
        rest = _beyond(document, self._told, is_segment)
        if rest:
            self._put(names.DOCUMENT, json.dumps(rest, separators=(",", ":"), default=str))
        span["attributes"] = self._attributes

    def _put(self, key: str, held: Any) -> None:
        self._attributes.append({"key": key, "value": value(held)})

    def _text(self, key: str, held: Any, most: int | None = MAX_TEXT) -> bool:
        """Put a text as an attribute; gives whether the way back finds it there whole."""
        if type(held) is not str or not held:
            return False
        self._attributes.append({"key": key, "value": {"stringValue": held}})
        return most is None or len(held) <= most

    def _name(self, name: str, kind: int, namespace: Any) -> None:
        """Where the way back finds the name; and the span's own, as the conventions have it."""
        document, span = self._document, self.span
        self._told["name"] = name
        http = _object(_object(document, "http"), "request")
        method = http.get("method")
        if kind == SERVER:
            route = _object(document, "annotations").get("http_route")
            if type(route) is str and route:
                self._put("http.route", route)
            if type(method) is str and method:
                span["name"] = f"{method} {route}" if type(route) is str and route else method
            return
        if kind != CLIENT:
            return
        if "type" not in self._told:  # a segment has none
            self._told["namespace"] = namespace
        if namespace == "aws":
            operation = _object(document, "aws").get("operation")
            self._put("rpc.system", "aws-api")
            self._put("rpc.service", name)
            self._put("aws.service", name)
            if type(operation) is str and operation:
                span["name"] = f"{name}.{operation}"
                self._put("rpc.method", operation)
        else:
            self._put("peer.service", name)
            if type(method) is str and method and not _object(document, "sql"):
                span["name"] = method

    # -- what a call or a request was -------------------------------------------------------------

    def _http(self, kind: int) -> int:
        """Gives the status that the way back finds, 0 for none."""
        http = self._document.get("http")
        if not isinstance(http, dict):
            return 0
        request, response = _object(http, "request"), _object(http, "response")
        told: Document = {}
        for member, key in _REQUEST:
            if self._text(key, request.get(member)):
                told[member] = request[member]
        url = told.get("url")
        if url is not None:
            self._url(url, kind)
        answer: Document = {}
        for member, key in _RESPONSE:
            held = response.get(member)
            if type(held) is int and _SMALLEST <= held <= _LARGEST:
                self._put(key, held)
                answer[member] = held
        address = told.get("client_ip")
        forwarded = request.get("x_forwarded_for")
        if address is not None:
            # That it was forwarded is what the way back supposes where there is no peer's address.
            asks = "method" in told or "url" in told or "status" in answer
            if type(forwarded) is bool:
                self._put("aws.xray.x_forwarded_for", forwarded)
                told["x_forwarded_for"] = forwarded
            elif kind != SERVER or not asks:
                told["x_forwarded_for"] = True
            if kind == SERVER and not forwarded:
                self._put("network.peer.address", address)
        traced = self._document.get("traced", request.get("traced"))
        if type(traced) is bool and kind != SERVER:
            self._put("aws.xray.traced", traced)
            told["traced"] = traced
        found = {part: held for part, held in (("request", told), ("response", answer)) if held}
        if found:
            self._told["http"] = found
        status: int = answer.get("status", 0)
        return status

    def _url(self, url: str, kind: int) -> None:
        """The parts of a URL, which the conventions ask for beside the whole."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return
        if kind == SERVER:
            self._text("url.scheme", parts.scheme)
            self._text("url.path", parts.path)
            self._text("url.query", parts.query)
        if kind != INTERNAL and host:
            self._text("server.address", host)
            if port is None:
                port = _DEFAULT_PORTS.get(parts.scheme)
            if port is not None:
                self._put("server.port", port)

    def _aws(self, is_segment: bool, namespace: Any) -> None:
        aws = self._document.get("aws")
        if not isinstance(aws, dict):
            return
        told = self._told.setdefault("aws", {})
        for member, key, most in _AWS:
            # A segment's account is the service's.
            if not (is_segment and member == "account_id") and self._text(
                key, aws.get(member), most
            ):
                told[member] = aws[member]
        self._text("aws.sqs.queue.url", told.get("queue_url"), None)
        tables = aws.get("table_names")
        table = aws.get("table_name")
        if isinstance(tables, list) and len(tables) > 1 and all(type(t) is str for t in tables):
            self._put("aws.dynamodb.table_names", tables)
            told["table_names"] = tables
            if self._text("aws.table_name", table):
                told["table_name"] = table
        elif type(table) is str and table:
            self._put("aws.dynamodb.table_names", [table])
            told["table_name"] = table
        retries = aws.get("retries")
        if type(retries) is int and _SMALLEST <= retries <= _LARGEST:
            self._put("aws.xray.retries", retries)
            told["retries"] = retries
        for member, key in names.PARAMETERS.items():
            if self._text(key, aws.get(member), None):
                told[member] = aws[member]
        if not told:
            del self._told["aws"]

    def _sql(self) -> None:
        sql = self._document.get("sql")
        if not isinstance(sql, dict):
            return
        kind = sql.get("database_type")
        known = kind.lower() if type(kind) is str else ""
        system, new_system = _DATABASES.get(
            known, (known if known in names.SQL_SYSTEMS else "",) * 2
        )
        system, new_system = system or "other_sql", new_system or "other_sql"
        place = sql.get("url") or sql.get("connection_string")
        connection, database = "", ""
        if type(place) is str:
            connection, _, database = place.partition("?")[0].rpartition("/")
            if not connection or connection.endswith(("/", ":")):  # "sqlite:/x", "db@host"
                connection, database = place, ""
        query = sql.get("sanitized_query")
        user = sql.get("user")
        for key, held in (
            ("db.system", system),
            ("db.system.name", new_system),
            ("db.connection_string", connection),
            ("db.name", database),
            ("db.namespace", database),
            ("db.statement", query),
            ("db.query.text", query),
            ("db.user", user),
        ):
            self._text(key, held)
        said = connection or "localhost"
        told = {
            "url": self.span["name"],
            "connection_string": f"{said}/{database}" if database else said,
            "database_type": system,
        }
        if type(query) is str and query:
            told["sanitized_query"] = query
        if type(user) is str and user:
            told["user"] = user[:MAX_TEXT]
        self._told["sql"] = told
        if database and self.span["kind"] != CLIENT:
            self._told["name"] = None  # the way back takes the database's

    # -- whether it went well ---------------------------------------------------------------------

    def _outcome(self, http_status: int, kind: int) -> None:
        document, span, told = self._document, self.span, self._told
        cause = document.get("cause")
        failed = bool(
            document.get("fault")
            or cause
            or (kind == CLIENT and (document.get("error") or document.get("throttle")))
        )
        message = ""
        if isinstance(cause, dict) and isinstance(cause.get("exceptions"), list):
            exceptions = [each for each in cause["exceptions"] if isinstance(each, dict)]
            if exceptions:
                found = [self._exception(each) for each in exceptions]
                told["cause"] = {"exceptions": found}
                first = exceptions[0].get("message") or exceptions[0].get("type")
                message = first if type(first) is str else ""
        elif span_id(cause):
            message = str(cause)
            told["cause"] = cause
        told.update(names.flags_of(http_status, ERROR if failed else 0))
        if failed:
            span["status"] = {"code": ERROR}
            if message:
                span["status"]["message"] = message

    def _exception(self, entry: Document) -> Document:
        """Add the event of an exception; gives what the way back makes of it."""
        attributes: list[Attribute] = []
        found: Document = {}
        id = entry.get("id")
        if span_id(id):
            found["id"] = id
            attributes.append(_pair(names.EXCEPTION_ID, id))
        for member in ("type", "message"):
            held = entry.get(member)
            if type(held) is str and held:
                found[member] = held
                attributes.append(_pair(f"exception.{member}", held))
        stack = entry.get("stack")
        if isinstance(stack, list) and stack:
            frames = [frame for frame in stack if isinstance(frame, dict)]
            text = stack_trace(found, frames, self._language)
            attributes.append(_pair("exception.stacktrace", text))
            if not is_told_by_text(found, stack, self._language):
                packed = json.dumps(stack, separators=(",", ":"))
                attributes.append(_pair(names.EXCEPTION_STACK, packed))
            found["stack"] = stack
        for member, key in _COUNTS:
            held = entry.get(member)
            if type(held) is int and abs(held) < 2**63:
                found[member] = held
                attributes.append(_pair(key, held))
        if type(entry.get("remote")) is bool:
            found["remote"] = entry["remote"]
            attributes.append(_pair(names.EXCEPTION_REMOTE, entry["remote"]))
        if span_id(entry.get("cause")):
            found["cause"] = entry["cause"]
            attributes.append(_pair(names.EXCEPTION_CAUSE, entry["cause"]))
        event = {
            "timeUnixNano": self.span["endTimeUnixNano"],
            "name": names.EXCEPTION,
            "attributes": attributes,
        }
        self.span.setdefault("events", []).append(event)
        return found

    # -- the rest ---------------------------------------------------------------------------------

    def _texts(self, is_segment: bool) -> None:
        document, told = self._document, self._told
        if self._text("aws.xray.resource_arn", document.get("resource_arn"), None):
            told["resource_arn"] = document["resource_arn"]
        user = document.get("user")
        if self._text("enduser.id", user) and is_segment:
            told["user"] = user

    def _links(self) -> None:
        links = self._document.get("links")
        if not isinstance(links, list):
            return
        made: list[Document] = []
        told: list[Document] = []
        for link in links:
            if not isinstance(link, dict):
                continue
            trace, id = trace_id(link.get("trace_id")), span_id(link.get("id"))
            if trace is None or id is None:
                continue
            one: Document = {"traceId": trace, "spanId": id}
            said: Document = {"trace_id": f"1-{trace[:8]}-{trace[8:]}", "id": id}
            attributes = link.get("attributes")
            if isinstance(attributes, dict) and attributes:
                one["attributes"] = [_pair(key, held) for key, held in attributes.items()]
                said["attributes"] = attributes
            made.append(one)
            told.append(said)
        if made:
            self.span["links"] = made
            self._told["links"] = told

    def _annotations(self) -> None:
        annotations = self._document.get("annotations")
        if not isinstance(annotations, dict):
            return
        told: Document = {}
        for key, held in annotations.items():
            kind = type(held)
            is_good = kind in (str, bool) or (kind is float and isfinite(held))
            is_good = is_good or (kind is int and _SMALLEST <= held <= _LARGEST)
            if is_good and not key.startswith(_READ):
                self._attributes.append({"key": key, "value": value(held)})
                told[key] = held
        if told:
            self._put(names.ANNOTATIONS, list(told))
            self._told["annotations"] = told

    def _metadata(self) -> None:
        metadata = self._document.get("metadata")
        if not isinstance(metadata, dict):
            return
        told: Document = {}
        for namespace, held in metadata.items():
            if not isinstance(held, dict) or not namespace or namespace.startswith("AWS."):
                continue
            if held or namespace != "default":
                packed = json.dumps(held, separators=(",", ":"), ensure_ascii=False)
                self._attributes.append(
                    {"key": names.METADATA + namespace, "value": {"stringValue": packed}}
                )
                told[namespace] = held
        if told:
            self._told["metadata"] = told


_REQUEST = (
    ("method", "http.request.method"),
    ("url", "url.full"),
    ("user_agent", "user_agent.original"),
    ("client_ip", "client.address"),
)
_RESPONSE = (
    ("status", "http.response.status_code"),
    ("content_length", "http.response.body.size"),
)
_AWS = (
    ("operation", "aws.operation", MAX_TEXT),
    ("account_id", "aws.account_id", MAX_TEXT),
    ("region", "aws.region", MAX_TEXT),
    ("request_id", "aws.request_id", MAX_TEXT),
    ("queue_url", "aws.queue_url", None),
)
_COUNTS = (
    ("truncated", names.EXCEPTION_TRUNCATED),
    ("skipped", names.EXCEPTION_SKIPPED),
)


def _object(owner: Mapping[str, Any], name: str) -> Document:
    held = owner.get(name)
    return held if isinstance(held, dict) else {}


def _beyond(document: Document, told: Document, is_segment: bool) -> Document:
    """What a document says that the way back won't find elsewhere; null for what it finds too much."""
    rest = {
        key: _rest(held, told.get(key))
        for key, held in document.items()
        if key not in _PLACE
        and key != "subsegments"
        and held is not None
        and key != "in_progress"
        and (key not in told or told[key] != held)
    }
    for key, held in told.items():
        if key in _PLACE:  # where the way back would be wrong
            rest[key] = document.get(key)
        elif held is not None and document.get(key) is None:
            rest[key] = None
    return {key: held for key, held in rest.items() if held != {} or key not in told}


def _rest(held: Any, told: Any) -> Any:
    if not isinstance(held, dict) or not isinstance(told, dict):
        return held
    rest = {
        key: _rest(each, told.get(key))
        for key, each in held.items()
        if each is not None
        and (key not in told or told[key] != each or type(told[key]) is not type(each))
    }
    for key in told:
        if held.get(key) is None:
            rest[key] = None
    return rest
