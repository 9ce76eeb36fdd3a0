"""Logs: records name their trace, JSON lines are JSON, lines may travel with the trace."""

from __future__ import annotations

import asyncio
import copy
import inspect
import io
import json
import logging
import logging.handlers
import pickle
import queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xtrace
from xtrace.errors import ConfigurationError
from xtrace.integrations.logging import (
    JSONFormatter,
    SegmentHandler,
    TraceFilter,
    loguru_patcher,
    structlog_processor,
)
from xtrace.testing import recording

# The form that the log groups of CloudWatch are searched for by, from a trace's page.
TEXT = "AWS-XRAY-TRACE-ID: %(trace_id)s@%(segment_id)s %(service)s %(sampled)s %(message)s"


@pytest.fixture
def traces():
    with recording(service="shop") as traces:
        yield traces


@pytest.fixture
def lines(request):
    """What a logger of the test's own has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(TEXT))
    handler.addFilter(TraceFilter())
    yield from _logger(request, handler, lambda: stream.getvalue().splitlines())


@pytest.fixture
def json_lines(request):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())

    def read():
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield from _logger(request, handler, read)


def _logger(request, handler, read):
    logger = logging.Logger(request.node.name, logging.DEBUG)
    logger.addHandler(handler)
    logger.read = read
    yield logger
    logger.removeHandler(handler)


@pytest.fixture
def patched():
    xtrace.patch("logging")
    yield
    xtrace.unpatch("logging")


def made(logger=None, **extra):
    """A record as a logger makes it."""
    logger = logger or logging.Logger("own")
    return logger.makeRecord("own", logging.INFO, "a.py", 1, "hi", (), None, extra=extra or None)


# -- which trace a record belongs to -----------------------------------------------------------


def test_a_record_names_segment_subsegment_and_service(lines, traces):
    with xtrace.in_segment() as segment:
        lines.info("one")
        with xtrace.in_subsegment("part") as part:
            lines.info("two %s", "words")
    root = f"AWS-XRAY-TRACE-ID: {segment.trace_id}"
    assert lines.read() == [
        f"{root}@{segment.id} shop True one",
        f"{root}@{part.id} shop True two words",
    ]


def test_outside_of_a_trace_the_fields_are_there_and_empty(lines, traces):
    lines.info("alone")
    assert lines.read() == ["AWS-XRAY-TRACE-ID: @ shop False alone"]


def test_an_unsampled_trace_is_named(lines, traces):
    with xtrace.in_segment(sampling=False) as segment, xtrace.in_subsegment("part"):
        lines.info("quiet")
    assert lines.read() == [f"AWS-XRAY-TRACE-ID: {segment.trace_id}@ shop False quiet"]


def test_with_tracing_off_lines_are_written(lines):
    with recording(service="shop", enabled=False), xtrace.in_segment("a"):
        lines.info("off")
    assert lines.read() == ["AWS-XRAY-TRACE-ID: @ shop False off"]


def test_a_recorder_of_ones_own(recorder, traces):
    record = made()
    with recorder.in_segment("other") as segment:
        TraceFilter(recorder).filter(record)
    assert (record.trace_id, record.service) == (segment.trace_id, "other")


def test_concurrent_requests_log_their_own_trace(lines, traces):
    async def request(number):
        with xtrace.in_segment() as segment:
            await asyncio.sleep(0)
            lines.info("%s", number)
            await asyncio.sleep(0)
            return f"AWS-XRAY-TRACE-ID: {segment.trace_id}@{segment.id} shop True {number}"

    async def main():
        return await asyncio.gather(*map(request, range(200)))

    assert sorted(asyncio.run(main())) == sorted(lines.read())


def test_patched_every_logger_has_the_fields_where_the_record_is_made(traces, patched):
    records = queue.SimpleQueue()
    logger = logging.Logger("somebody.else")
    logger.addHandler(logging.handlers.QueueHandler(records))
    with xtrace.in_segment() as segment:
        logger.warning("later")
    record = pickle.loads(pickle.dumps(records.get()))
    assert (record.trace_id, record.segment_id) == (segment.trace_id, segment.id)
    handled = made()
    assert (handled.trace_id, handled.sampled, handled.service) == ("", False, "shop")
    TraceFilter().filter(record)  # of a handler elsewhere: it doesn't know better
    assert record.trace_id == segment.trace_id


def test_what_the_application_gives_stays(traces, patched):
    with xtrace.in_segment() as segment:
        record = made(trace_id="own", service="mine")
    assert (record.trace_id, record.service) == ("own", "mine")
    assert (record.segment_id, record.sampled) == (segment.id, True)


def test_patched_a_logger_stays_what_it_is_and_unpatch_restores():
    original = logging.Logger.makeRecord
    xtrace.patch("logging")
    ours = logging.Logger.makeRecord
    assert ours is not original
    assert inspect.signature(ours) == inspect.signature(original)
    assert type(made()) is logging.LogRecord
    assert logging.getLogRecordFactory() is logging.LogRecord
    xtrace.unpatch("logging")
    assert logging.Logger.makeRecord is original


def test_the_caller_is_found(traces, patched, lines):
    record = []
    lines.handlers[0].addFilter(lambda each: record.append(each) or True)
    lines.info("here")
    assert record[0].funcName == "test_the_caller_is_found"


def test_whatever_fails_the_line_is_written(lines, traces, lenient_faults, monkeypatch):
    def broken():
        raise RuntimeError("broken")

    monkeypatch.setattr(xtrace.recorder, "_get_current", broken)
    lines.info("still here")
    assert lines.read() == ["AWS-XRAY-TRACE-ID: @ shop False still here"]
    assert xtrace.faults.counts == {"integration:logging": 1}


# -- structlog and loguru ----------------------------------------------------------------------


@pytest.mark.library("structlog", "sync")
def test_structlog(traces):
    import structlog

    output = structlog.testing.LogCapture()
    logger = structlog.wrap_logger(None, processors=[structlog_processor, output])
    with xtrace.in_segment() as segment:
        logger.info("one", items=3)
        logger.info("two", trace_id="own")
    logger.info("three")
    assert output.entries == [
        {
            "event": "one",
            "items": 3,
            "log_level": "info",
            "trace_id": segment.trace_id,
            "segment_id": segment.id,
            "sampled": True,
            "service": "shop",
        },
        {
            "event": "two",
            "log_level": "info",
            "trace_id": "own",
            "segment_id": segment.id,
            "sampled": True,
            "service": "shop",
        },
        {"event": "three", "log_level": "info"},
    ]


@pytest.mark.library("loguru", "sync")
def test_loguru(traces):
    from loguru import logger as theirs

    stream = io.StringIO()
    logger = copy.copy(theirs).patch(loguru_patcher)
    number = logger.add(stream, format="{extra[trace_id]}@{extra[segment_id]} {message}")
    lines = logger.add(
        SegmentHandler(), format="{message}", filter=lambda r: "kept" in r["message"]
    )
    try:
        with xtrace.in_segment() as segment:
            logger.info("one, kept")
        logger.info("two")
    finally:
        logger.remove(number)
        logger.remove(lines)
    assert stream.getvalue() == f"{segment.trace_id}@{segment.id} one, kept\n@ two\n"
    [kept] = traces.segment("shop")["metadata"]["xtrace"]["logs"]
    assert kept["message"] == "one, kept"


# -- JSON --------------------------------------------------------------------------------------


def test_a_json_line(json_lines, traces):
    with xtrace.in_segment() as segment:
        json_lines.warning("sold %d", 3, extra={"order": "o-17", "level": 9, "parts": {1, 2}})
    [line] = json_lines.read()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "WARNING",
        "logger": "test_a_json_line",
        "message": "sold 3",
        "trace_id": segment.trace_id,
        "segment_id": segment.id,
        "sampled": True,
        "service": "shop",
        "order": "o-17",
        "level_": 9,
        "parts": [1, 2],
    }


def test_a_json_line_outside_of_a_trace_has_no_trace(json_lines, traces):
    json_lines.info("alone")
    [line] = json_lines.read()
    assert set(line) == {"timestamp", "level", "logger", "message", "service"}


def test_exceptions_and_stacks_are_in_the_line(json_lines):
    try:
        raise ValueError("no cart")
    except ValueError:
        json_lines.exception("broken", stack_info=True)
    [line] = json_lines.read()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no cart")
    assert line["stack"].startswith("Stack")


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters()),
        st.binary(),
        st.dates(),
        st.builds(object),
    ),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.one_of(st.text(), st.tuples(st.integers())), inner)
    ),
    max_leaves=10,
)


@given(st.text(st.characters()), st.dictionaries(st.text(min_size=1), anything))
def test_whatever_is_logged_is_one_line_of_json(message, extra):
    record = made()
    record.msg = message
    record.__dict__.update({f"x{name}": value for name, value in extra.items()})
    text = JSONFormatter().format(record)
    assert len(text.splitlines()) == 1

    def refuse(constant):
        raise AssertionError(constant)

    line = json.loads(text, parse_constant=refuse)
    assert {f"x{name}" for name in extra} <= set(line)
    line_message = line["message"]
    assert line_message == message or not message.isprintable()


def test_what_contains_itself_is_written():
    loop = []
    loop.append(loop)
    line = json.loads(JSONFormatter().format(made(loop=loop)))
    assert line["loop"] == ["[contains itself]"]


# -- lines that travel with the trace ----------------------------------------------------------


@pytest.fixture
def travelling():
    """A logger whose lines travel; what it is made with can be given."""

    def make(*args, **options):
        logger = logging.Logger("shop.cart", logging.DEBUG)
        logger.addHandler(SegmentHandler(*args, **options))
        return logger

    return make


def logs(document):
    return [
        line["message"] for line in document.get("metadata", {}).get("xtrace", {}).get("logs", [])
    ]


def test_lines_travel_with_what_was_current(traces, travelling):
    logger = travelling()
    logger.info("before")
    with xtrace.in_segment():
        logger.info("looking for %s", "tea")
        logger.debug("not this")
        with xtrace.in_subsegment("part"):
            logger.warning("none left")
    logger.info("after")
    segment = traces.segment("shop")
    [line] = segment["metadata"]["xtrace"]["logs"]
    assert abs(line.pop("time") - segment["start_time"]) < 5
    assert line == {"level": "INFO", "message": "looking for tea", "logger": "shop.cart"}
    assert logs(traces.subsegment("part")) == ["none left"]


def test_lines_are_bounded_by_number_and_by_size(traces, travelling):
    many, long = travelling(max_lines=3), travelling(max_chars=2500)
    with xtrace.in_segment("many"), xtrace.in_subsegment("part"):
        for number in range(10):
            many.info("line %d", number)
    with xtrace.in_segment("long"):
        for _ in range(4):
            long.info("x" * 5000)
    assert logs(traces.subsegment("part")) == ["line 0", "line 1", "line 2"]
    assert traces.segment("many")["metadata"]["xtrace"] == {"logs_left_out": 7}
    found = traces.segment("long")["metadata"]["xtrace"]
    assert [len(line["message"]) for line in found["logs"]] == [1001, 1001]
    assert found["logs_left_out"] == 2


def test_nothing_travels_of_what_isnt_recorded_or_is_our_own(traces, travelling):
    logger = travelling()
    with xtrace.in_segment(sampling=False):
        logger.info("quiet")
    handler = logger.handlers[0]
    with xtrace.in_segment():
        own = logging.Logger("xtrace")
        own.addHandler(handler)
        own.info("about ourselves")
    assert "metadata" not in traces.segment("shop")


def test_a_line_after_the_end_is_counted_as_late(traces, travelling, recorder, sent):
    logger = travelling(recorder=recorder)
    with recorder.in_segment("a"), recorder.in_subsegment("part") as part:
        pass
    with recorder.attach(part):
        logger.info("too late")
    assert recorder.stats().late == 1
    assert logs(sent.subsegment("part")) == []


def test_a_line_may_have_an_exception(traces, travelling):
    logger = travelling()
    with xtrace.in_segment():
        try:
            raise ValueError("no cart")
        except ValueError:
            logger.exception("broken")
    [message] = logs(traces.segment("shop"))
    assert message.startswith("broken\nTraceback")


def test_a_line_that_cant_be_made_is_handled_as_logging_does(traces, travelling, monkeypatch):
    logger = travelling()
    handled = []
    monkeypatch.setattr(logger.handlers[0], "handleError", handled.append)
    with xtrace.in_segment():
        logger.info("%d", "no number")
    assert len(handled) == 1
    assert logs(traces.segment("shop")) == []


def test_wrong_bounds_are_errors_at_once():
    with pytest.raises(ConfigurationError, match="max_lines is 0"):
        SegmentHandler(max_lines=0)
    with pytest.raises(ConfigurationError, match="max_chars is '1'"):
        SegmentHandler(max_chars="1")
