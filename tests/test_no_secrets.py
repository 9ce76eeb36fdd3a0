"""The search for secrets in all documents of a run finds one wherever it is."""

from __future__ import annotations

import pytest

from tests import documents
from tests.helpers import Received, eventually, listening, port_of
from tests.marks import SECRET
from xtrace.recorder import Recorder


@pytest.mark.parametrize("place", ["name", "annotation", "metadata", "cause", "http", "sql"])
def test_a_secret_is_found_wherever_a_document_has_it(recorder, place):
    with recorder.in_segment(f"of {SECRET}" if place == "name" else "a") as segment:
        if place == "annotation":
            segment.put_annotation("a", SECRET)
        elif place == "metadata":
            segment.put_metadata("a", {"b": [SECRET]})
        elif place == "cause":
            segment.add_exception(ValueError(SECRET))
        elif place == "http":
            segment.put_http_meta("url", f"http://localhost/{SECRET}")
        elif place == "sql":
            segment.set_sql({"sanitized_query": f"select '{SECRET}'"})
    (leak,) = documents.leaks()
    assert SECRET in leak


def test_so_it_is_in_what_another_process_sends():
    with listening() as daemon, Received(daemon) as received:
        recorder = Recorder(
            service=SECRET, sampling=False, emitter=f"udp://127.0.0.1:{port_of(daemon)}"
        )
        with recorder.in_segment():
            pass
        eventually(lambda: received.documents)
        assert len(documents.leaks()) == 2  # once where it was sent


def test_a_document_without_one_is_no_leak(recorder):
    with recorder.in_segment("s3cr3t"):
        pass
    assert documents.leaks() == []
