"""The documents of one trace, compiled: its parts, its calls, and what it says as a whole. Pure.

All times are seconds since the epoch, durations seconds, both as floats.
"""

from __future__ import annotations

from hashlib import blake2b
from math import inf
from typing import NamedTuple

from . import causes
from .documents import assembled, entities_of, latest_versions, number, text, time_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias


class NodeKey(NamedTuple):
    """What makes a node of the service graph that node.

    type: "AWS::DynamoDB::Table", "Database::SQL", "remote", "client", or None for a plain service.
    """

    name: str
    type: str | None
    account_id: str | None


class Part:
    """One service's part in a trace: one segment, received or inferred.

    root: nothing in the trace led to it. orphan: a subsegment that travelled alone and whose parent
    hasn't arrived; of the service it belongs to nothing is known. ok: none of error, fault and throttle, of which several
    may be true. end: None while in progress. response_time: end - start. duration: from its start
    to the latest end beneath it. document: compiled, subsegments merged in.
    """

    __slots__ = (
        "availability_zone",
        "document",
        "duration",
        "end",
        "error",
        "fault",
        "http_client_ip",
        "http_method",
        "http_status",
        "http_url",
        "http_user_agent",
        "id",
        "in_progress",
        "inferred",
        "instance_id",
        "name",
        "names",
        "node",
        "ok",
        "orphan",
        "parent_id",
        "resource_arn",
        "response_time",
        "root",
        "start",
        "throttle",
        "user",
    )

    id: str
    parent_id: str | None
    name: str
    node: NodeKey
    names: list[str]
    inferred: bool
    orphan: bool
    root: bool
    in_progress: bool
    ok: bool
    error: bool
    fault: bool
    throttle: bool
    start: float
    end: float | None
    response_time: float | None
    duration: float | None
    http_url: str | None
    http_method: str | None
    http_user_agent: str | None
    http_client_ip: str | None
    http_status: int | None
    user: str | None
    resource_arn: str | None
    instance_id: str | None
    availability_zone: str | None
    document: dict[str, Any]


class Call:
    """An edge of a trace: a caller's subsegment, or the client, and the part it led to.

    link: the parts are joined by a trace link or by what was taken out of a queue, not by a call;
    age then says how long after the source's end the target began. The status and times are the
    caller's; of a client's call, and of a link, the target's.
    """

    __slots__ = (
        "age",
        "end",
        "error",
        "fault",
        "link",
        "ok",
        "response_time",
        "source",
        "start",
        "target",
        "throttle",
    )

    source: NodeKey
    target: NodeKey
    link: bool
    ok: bool
    error: bool
    fault: bool
    throttle: bool
    start: float
    end: float | None
    response_time: float | None
    age: float | None


class Link(NamedTuple):
    """A trace link: `part` follows from something that ended in another trace, as a rule."""

    trace_id: str
    id: str
    part: Part


class Trace:
    """A compiled trace.

    root: the entry point; None of a trace without parts. parts: by start, inferred ones included.
    annotations, users: each distinct value with the nodes that set it. revision: how many
    different documents it was compiled from. partial: something is in progress or missing.
    failing: some entity may have failed. links: those of all parts, also to what isn't known.
    """

    __slots__ = (
        "_causes",
        "_index",
        "annotations",
        "calls",
        "duration",
        "end",
        "failing",
        "id",
        "links",
        "partial",
        "parts",
        "response_time",
        "revision",
        "root",
        "start",
        "users",
    )

    id: str
    start: float
    end: float
    duration: float
    response_time: float | None
    partial: bool
    failing: bool
    root: Part | None
    parts: list[Part]
    calls: list[Call]
    links: list[Link]
    annotations: dict[str, list[tuple[str | float | int | bool, list[NodeKey]]]]
    users: list[tuple[str, list[NodeKey]]]
    revision: int
    _causes: dict[str, list[causes.RootCause]] | None
    _index: tuple[dict[str, list[Part]], dict[str, tuple[dict[str, Any], Part]]] | None

    @property
    def causes(self) -> dict[str, list[causes.RootCause]]:
        """The root causes under "fault", "error" and "responsetime"."""
        if self._causes is None:
            self._causes = causes.root_causes(self)
        return self._causes

    def producer(
        self, id: str, consumer: Part | None = None
    ) -> tuple[NodeKey, float | None] | None:
        """The node that a link to a segment or subsegment leads from, and when that ended.

        It is what a subsegment called (the queue), or else the service the id belongs to. None if
        the trace doesn't have it. consumer: the part that has the link, which doesn't count.
        """
        called, places = self._indexed()
        if id not in places:
            return None
        entity, part = places[id]
        if part is consumer:
            return None
        node = part.node
        if entity is not part.document:
            node = next((each.node for each in called.get(id, ()) if each is not consumer), node)
        return node, time_of(entity.get("end_time"))

    def producers(self) -> dict[str, tuple[NodeKey, float | None]]:
        """What links from other traces lead from, by the id in this one; see producer()."""
        found = ((id, self.producer(id)) for id in self._indexed()[1])
        return {id: producer for id, producer in found if producer is not None}

    def _indexed(self) -> tuple[dict[str, list[Part]], dict[str, tuple[dict[str, Any], Part]]]:
        if self._index is None:
            called: dict[str, list[Part]] = {}
            places: dict[str, tuple[dict[str, Any], Part]] = {}
            for part in self.parts:
                if part.parent_id is not None and not part.orphan:
                    called.setdefault(part.parent_id, []).append(part)
                if not part.orphan and not part.inferred:
                    for entity in entities_of(part.document):
                        own_id = entity.get("id")
                        if own_id.__class__ is str:
                            places.setdefault(own_id, (entity, part))
            self._index = called, places
        return self._index


def compile_trace(
    trace_id: str,
    documents: Sequence[Any],
    linked: Callable[[str, str], tuple[NodeKey, float | None] | None] | None = None,
) -> Trace:
    """The trace that documents make: any order and number of repetitions gives the same.

    documents: JSON objects with text in trace_id and id and a number in start_time, or arrays of
    them; everything else in them may be of any type. Never raises because of what is in them, and
    leaves them unchanged. linked: finds what a link to another trace leads from, by the trace's
    id and the id in it, as Trace.producer does; without it such links make no calls.
    """
    segments, independent, revision = latest_versions(documents)
    orphans: Sequence[dict[str, Any]] = ()
    whole: Sequence[dict[str, Any]] = list(segments.values())
    if independent:
        whole, orphans = assembled(segments, independent)
    compiling = _Compiling(trace_id, whole, orphans)
    trace = compiling.trace
    trace.revision = revision
    compiling.find_callers()
    compiling.infer()
    compiling.choose_root()
    if trace.links:
        compiling.follow_links(linked)
    compiling.connect()
    return trace


if TYPE_CHECKING:
    # A subsegment, or a segment that calls on its own, and the part that it belongs to.
    Caller: TypeAlias = tuple[dict[str, Any], Part]
    _Value: TypeAlias = str | float | int | bool


class _Compiling:
    """The steps from whole documents to a trace; each fills in what the next ones need."""

    def __init__(
        self, trace_id: str, whole: Sequence[dict[str, Any]], orphans: Sequence[dict[str, Any]]
    ) -> None:
        self.trace = trace = Trace()
        trace.id = trace_id
        trace._causes = None
        trace._index = None
        trace.calls = []
        trace.links = []
        # What is annotated, and by which nodes: dicts for their order, and to find things in.
        self.annotations: dict[str, dict[tuple[bool, _Value], dict[NodeKey, None]]] = {}
        self.users: dict[str, dict[NodeKey, None]] = {}
        trace.parts = parts = [_received(document, False) for document in whole]
        if orphans:
            parts.extend([_received(document, True) for document in orphans])
        if len(parts) > 1:
            parts.sort(key=_order)
        # Who called each part; what calls other services; which ids are asked for as parents.
        self.callers: dict[Part, Caller] = {}
        self.remote: list[Caller] = []
        self.wanted: dict[str, Caller | None] = {
            part.parent_id: None for part in parts if part.parent_id is not None and not part.orphan
        }
        self.followers: set[Part] = set()
        # Parts of queues, by the subsegment that put something into them.
        self.queues: dict[str, Part] = {}
        trace.partial = bool(orphans)
        trace.failing = False
        trace.start = min([part.start for part in parts], default=0.0)
        trace.end = trace.start
        for part in parts:
            self._look_through(part)
        trace.duration = _seconds(trace.start, trace.end)
        trace.annotations = {
            key: [(value, list(nodes)) for (_, value), nodes in values.items()]
            for key, values in self.annotations.items()
        }
        trace.users = [(user, list(nodes)) for user, nodes in self.users.items()]

    def _look_through(self, part: Part) -> None:
        """Find out what the entities of a part say about the trace."""
        trace = self.trace
        wanted = self.wanted
        document = part.document
        latest = part.start  # anything is known to have gone on until then
        last_end = -inf
        found = [document]
        for entity in found:
            if entity is document:
                end = part.end
            else:
                start = time_of(entity.get("start_time"))
                if start is not None and start > latest:
                    latest = start
                end = time_of(entity.get("end_time"))
            if end is None:
                trace.partial = True
            elif end > last_end:
                last_end = end
            if "fault" in entity or "error" in entity or "throttle" in entity:
                trace.failing = True
            id = entity.get("id")
            if id.__class__ is str and wanted and id in wanted and wanted[id] is None:
                wanted[id] = (entity, part)
            namespace = entity.get("namespace")
            if (
                (namespace == "remote" or namespace == "aws")
                and id.__class__ is str
                and (entity is not document or part.orphan)
            ):
                self.remote.append((entity, part))
            annotations = entity.get("annotations")
            if annotations and annotations.__class__ is dict:
                self._annotate(part.node, annotations)
            below = entity.get("subsegments")
            if below and below.__class__ is list:
                found.extend([each for each in below if each.__class__ is dict])
        if part.end is not None:
            part.duration = _seconds(part.start, last_end)
        trace.end = max(trace.end, latest, last_end)
        links = document.get("links")
        if links.__class__ is list and not part.orphan:
            for link in links:
                if link.__class__ is dict:
                    linked_trace, id = link.get("trace_id"), link.get("id")
                    if linked_trace.__class__ is str and id.__class__ is str:
                        trace.links.append(Link(linked_trace, id, part))
        if part.user is not None:
            self.users.setdefault(part.user, {})[part.node] = None

    def _annotate(self, node: NodeKey, annotations: dict[str, Any]) -> None:
        for key, value in annotations.items():
            kind = value.__class__
            if kind is str:
                value = text(value)
            elif kind is not bool:
                value = number(value)
                if value is None:
                    continue
            values = self.annotations.setdefault(text(key) or "", {})
            # True == 1, but an annotation with the one isn't one with the other.
            values.setdefault((kind is bool, value), {})[node] = None

    def find_callers(self) -> None:
        """Join the parts by their parent ids."""
        wanted = self.wanted
        for part in self.trace.parts:
            if part.orphan or part.parent_id is None:
                part.root = True
                continue
            caller = wanted[part.parent_id]
            if caller is None or caller[1] is part or caller[1].orphan:
                part.root = True  # as far as is known; the caller may still come
                self.trace.partial = True
            else:
                part.root = False
                self.callers[part] = caller

    def infer(self) -> None:
        """Add the parts of services that were called and sent nothing themselves.

        A queue's too if a consumer has joined the trace: it stands between the two.
        """
        wanted = self.wanted
        trace = self.trace
        added = 0
        for entity, part in self.remote:
            is_queue = entity["id"] in wanted and _is_queue(entity)
            if is_queue or entity["id"] not in wanted:
                inferred = _inferred(trace.id, entity, part)
                trace.parts.append(inferred)
                self.callers[inferred] = (entity, part)
                if is_queue:
                    self.queues[entity["id"]] = inferred
                added += 1
        if added:
            trace.parts.sort(key=_order)

    def choose_root(self) -> None:
        """Find the entry point; where the parts call each other in a circle, break it up."""
        trace = self.trace
        best = None
        grade = 4
        for part in trace.parts:
            if part.inferred:
                continue
            # Where no received part is a root, they call each other in a circle.
            if part.orphan:
                own = 3
            elif part.root:
                own = 0 if part.parent_id is None else 1
            else:
                own = 2
            if own < grade:
                best, grade = part, own
        if best is not None and not best.root:
            best.root = True
            trace.partial = True
            del self.callers[best]
        trace.root = best
        trace.response_time = None if best is None else best.response_time

    def follow_links(
        self, linked: Callable[[str, str], tuple[NodeKey, float | None] | None] | None
    ) -> None:
        """Add the calls that trace links stand for."""
        trace = self.trace
        for trace_id, id, part in trace.links:
            if trace_id == trace.id:
                producer = trace.producer(id, part)
            else:
                producer = None if linked is None else linked(trace_id, id)
            if producer is None:
                continue
            self.followers.add(part)
            node, end = producer
            age = None if end is None else _seconds(end, part.start)
            trace.calls.append(_call(node, part.node, part, link=True, age=age))

    def connect(self) -> None:
        """Add the calls, from clients and between parts."""
        calls = self.trace.calls
        for part in self.trace.parts:
            if part.orphan:
                continue
            if part.root:
                # What a queue has handed over wasn't called by a client.
                if part not in self.followers:
                    client = NodeKey(part.node.name, "client", None)
                    calls.append(_call(client, part.node, part))
                continue
            entity, owner = self.callers[part]
            if owner.orphan:
                continue
            queue = None if part.inferred else self.queues.get(entity["id"])
            if queue is not None:
                age = None if queue.end is None else _seconds(queue.end, part.start)
                calls.append(_call(queue.node, part.node, part, link=True, age=age))
                continue
            if part.inferred or entity is owner.document:
                calls.append(_call(owner.node, part.node, part))
                continue
            start = time_of(entity.get("start_time"))
            calls.append(_call(owner.node, part.node, _state(entity, start or owner.start)))


def _order(part: Part) -> tuple[float, str, bool]:
    return part.start, part.id, part.orphan


def _seconds(start: float, end: float) -> float:
    """A duration, to the microsecond: more digits than that are noise of large numbers."""
    return round(end - start, 6) if end > start else 0.0


# -- parts -------------------------------------------------------------------------------------


class _State:
    """When an entity began and ended, and how."""

    __slots__ = ("end", "error", "fault", "ok", "response_time", "start", "throttle")

    start: float
    end: float | None
    response_time: float | None
    ok: bool
    error: bool
    fault: bool
    throttle: bool


def _fill_state(state: Part | _State, entity: dict[str, Any], start: float) -> None:
    state.start = start
    state.end = end = time_of(entity.get("end_time"))
    state.response_time = None if end is None else _seconds(start, end)
    state.error = error = entity.get("error") is True
    state.fault = fault = entity.get("fault") is True
    state.throttle = throttle = entity.get("throttle") is True
    state.ok = not (error or fault or throttle)


def _state(entity: dict[str, Any], start: float) -> _State:
    state = _State()
    _fill_state(state, entity, start)
    return state


def _call(
    source: NodeKey,
    target: NodeKey,
    state: Part | _State,
    link: bool = False,
    age: float | None = None,
) -> Call:
    call = Call()
    call.source = source
    call.target = target
    call.link = link
    call.start = state.start
    call.end = state.end
    call.response_time = state.response_time
    call.ok = state.ok
    call.error = state.error
    call.fault = state.fault
    call.throttle = state.throttle
    call.age = age
    return call


def _received(document: dict[str, Any], orphan: bool) -> Part:
    """The part that a segment's document describes, or an orphan's."""
    part = Part()
    part.id = document["id"]
    parent = document.get("parent_id")
    part.parent_id = parent if parent and parent.__class__ is str else None
    part.name = name = text(document.get("name")) or "unknown"
    aws = document.get("aws")
    account = None
    part.resource_arn = text(document.get("resource_arn"))
    part.instance_id = part.availability_zone = None
    if aws.__class__ is dict:
        account = text(aws.get("account_id"))
        _place(part, aws)
    origin = None if orphan else text(document.get("origin"))
    part.node = NodeKey(name, origin or None, account or None)
    part.names = [name]
    part.inferred = False
    part.orphan = orphan
    part.root = False
    part.user = text(document.get("user"))
    part.document = document
    part.duration = None
    _fill_state(part, document, time_of(document.get("start_time")) or 0.0)
    part.in_progress = part.end is None
    _fill_http(part, document.get("http"))
    return part


def _place(part: Part, aws: dict[str, Any]) -> None:
    ec2 = aws.get("ec2")
    if ec2.__class__ is dict:
        part.instance_id = text(ec2.get("instance_id"))
        part.availability_zone = text(ec2.get("availability_zone"))
    if part.availability_zone is None:
        ecs = aws.get("ecs")
        if ecs.__class__ is dict:
            part.availability_zone = text(ecs.get("availability_zone"))


def _fill_http(part: Part, http: Any) -> None:
    part.http_url = part.http_method = part.http_user_agent = part.http_client_ip = None
    part.http_status = None
    if http.__class__ is not dict:
        return
    request = http.get("request")
    if request.__class__ is dict:
        part.http_url = text(request.get("url"))
        part.http_method = text(request.get("method"))
        part.http_user_agent = text(request.get("user_agent"))
        part.http_client_ip = text(request.get("client_ip"))
    response = http.get("response")
    if response.__class__ is dict:
        status = response.get("status")
        if status.__class__ is int and 0 <= status <= _HIGHEST_STATUS:
            part.http_status = status


_HIGHEST_STATUS = 99_999  # far beyond HTTP's; what is larger is no status


# -- inferred parts ----------------------------------------------------------------------------

_AWS_SERVICES = {
    name.lower(): name
    for name in (
        *("DynamoDB", "S3", "SNS", "SQS", "Lambda", "Kinesis", "SSM", "KMS", "STS", "ECS", "ECR"),
        *("Firehose", "CloudWatch", "EventBridge", "SecretsManager", "StepFunctions", "RDS", "SES"),
    )
}
"""How node types spell the names that SDKs write in lower case."""

_AWS_RESOURCES = {
    "DynamoDB": ("table_name", "AWS::DynamoDB::Table"),
    "Lambda": ("function_name", "AWS::Lambda::Function"),
    "S3": ("bucket_name", "AWS::S3::Bucket"),
    "SQS": ("queue_url", "AWS::SQS::Queue"),
}
"""Member of the aws block that names the resource, and the type of its node."""


_QUEUES = frozenset(("sqs", "sns", "kinesis", "eventbridge", "events"))
"""AWS services that keep what they are given, for others to work on later."""


def _is_queue(entity: dict[str, Any]) -> bool:
    """Whether a subsegment put something into a queue, rather than call who took it out."""
    return entity["namespace"] == "aws" and (text(entity.get("name")) or "").lower() in _QUEUES


def _inferred(trace_id: str, entity: dict[str, Any], caller: Part) -> Part:
    """The part of a service that a subsegment called and that sent no segment."""
    part = Part()
    own_id: str = entity["id"]
    # Always the same for the same subsegment, and like no other id.
    made = blake2b(f"{trace_id}/{own_id}".encode("utf-8", "replace"), digest_size=8)
    part.id = made.hexdigest()
    part.parent_id = own_id
    part.name = name = text(entity.get("name")) or "unknown"
    aws = entity.get("aws")
    account = text(aws.get("account_id")) or None if aws.__class__ is dict else None
    origin = None
    if entity["namespace"] == "aws":
        resource, origin = _aws_node(name, aws)
        part.node = NodeKey(resource, origin, account)
    else:
        origin = _database_type(entity.get("sql"))
        part.node = NodeKey(name, origin or REMOTE, account)
    part.names = [part.node.name]
    part.inferred = True
    part.orphan = False
    part.root = False
    part.user = part.resource_arn = part.instance_id = part.availability_zone = None
    start = time_of(entity.get("start_time"))
    _fill_state(part, entity, caller.start if start is None else start)
    part.in_progress = part.end is None
    part.duration = part.response_time
    _fill_http(part, entity.get("http"))
    part.document = document = {
        "id": part.id,
        "trace_id": trace_id,
        "parent_id": own_id,
        "name": name,
        "start_time": part.start,
        "inferred": True,
    }
    if part.end is None:
        document["in_progress"] = True
    if origin is not None:
        document["origin"] = origin
    for member in _INFERRED_MEMBERS:
        if member in entity:
            document[member] = entity[member]
    return part


_INFERRED_MEMBERS = ("end_time", "http", "aws", "error", "throttle", "fault", "cause")


REMOTE = "remote"
DATABASE = "Database::"
"""Types of nodes that sent nothing themselves: a service, and what the types of databases begin with."""

_NO_SQL = {
    name.lower(): name
    for name in (
        *("Redis", "Valkey", "Memcached", "MongoDB", "Cassandra", "Elasticsearch", "OpenSearch"),
        *("Neo4j", "CouchDB", "InfluxDB", "Solr", "HBase", "Couchbase", "etcd"),
    )
}
"""Databases that have a type of their own. Whatever else is in a `sql` block is SQL."""


def is_remote(type: str | None) -> bool:
    """Whether nodes of a type are services of others, which send no segments."""
    return type is not None and (type == REMOTE or type.startswith(DATABASE))


def _database_type(sql: Any) -> str | None:
    """The type of the node that a call with this `sql` block leads to."""
    if sql.__class__ is not dict:
        return None
    kind = (text(sql.get("database_type")) or "").strip().lower()
    return f"{DATABASE}{_NO_SQL.get(kind, 'SQL')}"


def _aws_node(name: str, aws: Any) -> tuple[str, str]:
    """Name and type of the node that an AWS call leads to."""
    service = _AWS_SERVICES.get(name.lower(), name)
    if service in _AWS_RESOURCES and aws.__class__ is dict:
        member, type = _AWS_RESOURCES[service]
        resource = text(aws.get(member))
        if not resource:
            resource = _only(aws.get("resource_names")) or _only(aws.get("table_names"))
        if resource:
            if member == "queue_url":
                resource = resource.rstrip("/").rpartition("/")[2] or resource
            return resource, type
    return name, service if service.startswith("AWS::") else f"AWS::{service}"


def _only(names: Any) -> str | None:
    """The name in a list of one: of several tables none is the one that was called."""
    return text(names[0]) if names.__class__ is list and len(names) == 1 else None
