"""Traces that are large, hostile or odd: what a console must take without harm."""

from __future__ import annotations

import json
from typing import Any

SCRIPT = "<img src=x onerror=\"window.harmed='yes'\"><script>window.harmed='yes'</script>"
"""What would run if any text became markup."""

LINK = "javascript:window.harmed='yes'"


def trace_id(start: float, number: int) -> str:
    return f"1-{int(start):08x}-{number:024x}"


def wide(start: float, rows: int, number: int = 1) -> list[dict[str, Any]]:
    """A trace of so many rows: segments of fifty rows each under one that calls them. One in a thousand
    of them fails; no two neighbours have the same name.
    """
    id = trace_id(start, number)
    segments = max(1, rows // 50)
    root: dict[str, Any] = {
        "trace_id": id,
        "id": f"{1:016x}",
        "name": "gateway",
        "start_time": start,
        "end_time": start + segments * 0.05,
        "http": {
            "request": {"method": "GET", "url": "http://gateway.example/report"},
            "response": {"status": 200},
        },
        "subsegments": [],
    }
    documents = [root]
    made = 1
    for at in range(segments):
        begin = start + at * 0.05
        call = f"{(at + 1) << 20:016x}"
        name = f"service-{at % 7}"
        root["subsegments"].append(
            {
                "id": call,
                "name": f"{name} {at}",
                "namespace": "remote",
                "start_time": begin,
                "end_time": begin + 0.049,
            }
        )
        segment: dict[str, Any] = {
            "trace_id": id,
            "id": f"{((at + 1) << 20) + 1:016x}",
            "parent_id": call,
            "name": name,
            "start_time": begin + 0.001,
            "end_time": begin + 0.048,
            "subsegments": [],
        }
        documents.append(segment)
        made += 2
        for part in range(48):
            if made >= rows:
                break
            made += 1
            segment["subsegments"].append(
                {
                    "id": f"{((at + 1) << 20) + 2 + part:016x}",
                    "name": f"step {part}",
                    "start_time": begin + 0.001 + part * 0.0009,
                    "end_time": begin + 0.001 + part * 0.0009 + 0.0008,
                    **({"fault": True} if made % 1000 == 0 else {}),
                }
            )
    return documents


def nested(depth: int) -> Any:
    """A value in a value, so many levels deep."""
    value: Any = SCRIPT
    for level in range(depth):
        value = {f"level {level}": value}
    return value


def hostile(start: float, number: int = 0xBAD) -> list[bytes]:
    """A trace with a script in every text, links that are programs, metadata of 5 MB and 200 levels,
    texts that are no UTF-8, and times in the year 9999.
    """
    id = trace_id(start, number)
    exception = {
        "id": f"{0xE:016x}",
        "type": SCRIPT,
        "message": SCRIPT,
        "remote": False,
        "stack": [{"path": SCRIPT, "line": 1, "label": SCRIPT}],
    }
    segment: dict[str, Any] = {
        "trace_id": id,
        "id": f"{0xA:016x}",
        "name": SCRIPT,
        "start_time": start,
        "end_time": start + 1.5,
        "origin": SCRIPT,
        "user": SCRIPT,
        "fault": True,
        "http": {
            "request": {
                "method": SCRIPT,
                "url": LINK,
                "user_agent": SCRIPT,
                "client_ip": SCRIPT,
            },
            "response": {"status": 500, "content_length": SCRIPT},
        },
        "annotations": {SCRIPT: SCRIPT, "plain": SCRIPT, "__proto__": "x", "constructor": "y"},
        "metadata": {
            SCRIPT: {SCRIPT: SCRIPT},
            "large": {"text": "x" * 5_000_000},
            "deep": nested(200),
            "logs": {"logs": [{"time": start + 0.2, "level": SCRIPT, "message": SCRIPT}]},
        },
        "aws": {"operation": SCRIPT, "table_name": SCRIPT, SCRIPT: SCRIPT},
        "service": {"version": SCRIPT},
        "cause": {"working_directory": SCRIPT, "exceptions": [exception]},
        "subsegments": [
            {
                "id": f"{0xB:016x}",
                "name": SCRIPT,
                "namespace": "remote",
                "start_time": start + 0.1,
                "end_time": start + 0.4,
                "sql": {
                    "sanitized_query": f"SELECT {SCRIPT}",
                    "database_type": SCRIPT,
                    "url": LINK,
                },
            },
            {
                "id": f"{0xC:016x}",
                "name": "far",
                "start_time": 253_402_300_799.0,  # the end of the year 9999
                "end_time": 253_402_300_799.5,
            },
        ],
    }
    broken = json.dumps(
        {
            "trace_id": id,
            "id": f"{0xD:016x}",
            "name": "not UTF-8: ???",
            "start_time": start + 0.5,
            "end_time": start + 0.6,
        }
    ).encode()
    return [json.dumps(segment).encode(), broken.replace(b"???", b"\xff\xfe\xc3")]
