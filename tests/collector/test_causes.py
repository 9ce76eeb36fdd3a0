"""Root causes: where failures began, and where the time went."""

from __future__ import annotations

from tests.collector.strategies import NOON, TRACE_ID, minimal
from xtrace.collector.causes import MAX_CAUSES
from xtrace.collector.summaries import summary
from xtrace.collector.trace import compile_trace


def sub(number, start=0.0, end=0.1, **members):
    return {
        "id": f"{number:016x}",
        "name": f"sub {number}",
        "start_time": NOON + start,
        "end_time": NOON + end,
        **members,
    }


def thrown(type, message, id="e" * 16):
    return {"exceptions": [{"id": id, "type": type, "message": message}]}


def back(parent, start=0.2, end=0.8, **members):
    return minimal(
        id="b" * 16,
        name="back",
        parent_id=f"{parent:016x}",
        start_time=NOON + start,
        end_time=NOON + end,
        **members,
    )


def causes(*documents):
    return compile_trace(TRACE_ID, documents).causes


def path(cause):
    """Services with the entities on the way."""
    return [(s.node.name, *[e.name for e in s.entities]) for s in cause.services]


def test_nothing_failed():
    found = causes(minimal(subsegments=[sub(2, error=False)]))
    assert (found["fault"], found["error"]) == ([], [])


def test_a_fault_is_followed_down_to_the_service_where_it_began():
    found = causes(
        minimal(
            fault=True,
            subsegments=[
                sub(
                    2,
                    fault=True,
                    cause="e" * 16,
                    subsegments=[sub(3, fault=True, namespace="remote")],
                ),
                sub(4),
            ],
        ),
        back(3, fault=True, subsegments=[sub(5, fault=True, cause=thrown("KeyError", "'x'"))]),
    )
    (cause,) = found["fault"]
    assert path(cause) == [("front", "front", "sub 2", "sub 3"), ("back", "back", "sub 5")]
    assert cause.client_impacting
    front, service = cause.services
    assert [entity.remote for entity in front.entities] == [False, False, True]
    assert [entity.exceptions for entity in front.entities] == [[], [], []]
    assert service.entities[-1].exceptions == [("KeyError", "'x'")]
    assert found["error"] == []


def test_a_failure_that_the_root_survived_is_not_client_impacting():
    (cause,) = causes(minimal(subsegments=[sub(2, fault=True, namespace="remote", name="api")]))[
        "fault"
    ]
    assert not cause.client_impacting
    assert path(cause) == [("front", "front", "api"), ("api", "api")]
    assert [service.inferred for service in cause.services] == [False, True]


def test_errors_and_throttles_are_causes_of_errors():
    found = causes(minimal(error=True, subsegments=[sub(2, throttle=True), sub(3, error=True)]))
    assert [path(cause) for cause in found["error"]] == [
        [("front", "front", "sub 2")],
        [("front", "front", "sub 3")],
    ]
    assert found["fault"] == []


def test_an_exception_is_found_by_its_id():
    (cause,) = causes(
        minimal(
            fault=True,
            cause="a" * 16,
            subsegments=[sub(2, cause=thrown("OSError", None, "a" * 16))],
        )
    )["fault"]
    assert cause.services[-1].entities[-1].exceptions == [("OSError", None)]


def test_the_same_cause_many_times_is_one_cause_and_there_is_an_end_to_them():
    same = [sub(n, fault=True, name="call") for n in range(2, 50)]
    assert len(causes(minimal(subsegments=same))["fault"]) == 1
    different = [sub(n, fault=True) for n in range(2, 50)]
    assert len(causes(minimal(subsegments=different))["fault"]) == MAX_CAUSES


def test_time_is_followed_to_what_takes_most_of_it():
    found = causes(
        minimal(
            subsegments=[
                sub(2, 0.0, 0.9, subsegments=[sub(3, 0.1, 0.85, namespace="remote")]),
                sub(4),
            ]
        ),
        back(3, 0.2, 0.8, subsegments=[sub(5, 0.2, 0.45)]),
    )
    (cause,) = found["responsetime"]
    assert path(cause) == [("front", "front", "sub 2", "sub 3"), ("back", "back")]
    shares = [entity.coverage for service in cause.services for entity in service.entities]
    assert shares == [1.0, 0.9, 0.75, 0.6]
    assert cause.client_impacting


def test_work_after_the_response_takes_none_of_its_time():
    (cause,) = causes(minimal(subsegments=[sub(2, 0.9, 9.0)]))["responsetime"]
    assert path(cause) == [("front", "front")]


def test_without_a_response_there_is_no_response_time():
    document = minimal(in_progress=True, subsegments=[sub(2)])
    del document["end_time"]
    assert causes(document)["responsetime"] == []


def test_causes_in_the_shape_of_the_api():
    about = summary(
        compile_trace(TRACE_ID, [minimal(fault=True, error=True, cause=thrown("ValueError", "no"))])
    )
    service = {"Name": "front", "Names": ["front"], "Type": None, "AccountId": None}
    expected = [
        {
            "ClientImpacting": True,
            "Services": [
                {
                    **service,
                    "Inferred": False,
                    "EntityPath": [
                        {
                            "Name": "front",
                            "Remote": False,
                            "Exceptions": [{"Name": "ValueError", "Message": "no"}],
                        }
                    ],
                }
            ],
        }
    ]
    assert about["FaultRootCauses"] == expected
    assert about["ErrorRootCauses"] == expected
    (slow,) = about["ResponseTimeRootCauses"]
    assert slow["Services"][0]["EntityPath"] == [
        {"Name": "front", "Remote": False, "Coverage": 1.0}
    ]
