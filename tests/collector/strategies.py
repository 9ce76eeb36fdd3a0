"""Hypothesis strategies for the documents of traces."""

from __future__ import annotations

import copy
from itertools import count

from hypothesis import strategies as st

TRACE_ID = "1-5f84c7a1-aaaaaaaaaaaaaaaaaaaaaaaa"
OTHER_TRACE_ID = "1-5f84c7a1-bbbbbbbbbbbbbbbbbbbbbbbb"
NOON = 1_700_000_000.0

names = st.sampled_from(["front", "orders", "users", "mail"])
moments = st.integers(0, 1200).map(lambda n: NOON + n / 8)
flags = st.sampled_from(
    [*[{}] * 4, {"error": True}, {"fault": True}, {"error": True, "throttle": True}]
)
annotations = st.dictionaries(
    st.sampled_from(["tenant", "size", "paid"]),
    st.sampled_from(["acme", "Ü", 1, 1.0, True, False, 2.5]),
    max_size=2,
)
causes = st.sampled_from(
    [
        {"exceptions": [{"id": "e" * 16, "type": "ValueError", "message": "no"}]},
        "e" * 16,
        "f" * 16,
    ]
)
http = st.fixed_dictionaries(
    {},
    optional={
        "request": st.fixed_dictionaries(
            {}, optional={"url": st.just("http://x/"), "method": st.sampled_from(["GET", "PUT"])}
        ),
        "response": st.fixed_dictionaries({"status": st.sampled_from([200, 404, 429, 500])}),
    },
)
outside = st.sampled_from(
    [
        {"namespace": "remote"},
        {"namespace": "remote", "name": "users"},
        {"namespace": "remote", "name": "users", "sql": {"database_type": "Redis"}},
        {"namespace": "aws", "name": "dynamodb", "aws": {"table_name": "carts"}},
        {"namespace": "aws", "name": "SQS", "aws": {"queue_url": "https://sqs/1/jobs"}},
        {"namespace": "aws", "name": "sns"},
    ]
)


@st.composite
def _entities(draw, ids):
    """What segments and subsegments have in common."""
    entity = {"id": f"{next(ids):016x}", "name": draw(names), "start_time": draw(moments)}
    if draw(st.integers(0, 9)):
        entity["end_time"] = entity["start_time"] + draw(st.integers(0, 80)) / 16
    else:
        entity["in_progress"] = True
    entity.update(draw(flags))
    if len(entity) > 4 and draw(st.booleans()):
        entity["cause"] = draw(causes)
    if draw(st.integers(0, 3)) == 0:
        entity["annotations"] = draw(annotations)
    if draw(st.integers(0, 3)) == 0:
        entity["http"] = draw(http)
    return entity


@st.composite
def _subsegments(draw, ids, callers, levels):
    made = []
    for _ in range(draw(st.integers(0, 3 if levels else 0))):
        entity = draw(_entities(ids))
        if draw(st.booleans()):
            entity.update(draw(outside))
            callers.append(entity["id"])
        below = draw(_subsegments(ids, callers, levels - 1))
        if below:
            entity["subsegments"] = below
        made.append(entity)
    return made


@st.composite
def segments(draw, trace_id=TRACE_ID, max_services=4):
    """The segments of a trace, whole: services that call each other, and links."""
    ids = count(1)
    callers: list[str] = []
    made = []
    for _ in range(draw(st.integers(1, max_services))):
        segment = {"trace_id": trace_id, **draw(_entities(ids))}
        if callers and draw(st.integers(0, 4)):
            segment["parent_id"] = draw(st.sampled_from(callers))
        elif draw(st.integers(0, 6)) == 0:
            segment["parent_id"] = "d" * 16  # of a caller that never comes
        if draw(st.integers(0, 3)) == 0:
            segment["origin"] = "AWS::EC2::Instance"
            segment["aws"] = {"account_id": "1", "ec2": {"availability_zone": "eu-west-1a"}}
        if draw(st.integers(0, 3)) == 0:
            segment["user"] = draw(st.sampled_from(["ann", "bob"]))
        if callers and draw(st.integers(0, 4)) == 0:
            linked = st.sampled_from([TRACE_ID, OTHER_TRACE_ID])
            segment["links"] = [{"trace_id": draw(linked), "id": draw(st.sampled_from(callers))}]
        below = draw(_subsegments(ids, callers, 3))
        if below:
            segment["subsegments"] = below
        made.append(segment)
    return made


@st.composite
def traces(draw, trace_id=TRACE_ID, max_services=4, lossy=True):
    """The documents of a trace as SDKs send them, in no particular order.

    Some subsegments travel alone, some entities come in progress first; lossy: some never come.
    """
    documents = [
        piece
        for segment in draw(segments(trace_id, max_services))
        for piece in draw(pieces(segment))
    ]
    early = [early_version(each) for each in documents if draw(st.integers(0, 3)) == 0]
    if lossy and draw(st.integers(0, 2)) == 0:
        del documents[draw(st.integers(0, len(documents) - 1))]
    return draw(st.permutations(documents + early)) or [early_version(minimal(trace_id))]


@st.composite
def pieces(draw, document):
    """A document taken apart: with some of its subsegments as documents of their own."""
    document = copy.deepcopy(document)
    documents = [document]
    found = [document]
    for entity in found:
        stay = []
        for each in entity.pop("subsegments", []):
            found.append(each)
            if draw(st.integers(0, 2)):
                stay.append(each)
            else:
                each.update(
                    type="subsegment", trace_id=document["trace_id"], parent_id=entity["id"]
                )
                documents.append(each)
        if stay:
            entity["subsegments"] = stay
    return documents


def early_version(document):
    """The same while it was in progress."""
    kept = ("id", "name", "trace_id", "parent_id", "type", "start_time")
    early = {name: document[name] for name in kept if name in document}
    return {**early, "in_progress": True}


def minimal(trace_id=TRACE_ID, id="0" * 15 + "1", **members):
    """The least that a segment can be."""
    return {
        "trace_id": trace_id,
        "id": id,
        "name": "front",
        "start_time": NOON,
        "end_time": NOON + 1,
        **members,
    }


@st.composite
def arrivals(draw, documents):
    """Documents in another order, and some of them twice."""
    again = draw(st.lists(st.sampled_from(documents), max_size=3))
    return draw(st.permutations(documents + copy.deepcopy(again)))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        [
            2**63,
            10**400,
            253402300799,
            253402300799.5,
            -62135596800,
            -5,
            1e300,
            float("nan"),
            float("inf"),
        ]
    )
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["\ud800", "0" * 16, "subsegment", "aws", "remote", TRACE_ID]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)

_MEMBERS = {
    "name": names,
    "end_time": moments,
    "in_progress": st.just(True),
    "parent_id": st.sampled_from(["0" * 15 + each for each in "123"]),
    "type": st.just("subsegment"),
    "namespace": st.sampled_from(["aws", "remote", "local"]),
    "origin": st.just("AWS::EC2::Instance"),
    "user": st.just("ann"),
    "resource_arn": st.just("arn:aws:x"),
    "error": st.just(True),
    "fault": st.just(True),
    "throttle": st.just(True),
    "http": http | st.fixed_dictionaries({"request": json_values, "response": json_values}),
    "aws": st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["ec2", "ecs", "table_name", "account_id"], json_values)
    ),
    "cause": causes | st.fixed_dictionaries({"exceptions": st.lists(json_values, max_size=2)}),
    "annotations": annotations | st.dictionaries(st.text(st.characters()), json_values, max_size=2),
    "metadata": json_values,
    "links": st.lists(
        st.fixed_dictionaries({"trace_id": st.just(TRACE_ID), "id": st.just("0" * 15 + "1")})
        | json_values,
        max_size=2,
    ),
    "precursor_ids": json_values,
    "sql": json_values,
    "service": json_values,
}


_few_ids = st.sampled_from(["0" * 15 + each for each in "1234"])
_numbers = moments | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def _odd_members(draw, levels):
    members = {}
    for name in draw(st.lists(st.sampled_from(sorted(_MEMBERS)), max_size=6, unique=True)):
        members[name] = draw(_MEMBERS[name] if draw(st.integers(0, 2)) else json_values)
    if levels and draw(st.booleans()):
        members["subsegments"] = [
            {
                **draw(_odd_members(levels - 1)),
                "id": draw(_few_ids if draw(st.integers(0, 3)) else json_values),
                "start_time": draw(_numbers if draw(st.integers(0, 3)) else json_values),
            }
            if draw(st.integers(0, 4))
            else draw(json_values)
            for _ in range(draw(st.integers(1, 2)))
        ]
    elif draw(st.integers(0, 4)) == 0:
        members["subsegments"] = draw(json_values)
    return members


@st.composite
def odd_documents(draw):
    """What passes for a document at first sight, with values of any type in its members."""
    fixed = {"trace_id": TRACE_ID, "id": draw(_few_ids), "start_time": draw(_numbers)}
    return {**draw(_odd_members(2)), **fixed}
