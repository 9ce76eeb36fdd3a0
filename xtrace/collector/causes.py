"""Root causes of a trace: why it failed, and where its time went. Pure."""

from __future__ import annotations

from typing import NamedTuple

from .documents import text, time_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .trace import NodeKey, Part, Trace


class CauseException(NamedTuple):
    """An exception at the end of a path of failures. None: the document doesn't say."""

    name: str | None
    message: str | None


class CauseEntity(NamedTuple):
    """A segment or subsegment on the way to a cause.

    remote: it is a call to another service. coverage: its share of the root's response time, 0 to
    1, of response time causes; None of failures. exceptions: of the last entity of a failure.
    """

    name: str
    remote: bool
    coverage: float | None
    exceptions: list[CauseException]


class CauseService(NamedTuple):
    """A service on the way to a cause. entities: its segment, then subsegments downwards."""

    node: NodeKey
    names: list[str]
    inferred: bool
    entities: list[CauseEntity]


class RootCause(NamedTuple):
    """A path of services from the entry point down to a cause.

    client_impacting: the client saw it: the root failed too, or is slow because of it.
    """

    client_impacting: bool
    services: list[CauseService]


MAX_CAUSES = 20
"""Of one kind in one trace; thousands of calls that fail one by one say no more than the first."""

COVERS_MOST = 0.5
"""What share of its parent's time a child must take, to be where the time went."""


def root_causes(trace: Trace) -> dict[str, list[RootCause]]:
    """The causes of a trace under "fault", "error" and "responsetime".

    Of failures: the deepest failing entities, on whatever path. Of response time: down from the
    entry point to the child that takes the longest, while it takes most of its parent's time.
    """
    called = _called(trace)
    causes: dict[str, list[RootCause]] = {"fault": [], "error": []}
    if trace.failing:
        steps = _steps(trace, called)
        causes["fault"] = _failures(trace, steps, ("fault",))
        causes["error"] = _failures(trace, steps, ("error", "throttle"))
    causes["responsetime"] = _slowest(trace.root, called)
    return causes


def _called(trace: Trace) -> dict[str, list[Part]]:
    """The parts that were called, by the id of the caller."""
    called: dict[str, list[Part]] = {}
    for part in trace.parts:
        if part.parent_id is not None and not part.root:
            called.setdefault(part.parent_id, []).append(part)
    return called


class Step(NamedTuple):
    """An entity on the way down. above: the index of the step before, -1 of an entry point."""

    entity: dict[str, Any]
    part: Part
    above: int


def steps_of(trace: Trace) -> list[Step]:
    """Everything that can be reached from the entry points, parents first."""
    return _steps(trace, _called(trace))


def _steps(trace: Trace, called: dict[str, list[Part]]) -> list[Step]:
    steps = [Step(part.document, part, -1) for part in trace.parts if part.root]
    met = {step.part for step in steps}
    for index, (entity, part, _) in enumerate(steps):
        for each in _subsegments(entity):
            steps.append(Step(each, part, index))
        for other in _called_by(entity, called):
            if other not in met:  # ids may be used twice
                met.add(other)
                steps.append(Step(other.document, other, index))
    return steps


def _subsegments(entity: dict[str, Any]) -> list[dict[str, Any]]:
    below = entity.get("subsegments")
    if below.__class__ is not list:
        return []
    return [each for each in below if each.__class__ is dict]


def _called_by(entity: dict[str, Any], called: dict[str, list[Part]]) -> Iterable[Part]:
    id = entity.get("id")
    return called.get(id, ()) if id.__class__ is str else ()


# -- failures ----------------------------------------------------------------------------------


def _failures(trace: Trace, steps: list[Step], flags: tuple[str, ...]) -> list[RootCause]:
    """Where failures began: entities that failed with nothing below that did."""
    below_failed = [False] * len(steps)
    found = []
    for index in range(len(steps) - 1, -1, -1):
        entity, _, above = steps[index]
        failed = any(entity.get(flag) is True for flag in flags)
        if failed and not below_failed[index]:
            found.append(index)
        if above >= 0 and (failed or below_failed[index]):
            below_failed[above] = True
    root = trace.root
    impacting = root is not None and any(root.document.get(flag) is True for flag in flags)
    described = _described_exceptions(steps) if found else {}
    causes: list[RootCause] = []
    for index in reversed(found):
        path = []
        step = index
        while step >= 0:
            path.append(steps[step])
            step = steps[step].above
        path.reverse()
        cause = RootCause(impacting, _services(path, [], _exceptions(path[-1].entity, described)))
        if cause not in causes:
            causes.append(cause)
            if len(causes) == MAX_CAUSES:
                break
    return causes


def _described_exceptions(steps: list[Step]) -> dict[str, CauseException]:
    """The exceptions of a trace by id, for causes that are no more than such an id."""
    described: dict[str, CauseException] = {}
    for step in steps:
        for each in own_exceptions(step.entity.get("cause")):
            id = each.get("id")
            if id.__class__ is str:
                described.setdefault(id, _exception(each))
    return described


def _exceptions(
    entity: dict[str, Any], described: dict[str, CauseException]
) -> list[CauseException]:
    cause = entity.get("cause")
    if cause.__class__ is str:
        return [described[cause]] if cause in described else []
    return [_exception(each) for each in own_exceptions(cause)]


def own_exceptions(cause: Any) -> list[dict[str, Any]]:
    """The exceptions that a `cause` describes."""
    exceptions = cause.get("exceptions") if cause.__class__ is dict else None
    if exceptions.__class__ is not list:
        return []
    return [each for each in exceptions if each.__class__ is dict]


def _exception(described: dict[str, Any]) -> CauseException:
    return CauseException(text(described.get("type")), text(described.get("message")))


# -- response time -----------------------------------------------------------------------------


def _slowest(root: Part | None, called: dict[str, list[Part]]) -> list[RootCause]:
    """Where the time until the response went."""
    if root is None or root.end is None:
        return []
    whole = root.end - root.start
    longest = whole
    path = [Step(root.document, root, -1)]
    shares = [1.0]
    met = {root}
    while True:
        entity, part, _ = path[-1]
        best = None
        most = 0.0
        for each in _subsegments(entity):
            took = _within(each, root)
            if took > most:
                best, most = Step(each, part, 0), took
        for other in _called_by(entity, called):
            took = _within(other.document, root)
            if took > most and other not in met:
                best, most = Step(other.document, other, 0), took
        if best is None or most <= longest * COVERS_MOST:
            return [RootCause(True, _services(path, shares, []))]
        met.add(best.part)
        path.append(best)
        shares.append(round(most / whole, 6))
        longest = most


def _within(entity: dict[str, Any], root: Part) -> float:
    """How much of the root's time an entity takes; what goes on after the response doesn't count."""
    start, end = time_of(entity.get("start_time")), time_of(entity.get("end_time"))
    if start is None or end is None or root.end is None:
        return 0.0
    return (end if end < root.end else root.end) - (start if start > root.start else root.start)


# -- paths -------------------------------------------------------------------------------------


def _services(
    path: list[Step], shares: list[float], exceptions: list[CauseException]
) -> list[CauseService]:
    """A path of entities by service. shares: of each entity; exceptions: of the last one."""
    services: list[CauseService] = []
    before = None
    last = len(path) - 1
    for index, (entity, part, _) in enumerate(path):
        if part is not before:
            services.append(CauseService(part.node, part.names, part.inferred, []))
            before = part
        namespace = entity.get("namespace")
        services[-1].entities.append(
            CauseEntity(
                text(entity.get("name")) or "unknown",
                namespace == "remote" or namespace == "aws",
                shares[index] if shares else None,
                exceptions if index == last else [],
            )
        )
    return services
