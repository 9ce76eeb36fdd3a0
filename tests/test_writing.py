"""Documents written as text say what those made of dicts say. Any tree: properties/test_packing."""

from __future__ import annotations

import json

import pytest

from tests.documents import assert_same, validator
from tests.helpers import keeping_recorder, parents_in, tree
from xtrace import document, naming, writing
from xtrace.document import documents, encode
from xtrace.integrations._sql import Database, statement_call
from xtrace.ledger import Ledger
from xtrace.settings import SQL_RAW
from xtrace.testing import fixed_clock
from xtrace.writing import write


@pytest.fixture(autouse=True)
def standard_encoder(monkeypatch):
    monkeypatch.setattr(document, "dumps", document._standard_dumps())
    monkeypatch.setattr(document, "is_orjson", False)


@pytest.fixture
def mine():
    """A recorder whose entities the test writes itself."""
    return keeping_recorder()


def written(*batch, ledger=None):
    """The documents of a batch, parsed: each as encode() makes it, with times in microseconds."""
    ledgers = ledger or Ledger(), Ledger()
    # First as dicts: then the names are known, and what has nothing unusual is written the fast way.
    dicts = [json.loads(encode(*made)) for made in documents(list(batch), ledgers[1])]
    packed = write(list(batch), ledgers[0])
    texts = [json.loads(data) for data, _ in packed]
    assert [entities for _, entities in packed] == [len(parents_in([each])) for each in texts]
    for text, made in zip(texts, dicts, strict=True):
        validator.validate(text)
        assert_same(text, made)
    assert ledgers[0].repaired == ledgers[1].repaired
    return texts


def test_times_are_in_whole_microseconds(mine):
    with fixed_clock(1_795_771_455.8596425, 0.25), mine.in_segment("a") as segment:
        pass
    assert segment.start_time == 1_795_771_455.8596425
    naming.clean("a")
    ((data, _),) = write([segment], Ledger())
    assert b'"start_time":1795771455.859642,"end_time":1795771456.109642,' in data


@pytest.mark.parametrize("start", [0.0, 5.5, 999_999_999.5, 1_000_000_000.1, 1_795_771_455.000001])
def test_any_time_is_written(mine, start):
    with fixed_clock(start), mine.in_segment("a") as segment:
        segment.begin()
    assert written(segment)[0]["start_time"] == start


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 5, None])
def test_a_time_that_is_none_does_no_harm(mine, time):
    with mine.in_segment("a") as segment:
        pass
    segment.start_time = time
    ((data, _),) = write([segment], Ledger())
    json.loads(data, parse_constant=pytest.fail)


@pytest.mark.parametrize("parents", [[], [0], [0, 0, 0], [0, 1, 2, 3], [0, 1, 1, 0, 4, 4]])
def test_a_tree_is_one_document(parents):
    batch = tree(parents)
    (made,) = written(*batch)
    assert len(parents_in([made])) == len(batch)


def test_the_order_in_which_entities_ended_does_not_matter():
    batch = tree([0, 1, 1, 0])
    assert written(*batch) == written(*reversed(batch)) == written(*batch[2:], *batch[:2])


def test_subsegments_without_their_parents_are_documents_of_their_own():
    _, *parts = tree([0, 1, 1, 0, 4])
    first, second = written(*parts)
    assert (first["parent_id"], first["type"]) == (parts[0].parent_id, "subsegment")
    assert [each["name"] for each in second["subsegments"]] == ["part 5"]


def test_what_integrations_write(mine):
    request = {"method": "GET", "url": 'http://a/"größe"', "client_ip": "192.0.2.1"}
    with mine.in_segment("a", parent_id="53995c3f42cd8ad8") as segment:
        segment._more = {"http": {"request": request, "response": {"status": 500}}, "fault": True}
        segment._annotations["http_route"] = "/"
        with mine.in_subsegment("b", "remote") as call:
            call._more = {"http": {"request": request}}
        with mine.in_subsegment("c", "remote") as query:
            query._more = {"sql": {"sanitized_query": "select ?"}}
        with mine.in_subsegment("d", "aws") as aws:
            aws._more = {
                "aws": {"operation": "GetItem", "retries": 1, "ids": ["a"]},
                "throttle": True,
            }
    (made,) = written(segment, call, query, aws)
    assert made["http"]["request"] == request
    assert made["parent_id"] == "53995c3f42cd8ad8"


REQUEST = {"method": "GET", "url": "http://a/"}
RESPONSE = {"status": 200, "content_length": 2}


@pytest.mark.parametrize(
    "more",
    [
        {"http": {"request": {**REQUEST, "user_agent": "u", "client_ip": "::1"}}},
        {"http": {"request": REQUEST, "response": RESPONSE}},
        {"http": {"request": REQUEST, "response": {"status": 500}}, "fault": True},
        {
            "aws": {"operation": "GetItem", "region": "eu-west-1", "request_id": "5C2R"},
            "http": {"response": {"status": 200}},
        },
        {"sql": {"url": "sqlite:///a", "sanitized_query": "select ?"}},
    ],
)
def test_what_integrations_write_is_never_made_a_dict_first(mine, monkeypatch, more):
    naming.clean("a")
    with mine.in_segment("a"), mine.in_subsegment("a", "aws" if "aws" in more else None) as call:
        call._more = dict(more)
    monkeypatch.delattr(writing, "_any_text")
    ((data, _),) = write([call], Ledger())
    made = json.loads(data)
    assert {field: made[field] for field in more} == more


@pytest.mark.parametrize(
    "statement", ["select ?", 'select "größe"\n', "", "\0\\", "x" * 9000, None]
)
@pytest.mark.parametrize("constant", [{}, {"url": 'sqlite:///"ä"', "user": "\t"}])
def test_any_statement_is_written(mine, statement, constant):
    database = Database("a", "sqlite", constant)
    mine.configure(stream_sql=SQL_RAW)
    with mine.in_segment("a"):
        for block in (database.block, database.prepared, database.called):
            with statement_call(mine, database, statement, block) as call:
                pass
            (made,) = written(call)
            assert made["sql"].keys() - {"sanitized_query"} == block.keys()


@pytest.mark.parametrize(
    "change",
    [
        lambda call: call.sql.update(user="somebody"),
        lambda call: call.sql.pop("sanitized_query"),
        lambda call: call.set_sql({"url": "elsewhere"}),
        lambda call: call.set_sql({}),
    ],
)
def test_a_statement_that_the_application_describes_is_written_as_it_says(mine, change):
    database = Database("a", "sqlite", {"url": "sqlite:///a"})
    with mine.in_segment("a"):
        for _ in range(2):  # the second shows that the first changed itself only
            with statement_call(mine, database, "select 1") as call:
                before = dict(call._more["sql"])
                change(call)
                said = dict(call._more["sql"])
            (made,) = written(call)
            assert before == {"url": "sqlite:///a", "sanitized_query": "select ?"}
            assert made.get("sql", {}) == said


@pytest.mark.parametrize(
    "entries",
    [
        *({"rows": rows} for rows in (0, 2**64 - 1, 2**70, True, 1.5, "x")),
        *({"rows": 1, "step": "prepare"}, {'"': 1}, {1: 1}, {}),
    ],
)
@pytest.mark.parametrize("also", [{}, {"mine": {"a": 1}}, {"annotated": {}}])
def test_any_metadata_of_a_statement_is_written(mine, entries, also):
    database = Database("a", "sqlite", {"url": "sqlite:///a"})
    with mine.in_segment("a"), statement_call(mine, database, "select 1") as call:
        call._metadata = {"sql": entries, **also}
        if "annotated" in also:
            call.put_annotation("a", 1)
    written(call)


@pytest.mark.parametrize("more", [{}, {"user_agent": "u"}, {"client_ip": "::1"}, {"traced": True}])
@pytest.mark.parametrize("forwarded", [{}, {"client_ip": "::1", "x_forwarded_for": True}])
@pytest.mark.parametrize(
    "length", [{}, {"content_length": 0}, {"other": 1}, {"content_length": ""}]
)
def test_any_request_and_response_is_written(mine, more, forwarded, length):
    request = {"method": "GET", "url": "http://a/\t", **more, **forwarded}
    for http in (
        {"request": request},
        {"request": request, "response": {"status": 200, **length}},
        {"request": request, "response": {"status": 200, "more": 1, **length}},
        {"request": {**request, "url": None}, "response": {"status": "200"}},
        {"response": {"status": 200}},
    ):
        with mine.in_segment("a") as segment:
            segment._more = {"http": http}
        ((data, _),) = write([segment], Ledger())
        assert json.loads(data)["http"] == http


@pytest.mark.parametrize("metadata", [False, True])
def test_what_applications_put_in(mine, metadata):
    for value in ("tëxt", 7, 1.5, True, -(2**40)):
        with mine.in_segment("a") as segment:
            segment.put_annotation("known", value)
            if metadata:
                segment.put_metadata("k", {"a": [1, "b", None, {1, 2}], "b": object})
        written(segment)
    with mine.in_segment("a") as segment:
        segment.put_metadata("k", 1, "other")
    written(segment)


def test_what_is_unusual_is_repaired_and_counted_once(mine):
    ledger = Ledger()
    with mine.in_segment("a?name") as segment, mine.in_subsegment("b") as part:
        segment.put_annotation("a key", {"x": 1})
        part.put_metadata("k", float("nan"))
        part.add_exception(ValueError("reason"))
    written(segment, part, ledger=ledger)
    assert ledger.repaired == {"name": 1, "annotation key": 1, "annotation moved to metadata": 1}


def test_fields_that_all_segments_have_are_merged_with_its_own(mine):
    mine.configure(service_version="1.2")
    mine.environment = {"region": "here"}
    mine.constant = None
    with mine.in_segment("a", sampling="my rule") as segment:
        segment.set_service({"team": "x"})
    (made,) = written(segment)
    assert made["aws"]["region"] == "here"
    assert made["aws"]["xray"]["sampling_rule_name"] == "my rule"
    assert (made["service"]["team"], made["service"]["version"]) == ("x", "1.2")
    segment._more = {"aws": {"operation": "x"}}  # also where it needn't be looked at any more
    segment._checked = True
    assert written(segment)[0]["aws"] == {**made["aws"], "operation": "x"} | {"xray": document.SDK}


def test_what_is_open_is_in_progress(mine):
    with mine.in_segment("a") as segment, mine.in_subsegment("b"):
        (made,) = written(segment)
    assert made["in_progress"] is True


@pytest.mark.parametrize("value", ["a\ud800b", 2**64, [[]] * 300])
def test_metadata_that_only_the_encoder_can_write(mine, value):
    with mine.in_segment("a") as segment:
        segment.put_annotation("a", 1)
        segment.put_metadata("k", value)
    written(segment)


def test_a_batch_that_only_the_encoder_can_write_is_left_to_it(mine):
    with mine.in_segment("a") as segment:
        pass
    segment._more = {"http": {"request": {"method": "GET", "url": "/a"}}}
    assert write([segment], Ledger()) is not None
    segment._more = {"http": {"request": {"method": "GET", "url": "/a\ud800"}}}
    assert write([segment], Ledger()) is None
