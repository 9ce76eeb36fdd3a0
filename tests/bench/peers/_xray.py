"""What xtrace and the official SDK do by the same calls."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from footprint import occupied_bytes

from . import (
    METADATA,
    NOT_SAMPLED,
    QUERIES,
    QUERY,
    SAMPLING_RULES,
    clock,
    django_application,
    first_sights,
    flask_application,
    sampling_request,
    serve,
    trivial,
    wsgi_environ,
)
from ._calls import Calls


class XRayPeer(Calls):
    """Workloads on a recorder. Subclasses say where the two SDKs differ."""

    # -- what differs ------------------------------------------------------------------------

    @cached_property
    def unsent_recorder(self) -> Any:
        """Records every segment, makes the documents, and drops them."""
        raise NotImplementedError

    def end_sibling(self, recorder: Any, subsegment: Any) -> None:
        """End a subsegment that isn't the current one."""
        raise NotImplementedError

    def sampler(self, rules: dict[str, Any]) -> Any:
        """A local sampler."""
        raise NotImplementedError

    def trace_flask(self, application: Any) -> None:
        """Add the middleware to an application."""
        raise NotImplementedError

    django_app: str
    django_middleware: str
    """What goes into INSTALLED_APPS and MIDDLEWARE."""

    def traced_connection(self) -> Any:
        """A connection to an SQLite database in memory, traced."""
        raise NotImplementedError

    # -- large segments ----------------------------------------------------------------------

    def captured_streamed(self, times: int) -> float:
        recorder = self.recorder
        function = recorder.capture("trivial")(trivial)
        with recorder.in_segment("shop"):
            for value in range(100):  # past the threshold
                function(value)
            begin = clock()
            for value in range(times):
                function(value)
            return clock() - begin

    def small_segments_sent(self, times: int) -> float:
        return self._segments(self.recorder, 10, times)

    def large_segments_sent(self, times: int) -> float:
        return self._segments(self.recorder, 10_000, times)

    def small_segments(self, times: int) -> float:
        return self._segments(self.unsent_recorder, 10, times)

    def large_segments(self, times: int) -> float:
        return self._segments(self.unsent_recorder, 10_000, times)

    def _segments(self, recorder: Any, subsegments: int, times: int) -> float:
        begin = clock()
        for _ in range(times):
            with recorder.in_segment("shop"):
                for _ in range(subsegments):
                    with recorder.in_subsegment("write") as part:
                        part.put_annotation("customer", "c-17")
                        part.put_annotation("attempt", 1)
                        part.put_metadata("cart", METADATA)
        return clock() - begin

    def few_siblings(self, times: int) -> float:
        return self._siblings(10, times)

    def many_siblings(self, times: int) -> float:
        return self._siblings(4_000, times)

    def _siblings(self, subsegments: int, times: int) -> float:
        recorder = self.unsent_recorder
        begin = clock()
        for _ in range(times):
            segment = recorder.begin_segment("shop")
            opened = []
            for _ in range(subsegments):
                opened.append(recorder.begin_subsegment("write"))
                recorder.set_trace_entity(segment)
            for subsegment in opened:
                self.end_sibling(recorder, subsegment)
            recorder.end_segment()
        return clock() - begin

    # -- sampling and headers ----------------------------------------------------------------

    _seen = 0

    @cached_property
    def _sampler(self) -> Any:
        return self.sampler(SAMPLING_RULES)

    def sampling_first_sight(self, times: int) -> float:
        should_trace = self._sampler.should_trace
        requests = first_sights(times, self._seen)
        self._seen += times
        begin = clock()
        for request in requests:
            should_trace(request)
        return clock() - begin

    def sampling_repeated(self, times: int) -> float:
        should_trace = self._sampler.should_trace
        request = sampling_request("/orders/17")
        should_trace(request)
        begin = clock()
        for _ in range(times):
            should_trace(request)
        return clock() - begin

    # -- integrations ------------------------------------------------------------------------

    @cached_property
    def _flask(self) -> Any:
        application = flask_application()
        self.trace_flask(application)
        return application

    @cached_property
    def _untraced_flask(self) -> Any:
        return flask_application()

    def flask_sampled(self, times: int) -> float:
        return serve(self._flask, wsgi_environ(), times)

    def flask_unsampled(self, times: int) -> float:
        return serve(self._flask, wsgi_environ(X_Amzn_Trace_Id=NOT_SAMPLED), times)

    def flask_untraced(self, times: int) -> float:
        return serve(self._untraced_flask, wsgi_environ(), times)

    @cached_property
    def _django(self) -> Any:
        return django_application(self.django_app, self.django_middleware)

    @cached_property
    def _untraced_django(self) -> Any:
        return django_application(self.django_app)

    def django_sampled(self, times: int) -> float:
        return serve(self._django, wsgi_environ(), times)

    def django_unsampled(self, times: int) -> float:
        return serve(self._django, wsgi_environ(X_Amzn_Trace_Id=NOT_SAMPLED), times)

    def django_untraced(self, times: int) -> float:
        return serve(self._untraced_django, wsgi_environ(), times)

    @cached_property
    def _untraced_connection(self) -> Any:
        import sqlite3

        return sqlite3.Connection(":memory:")

    @cached_property
    def _traced_connection(self) -> Any:
        return self.traced_connection()

    def sqlite_traced(self, times: int) -> float:
        return self._queries(self._traced_connection, times)

    def sqlite_untraced(self, times: int) -> float:
        return self._queries(self._untraced_connection, times)

    def _queries(self, connection: Any, times: int) -> float:
        recorder = self.recorder
        begin = clock()
        for _ in range(times):
            with recorder.in_segment("shop"):
                for _ in range(QUERIES):
                    connection.execute(QUERY)
        return clock() - begin

    # -- memory ------------------------------------------------------------------------------

    def open_segments(self, times: int) -> float:
        """Bytes that so many open segments, each with one open subsegment, occupy."""
        opened: list[Any] = []
        before = occupied_bytes()
        for _ in range(times):
            opened.append(self.open_segment())
        return occupied_bytes() - before

    def open_segment(self) -> Any:
        """Open a segment with one subsegment that go on when others begin; what keeps them alive."""
        raise NotImplementedError
