"""What the wire says of an entity: every name and limit of X-Ray, and both encoders alike."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import platform

import pytest

from tests.helpers import keeping_recorder
from xtrace import __version__, document
from xtrace.document import documents, encode, shortened
from xtrace.ledger import Ledger
from xtrace.testing import counted_ids, fixed_clock

ENCODERS = {"standard": document._standard_dumps}
if document.is_orjson:  # it is there
    ENCODERS["orjson"] = document._orjson_dumps


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def mine():
    """A recorder whose entities the test turns into documents itself."""
    return keeping_recorder()


@pytest.fixture(params=ENCODERS)
def encoder(request, monkeypatch):
    """Each of the encoders, used by encode() for one test."""
    monkeypatch.setattr(document, "dumps", ENCODERS[request.param]())
    monkeypatch.setattr(document, "is_orjson", request.param == "orjson")


def whole(made):
    """A document with the fields that encode() ends it with."""
    document, ending = made
    return document if ending == b"}" else {**document, **json.loads(b"{" + ending[1:])}


def described(segment, ledger=None, *others):
    """The first document of a segment with its subsegments."""
    return whole(documents([segment, *others], ledger or Ledger())[0])


# -- documents ---------------------------------------------------------------------------------


def test_a_segment_with_a_subsegment(mine, ledger):
    with counted_ids(), fixed_clock(step=0.5):
        with mine.in_segment("shop") as segment, mine.in_subsegment("db", "remote") as part:
            part.put_metadata("k", 1)
    made = [whole(each) for each in documents([segment, part], ledger)]
    assert made == [
        {
            "name": "shop",
            "id": "0000000000000001",
            "trace_id": "1-3b9aca00-000000000000000000000002",
            "start_time": 1_000_000_000.0,
            "end_time": 1_000_000_001.5,
            "service": made[0]["service"],
            "aws": {"xray": {"sdk": "xtrace for Python", "sdk_version": __version__}},
            "subsegments": [
                {
                    "name": "db",
                    "id": "0000000000000003",
                    "namespace": "remote",
                    "start_time": 1_000_000_000.5,
                    "end_time": 1_000_000_001.0,
                    "metadata": {"default": {"k": 1}},
                }
            ],
        }
    ]
    assert made[0]["service"] == {
        "runtime": platform.python_implementation(),
        "runtime_version": platform.python_version(),
    }


def test_an_entity_that_has_not_ended_is_in_progress(mine, ledger):
    with mine.in_segment("a") as segment, mine.in_subsegment("b") as part:
        made = described(segment, ledger, part)
    assert made["in_progress"] is True
    assert "end_time" not in made
    assert made["subsegments"][0]["in_progress"] is True
    assert "in_progress" not in described(segment)


def test_a_subsegment_without_its_parent_is_a_document_of_its_own(mine, ledger):
    with mine.in_segment("a") as segment, mine.in_subsegment("b") as part:
        with mine.in_subsegment("c") as below:
            pass
    one, other = map(whole, documents([below, segment], ledger))
    assert (one["type"], one["trace_id"], one["parent_id"]) == (
        "subsegment",
        segment.trace_id,
        part.id,
    )
    assert other["id"] == segment.id
    assert "service" not in one


def test_subsegments_stand_in_the_order_in_which_they_began(mine, ledger):
    with fixed_clock(step=0.5), mine.in_segment("a") as segment:
        parts = [mine.in_subsegment(f"part {number}") for number in range(5)]
        for part in parts:
            part.begin()
        for part in reversed(parts):
            part.close()
    made = described(segment, ledger, *parts[3:], *parts[:3])
    assert [each["name"] for each in made["subsegments"]] == [part.name for part in parts]


def test_the_caller_is_the_parent_of_a_segment(mine, ledger):
    with mine.in_segment("a", parent_id="53995c3f42cd8ad8") as segment:
        pass
    assert described(segment)["parent_id"] == "53995c3f42cd8ad8"


@pytest.mark.parametrize(
    ("namespace", "written"),
    [("remote", "remote"), ("aws", "aws"), ("local", None), ("", None), (None, None)],
)
def test_only_namespaces_that_x_ray_knows_are_written(mine, namespace, written):
    with mine.in_segment("a") as segment, mine.in_subsegment("b", namespace) as part:
        pass
    assert described(segment, None, part)["subsegments"][0].get("namespace") == written


@pytest.mark.parametrize(
    ("name", "written"),
    [("a?b", "ab"), ("x" * 300, "x" * 200), ("", "unnamed"), (None, "unnamed"), (["a"], "a")],
)
def test_names_are_cleaned_and_counted(mine, ledger, name, written):
    with mine.in_segment("a") as segment:
        segment.name = name
    assert described(segment, ledger)["name"] == written
    assert ledger.repaired == ({} if name == ["a"] else {"name": 1}) or name in (None, ["a"])


def test_what_the_process_is_stands_in_each_segment_beside_its_own(mine):
    mine.configure(service_version="1.2")
    mine.environment = {"ec2": {"instance_id": "i-1"}, "region": "here"}
    mine.origin = "AWS::EC2::Instance"
    mine.constant = None
    with mine.in_segment("a") as plain:
        pass
    with mine.in_segment("b", sampling="my rule") as segment:
        segment.set_service({"version": "2", "team": "x"})
        segment.aws["region"] = "there"
    made = described(plain)
    assert made["aws"]["ec2"] == {"instance_id": "i-1"}
    assert made["service"]["version"] == "1.2"
    assert made["origin"] == "AWS::EC2::Instance"
    made = described(segment)
    assert made["aws"]["ec2"] == {"instance_id": "i-1"}
    assert made["aws"]["region"] == "there"
    assert made["aws"]["xray"] == {**document.SDK, "sampling_rule_name": "my rule"}
    assert made["service"]["version"] == "2"
    assert made["service"]["runtime"] == platform.python_implementation()
    assert described(plain)["aws"]["region"] == "here"


# -- annotations and metadata ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("good_Key1", "good_Key1"),
        ("a b.c-d", "a_b_c_d"),
        ("größe", "gr__e"),
        ("k" * 600, "k" * 500),
        ("", "_"),
        (7, "7"),
        (None, "None"),
        (("a", 1), "__a___1_"),
    ],
)
def test_annotation_keys_are_repaired_and_counted(mine, ledger, key, written):
    with mine.in_segment("a") as segment:
        segment.put_annotation(key, 1)
    assert described(segment, ledger)["annotations"] == {written: 1}
    assert ledger.repaired == ({} if key == written else {"annotation key": 1})


@pytest.mark.parametrize(
    ("value", "written", "is_repaired"),
    [
        ("text", "text", False),
        ("x" * 1000, "x" * 1000, False),
        ("x" * 1001, "x" * 999 + "…", True),
        (7, 7, False),
        (1.5, 1.5, False),
        (True, True, False),
        (-(2**63), -(2**63), False),
        (2**70, str(2**70), True),
        (float("nan"), "nan", True),
        (float("-inf"), "-inf", True),
        (None, "None", True),
        (b"bytes", "bytes", True),
        (Colour.RED, "red", True),
        (Level.LOW, 1, False),
        (datetime.date(2024, 1, 2), "2024-01-02", True),
        (decimal.Decimal("1.5"), "1.5", True),
        (10**5000, "<builtins.int>", True),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("metadata", [{}, {"k": 1}])
def test_annotation_values_are_texts_numbers_or_booleans(
    mine, ledger, value, written, is_repaired, metadata
):
    with mine.in_segment("a") as segment:
        segment.put_annotation("known", 1)
        segment.put_annotation("key", value)
        for key in metadata:
            segment.put_metadata(key, 1)
    document._annotation_key("key", ledger)  # the second time, it isn't looked at any more
    made = described(segment, ledger)["annotations"]["key"]
    assert (made, type(made)) == (written, type(written))
    assert ledger.repaired == ({"annotation value": 1} if is_repaired else {})


@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], (1, 2), {1, 2}, Colour.PAIR])
def test_an_annotation_of_many_values_goes_to_the_metadata(mine, ledger, value):
    with mine.in_segment("a") as segment:
        segment.put_annotation("many", value)
        segment.put_annotation("one", 1)
        segment.put_metadata("k", 2)
    made = described(segment, ledger)
    if value is Colour.PAIR:  # the value of an enum member is no list by itself
        assert made["annotations"] == {"many": "(1, 2)", "one": 1}
    else:
        assert made["annotations"] == {"one": 1}
        written = {"a": 1} if isinstance(value, dict) else [1, 2]
        assert made["metadata"] == {"default": {"k": 2}, "annotations": {"many": written}}
        assert ledger.repaired == {"annotation moved to metadata": 1}


def test_what_goes_to_the_metadata_replaces_nothing_there(mine, ledger):
    with mine.in_segment("a") as segment:
        segment.put_metadata("mine", 1, namespace="annotations")
        segment.put_annotation("many", [1])
        for number in range(50):
            segment.put_annotation(f"k{number}", number)
    made = described(segment, ledger)
    assert made["metadata"]["annotations"] == {"mine": 1, "many": [1], "k49": 49}
    assert len(made["annotations"]) == 49


def test_metadata_is_written_by_namespace(mine, ledger):
    with mine.in_segment("a") as segment:
        segment.put_metadata("k", {"deep": [1]})
        segment.put_metadata("k", 2, namespace="other")
    assert described(segment, ledger)["metadata"] == {
        "default": {"k": {"deep": [1]}},
        "other": {"k": 2},
    }
    assert ledger.repaired == {}


@pytest.mark.parametrize(
    ("namespace", "written"),
    [("AWS.mine", "_AWS.mine"), ("AWS.", "_AWS."), ("AWSome", "AWSome"), (7, "7"), (None, "None")],
)
def test_metadata_namespaces_are_repaired_and_counted(mine, ledger, namespace, written):
    with mine.in_segment("a") as segment:
        segment.put_metadata("k", 1, namespace=namespace)
    assert described(segment, ledger)["metadata"] == {written: {"k": 1}}
    assert ledger.repaired == ({} if namespace == written else {"metadata namespace": 1})


def test_metadata_without_a_namespace_gets_a_key(mine, ledger):
    with mine.in_segment("a") as segment:
        segment.metadata["direct"] = "text"
        segment.metadata["AWS.x"] = [1]
    assert described(segment, ledger)["metadata"] == {
        "direct": {"value": "text"},
        "_AWS.x": {"value": [1]},
    }


def test_what_is_written_is_a_copy_where_it_differs(mine):
    with mine.in_segment("a") as segment:
        segment.put_annotation("a b", [1])
        segment.put_metadata("k", 1, namespace="AWS.x")
    described(segment)
    assert segment.annotations == {"a b": [1]}
    assert segment.metadata == {"AWS.x": {"k": 1}}


# -- the other fields --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "written", "shortened"),
    [("u" * 250, "u" * 250, 0), ("u" * 251, "u" * 249 + "…", 1), (42, "42", 0)],
)
def test_the_user_has_at_most_250_characters(mine, ledger, user, written, shortened):
    with mine.in_segment("a") as segment:
        segment.set_user(user)
    assert described(segment, ledger)["user"] == written
    assert ledger.shortened == shortened


class Ambiguous:
    """As an array of NumPy is."""

    def __bool__(self):
        raise ValueError("ambiguous")

    def __str__(self):
        return "[1 2]"


@pytest.mark.parametrize(
    ("user", "written"), [(0, "0"), (Ambiguous(), "[1 2]")], ids=["0", "array"]
)
def test_a_user_may_be_anything(mine, user, written):
    with mine.in_segment("a") as segment:
        segment.set_user(user)
    assert described(segment)["user"] == written


@pytest.mark.parametrize(
    ("field", "key", "most"),
    [("sql", "sanitized_query", 8192), ("aws", "queue_url", 1024), ("service", "version", 250)],
)
def test_the_texts_of_a_block_are_cut_with_a_mark(mine, ledger, field, key, most):
    with mine.in_segment("a") as segment:
        segment._dict(field).update({key: "x" * (most + 1), "other": "x" * most, "n": 1})
    made = described(segment, ledger)[field]
    assert made[key] == "x" * (most - 1) + "…"
    assert (made["other"], made["n"]) == ("x" * most, 1)
    assert ledger.shortened == 1
    assert segment._dict(field)[key] == "x" * (most + 1)


def test_the_texts_of_a_request_have_at_most_250_characters(mine, ledger):
    with mine.in_segment("a") as segment:
        segment.put_http_meta("url", "x" * 300)
        segment.put_http_meta("method", "GET")
        segment.put_http_meta("status", 200)
    assert described(segment, ledger)["http"] == {
        "request": {"url": "x" * 249 + "…", "method": "GET"},
        "response": {"status": 200},
    }
    assert ledger.shortened == 1


def test_the_user_of_a_database_has_at_most_250_characters(mine, ledger):
    sql = {"sanitized_query": "x" * 300, "user": "u" * 251}
    with mine.in_segment("a") as segment:
        segment.set_sql(sql)
    assert described(segment, ledger)["sql"] == {**sql, "user": "u" * 249 + "…"}
    assert ledger.shortened == 1
    assert segment.sql == sql


def test_a_segment_has_at_most_20_links(mine, ledger):
    with mine.in_segment("a") as segment:
        for number in range(21):
            segment.add_link("1-5759e988-bd862e3fe1be46a994272793", f"{number:016x}")
    assert [link["id"] for link in described(segment, ledger)["links"]] == [
        f"{number:016x}" for number in range(20)
    ]
    assert ledger.repaired == {"links": 1}


def test_flags_and_causes_are_written_and_empty_fields_are_not(mine):
    with mine.in_segment("a") as segment, mine.in_subsegment("b") as part:
        part.add_precursor("53995c3f42cd8ad8")
        part.add_exception(ValueError("reason"))
        part.throttle = part.error = True
        part.error = False
        assert part.sql == segment.aws == {}
    made = described(segment, None, part)["subsegments"][0]
    assert (made["fault"], made["throttle"]) == (True, True)
    assert made["precursor_ids"] == ["53995c3f42cd8ad8"]
    assert made["cause"]["exceptions"][0]["message"] == "reason"
    assert not {"error", "sql", "http", "annotations", "metadata"} & set(made)


# -- encoding ----------------------------------------------------------------------------------

ODD = {
    "nan": float("nan"),
    "infinite": [float("inf"), -float("inf")],
    "large": [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**70],
    "surrogate": "a\ud800b",
    "keys": {1: "a", None: "b", 2.5: "d", (1, 2): "e", Level.LOW: "f"},
    "times": [datetime.datetime(2024, 1, 2, 3), datetime.date(2024, 1, 2), datetime.time(3)],
    "values": [Colour.RED, Level.LOW, decimal.Decimal("1.5"), b"bytes", {1}, (1, 2), 1j],
    "names": [Colour, len, object, ValueError("reason")],
    "text": 'größe 商店 😀 "\\\n\x00\x7f\u2028',
    "long number in a text": "12345678901234567890123",
    "brackets": [[{"a": []}]] * 100,
}


@pytest.mark.skipif(len(ENCODERS) == 1, reason="only one of them is there")
@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("place", ["metadata", "annotations", "aws", "http", "sql", "links"])
def test_both_encoders_write_the_same_document(mine, monkeypatch, value, place):
    with mine.in_segment("a") as segment:
        if place == "metadata":
            segment.put_metadata("k", value)
        elif place == "annotations":
            segment.put_annotation("k", value)
            segment.put_metadata("k", 1)
        elif place == "http":
            segment.put_http_meta("content_length", value)
        elif place == "links":
            segment.add_link("1-5759e988-bd862e3fe1be46a994272793", "0" * 16, {"k": value})
        else:
            segment._dict(place)["k"] = value
    written = []
    for name, make in ENCODERS.items():
        monkeypatch.setattr(document, "dumps", make())
        monkeypatch.setattr(document, "is_orjson", name == "orjson")
        written.append(json.loads(encode(described(segment)), parse_constant=pytest.fail))
    assert written[0] == written[1]
    assert written[0]["id"] == segment.id


@pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)
def test_an_encoder_alone_writes_compact_utf_8(make):
    value = {"name": "größe", "n": [1, 1.5, True, None], "d": {"t": datetime.date(2024, 1, 2)}}
    assert make()(value) == (
        '{"name":"größe","n":[1,1.5,true,null],"d":{"t":"2024-01-02"}}'.encode()
    )


def test_the_standard_encoder_works_without_its_c_part(monkeypatch):
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    value = {"name": "größe", "n": [1, {"t": datetime.date(2024, 1, 2)}]}
    assert document._standard_dumps()(value) == (
        '{"name":"größe","n":[1,{"t":"2024-01-02"}]}'.encode()
    )


def test_what_contains_itself_is_written_with_a_mark(encoder, mine):
    value = {"a": 1}
    value["itself"] = [value, value]
    with mine.in_segment("a") as segment:
        segment.put_metadata("k", value)
    written = json.loads(encode(described(segment)))["metadata"]["default"]["k"]
    assert written == {"a": 1, "itself": ["[contains itself]", "[contains itself]"]}


def test_what_nests_too_deep_is_written_with_a_mark(encoder, mine):
    value = leaf = []
    for _ in range(1000):
        leaf.append([])
        leaf = leaf[0]
    with mine.in_segment("a") as segment:
        segment.put_metadata("k", value)
    assert b"[nested too deep]" in encode(described(segment))


def test_the_nesting_of_subsegments_is_no_values_depth(encoder, mine):
    parts = []
    with mine.in_segment("a") as segment:
        part = segment
        for _ in range(45):
            with mine.attach(part):
                part = mine.in_subsegment("b")
            part.begin()
            parts.append(part)
        part.put_metadata("k", float("nan"))
        for part in reversed(parts):
            part.close()
    made = json.loads(encode(described(segment, None, *parts)))
    depth = 0
    while "subsegments" in made:
        depth, made = depth + 1, made["subsegments"][0]
    assert depth == 45
    assert made["metadata"] == {"default": {"k": None}}


# -- shortening --------------------------------------------------------------------------------


def test_a_document_that_is_too_large_loses_its_largest_values_first(mine):
    with mine.in_segment("a") as segment:
        segment.put_annotation("kept", "x" * 900)
        segment.put_metadata("small", "kept")
        segment.put_metadata("large", "x" * 100_000)
    data = shortened(described(segment), 10_000)
    made = json.loads(data)
    assert len(data) <= 10_000
    assert made["annotations"] == {"kept": "x" * 900}
    assert made["metadata"]["default"]["small"] == "kept"
    assert made["metadata"]["default"]["large"].endswith("… [100000 characters, shortened]")
    assert "4096" in made["metadata"]["xtrace"]["shortened"]


@pytest.mark.parametrize("limit", [64_000, 8192, 4096, 2048, 1024])
def test_a_shortened_document_is_one_that_x_ray_accepts(mine, limit):
    from tests.documents import validator

    with mine.in_segment("n" * 200) as segment:
        segment.set_user("u" * 300)
        segment.add_exception(ExceptionGroupLike("m" * 10_000, 12))
        segment.put_http_meta("url", "x" * 300)
        segment.set_sql({"sanitized_query": "select 1 " * 5000})
        for number in range(50):
            segment.put_annotation(f"k{number}" + "x" * 490, "v" * 1000)
            segment.put_metadata("k", "x" * 500, namespace=f"n{number}")
            segment.add_link("1-5759e988-bd862e3fe1be46a994272793", f"{number:016x}", {"k": "x"})
    data = shortened(described(segment), limit)
    made = json.loads(data)
    validator.validate(made)
    assert len(data) <= limit
    assert "shortened" in made["metadata"]["xtrace"]
    assert made["name"].strip("n") == ""


class ExceptionGroupLike(Exception):
    """As the groups of trio and anyio, on every Python."""

    def __init__(self, message, count):
        super().__init__(message)
        self.exceptions = [ValueError(message) for _ in range(count)]


def test_what_does_not_fit_at_all_is_not_sent(mine):
    with mine.in_segment("a") as segment:
        pass
    assert shortened(described(segment), 100) is None
