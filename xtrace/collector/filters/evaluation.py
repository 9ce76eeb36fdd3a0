"""Tree -> a function that says whether a trace matches: the full meaning of an expression.

What is missing makes a comparison false, `!=` too. Where a trace has several values (users,
annotations set by several services), one that fits is enough.
"""

from __future__ import annotations

import json
import operator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..trace import is_remote
from .keywords import BOOLEANS
from .tree import (
    And,
    Annotation,
    Edge,
    Group,
    Is,
    Node,
    Not,
    Number,
    Or,
    RootCause,
    RootCauseJson,
    Selector,
    Service,
    Text,
    Truth,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .. import causes
    from ..trace import NodeKey, Trace

    # An element is what a scope's keywords describe: a trace, a part, a call, a CauseElement.
    Predicate = Callable[[Any], bool]
    Getter = Callable[[Any], Any]

CLIENT = "client"
"""The type of the nodes that stand for who called first. They have calls and no parts."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "contains": operator.contains,
    "beginswith": str.startswith,
    "endswith": str.endswith,
}


class CauseElement(NamedTuple):
    """A service, an entity or an exception on the way to a root cause.

    place: among those of its cause, from 0, counted from the entry point downwards.
    """

    place: int
    last: bool
    name: str | None
    type: str | None = None
    inferred: bool = False
    remote: bool = False
    coverage: float | None = None
    message: str | None = None


class _Scope(NamedTuple):
    """How to get what keywords ask for from an element: one value or None, or all there are."""

    one: dict[str, Getter]
    all: dict[str, Getter] = {}  # noqa: RUF012 (never changed)


def _of_parts(attribute: str) -> Getter:
    """The values that a trace's parts have in an attribute."""
    return lambda trace: [
        value for part in trace.parts if (value := getattr(part, attribute)) is not None
    ]


def _of_root(getter: Getter) -> Getter:
    return lambda trace: None if trace.root is None else getter(trace.root)


_PART: dict[str, Getter] = {
    "ok": operator.attrgetter("ok"),
    "error": operator.attrgetter("error"),
    "throttle": operator.attrgetter("throttle"),
    "fault": operator.attrgetter("fault"),
    "partial": operator.attrgetter("in_progress"),
    "inferred": operator.attrgetter("inferred"),
    "root": operator.attrgetter("root"),
    "remote": lambda part: is_remote(part.node.type),
    "responsetime": operator.attrgetter("response_time"),
    "duration": operator.attrgetter("duration"),
    "http.status": operator.attrgetter("http_status"),
    "http.url": operator.attrgetter("http_url"),
    "http.method": operator.attrgetter("http_method"),
    "http.useragent": operator.attrgetter("http_user_agent"),
    "http.clientip": operator.attrgetter("http_client_ip"),
    "name": operator.attrgetter("node.name"),
    "type": operator.attrgetter("node.type"),
    "user": operator.attrgetter("user"),
    "availabilityzone": operator.attrgetter("availability_zone"),
    "instance.id": operator.attrgetter("instance_id"),
    "resource.arn": operator.attrgetter("resource_arn"),
}
_CALL: dict[str, Getter] = {
    "ok": operator.attrgetter("ok"),
    "error": operator.attrgetter("error"),
    "throttle": operator.attrgetter("throttle"),
    "fault": operator.attrgetter("fault"),
    "responsetime": operator.attrgetter("response_time"),
    "duration": operator.attrgetter("response_time"),
}
_TRACE_SCOPE = _Scope(
    {
        **{
            keyword: _of_root(_PART[keyword])
            for keyword in (
                "ok",
                "error",
                "fault",
                "name",
                "type",
                "http.status",
                "http.url",
                "http.method",
                "http.useragent",
                "http.clientip",
            )
        },
        "throttle": lambda trace: any(part.throttle for part in trace.parts),
        "inferred": lambda trace: any(part.inferred for part in trace.parts),
        "partial": operator.attrgetter("partial"),
        "responsetime": operator.attrgetter("response_time"),
        "duration": operator.attrgetter("duration"),
    },
    {
        "user": lambda trace: [user for user, _ in trace.users],
        "availabilityzone": _of_parts("availability_zone"),
        "instance.id": _of_parts("instance_id"),
        "resource.arn": _of_parts("resource_arn"),
    },
)
_PART_SCOPE = _Scope(_PART)
_CALL_SCOPE = _Scope(_CALL)
_CLIENT_SCOPE = _Scope(
    {
        **_CALL,
        "name": operator.attrgetter("source.name"),
        "type": operator.attrgetter("source.type"),
    }
)
_CAUSE_SCOPE = _Scope(
    {
        "first": lambda element: element.place == 0,
        "index": operator.attrgetter("place"),
        **{
            keyword: operator.attrgetter(keyword)
            for keyword in ("last", "name", "type", "inferred", "remote", "coverage", "message")
        },
    }
)


def predicate(tree: Node) -> Callable[[Trace], bool]:
    """The function that says whether a trace matches a tree, which must hold no groups."""
    return _compiled(tree, _TRACE_SCOPE)


def _compiled(node: Node, scope: _Scope) -> Predicate:
    if isinstance(node, And):
        return _all_of([_compiled(term, scope) for term in node.terms])
    if isinstance(node, Or):
        return _any_of([_compiled(term, scope) for term in node.terms])
    if isinstance(node, Not):
        term = _compiled(node.term, scope)
        return lambda element: not term(element)
    if isinstance(node, Service):
        return _service(node)
    if isinstance(node, Edge):
        return _edge(node)
    if isinstance(node, RootCause):
        return _root_cause(node)
    if isinstance(node, RootCauseJson):
        return _root_cause_json(node)
    if isinstance(node, Group):
        raise TypeError("groups are resolved before a tree is evaluated")
    return _comparison(node, scope)


def _all_of(terms: list[Predicate]) -> Predicate:
    def all_of(element: Any) -> bool:
        for term in terms:  # noqa: SIM110 (a generator would cost a frame for each level)
            if not term(element):
                return False
        return True

    return all_of


def _any_of(terms: list[Predicate]) -> Predicate:
    def any_of(element: Any) -> bool:
        for term in terms:  # noqa: SIM110
            if term(element):
                return True
        return False

    return any_of


def _comparison(node: Is | Number | Text | Truth, scope: _Scope) -> Predicate:
    fits = _fits(node)
    if isinstance(node.operand, Annotation):
        key = node.operand.key
        return lambda trace: any(fits(value) for value, _ in trace.annotations.get(key, ()))
    keyword = node.operand.name
    if keyword in scope.all:
        values = scope.all[keyword]
        return lambda element: any(map(fits, values(element)))
    value: Getter = scope.one.get(keyword, _nothing)

    def comparison(element: Any) -> bool:
        found = value(element)
        return found is not None and fits(found)

    return comparison


def _nothing(_: Any) -> Any:
    return None


def _fits(node: Is | Number | Text | Truth) -> Callable[[Any], bool]:
    """Whether a value that is there is what a comparison asks for; one of another kind never is."""
    if isinstance(node, Is):
        if isinstance(node.operand, Annotation) or node.operand.name in BOOLEANS:
            return lambda value: value is not False
        return lambda value: True
    compare, wanted = _COMPARE[node.operator], node.value
    if isinstance(node, Text):
        return lambda value: isinstance(value, str) and compare(value, wanted)
    if isinstance(node, Truth):
        return lambda value: isinstance(value, bool) and compare(value, wanted)
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and compare(value, wanted)
    )


def selects(selector: Selector) -> Callable[[NodeKey], bool]:
    """The function that says whether a node of the graph is one of those selected."""
    name, type, account_id = selector.name, selector.type, selector.account_id
    return lambda node: (
        (name is None or node.name == name)
        and (type is None or node.type == type)
        and (account_id is None or node.account_id == account_id)
    )


def _service(node: Service) -> Predicate:
    selected = selects(node.selector)
    if node.selector.type == CLIENT:
        holds = _block(node.block, _CLIENT_SCOPE)
        return lambda trace: any(selected(call.source) and holds(call) for call in trace.calls)
    holds = _block(node.block, _PART_SCOPE)
    return lambda trace: any(
        selected(part.node) and not part.orphan and holds(part) for part in trace.parts
    )


def _edge(node: Edge) -> Predicate:
    source, target = selects(node.source), selects(node.target)
    holds = _block(node.block, _CALL_SCOPE)
    return lambda trace: any(
        source(call.source) and target(call.target) and holds(call) for call in trace.calls
    )


def _root_cause(node: RootCause) -> Predicate:
    holds = _block(node.block, _CAUSE_SCOPE)
    kind, elements = node.kind, _ELEMENTS[node.part]
    return lambda trace: any(
        holds(element) for cause in trace.causes[kind] for element in _numbered(elements(cause))
    )


def _block(block: Node | None, scope: _Scope) -> Predicate:
    return (lambda element: True) if block is None else _compiled(block, scope)


def _services(cause: causes.RootCause) -> Iterator[CauseElement]:
    for service in cause.services:
        node = service.node
        yield CauseElement(0, False, node.name, node.type, service.inferred, is_remote(node.type))


def _entities(cause: causes.RootCause) -> Iterator[CauseElement]:
    for service in cause.services:
        for entity in service.entities:
            yield CauseElement(
                0, False, entity.name, remote=entity.remote, coverage=entity.coverage
            )


def _exceptions(cause: causes.RootCause) -> Iterator[CauseElement]:
    for service in cause.services:
        for entity in service.entities:
            for exception in entity.exceptions:
                yield CauseElement(0, False, exception.name, message=exception.message)


_ELEMENTS = {"service": _services, "entity": _entities, "exception": _exceptions}


def _numbered(elements: Iterable[CauseElement]) -> list[CauseElement]:
    found = list(elements)
    return [
        element._replace(place=place, last=place == len(found) - 1)
        for place, element in enumerate(found)
    ]


def _root_cause_json(node: RootCauseJson) -> Predicate:
    patterns = json.loads(node.text)

    def described(trace: Trace) -> bool:
        shapes = [_shape(cause) for kind in trace.causes.values() for cause in kind]
        return all(any(_like(shape, pattern) for shape in shapes) for pattern in patterns)

    return described


def _shape(cause: causes.RootCause) -> dict[str, Any]:
    """A root cause as GetTraceSummaries gives it, with every member."""
    return {
        "ClientImpacting": cause.client_impacting,
        "Services": [
            {
                "Name": service.node.name,
                "Names": service.names,
                "Type": service.node.type,
                "AccountId": service.node.account_id,
                "Inferred": service.inferred,
                "EntityPath": [
                    {
                        "Name": entity.name,
                        "Remote": entity.remote,
                        "Coverage": entity.coverage,
                        "Exceptions": [
                            {"Name": exception.name, "Message": exception.message}
                            for exception in entity.exceptions
                        ],
                    }
                    for entity in service.entities
                ],
            }
            for service in cause.services
        ],
    }


def _like(value: Any, pattern: Any) -> bool:
    """Whether a JSON value is what a pattern says; members that it leaves out may be anything."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            _like(value.get(name), wanted) for name, wanted in pattern.items()
        )
    if isinstance(pattern, list):
        return (
            isinstance(value, list)
            and len(value) == len(pattern)
            and all(map(_like, value, pattern))
        )
    if isinstance(value, str) and isinstance(pattern, int) and not isinstance(pattern, bool):
        return value == str(pattern)  # summaries have been seen with numbers for account ids
    return isinstance(value, bool) == isinstance(pattern, bool) and bool(value == pattern)
