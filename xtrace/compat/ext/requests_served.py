"""What the middlewares have in common: a request is a segment, on Lambda a subsegment."""

from __future__ import annotations

import re

from aws_xray_sdk.core.lambda_launcher import LambdaContext
from aws_xray_sdk.core.models import http

from xtrace.naming import UNNAMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_is_trace_id = re.compile(r"1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}", re.ASCII).fullmatch
_is_id = re.compile(r"[0-9a-fA-F]{16}", re.ASCII).fullmatch


def is_in_lambda(launched: Any, recorder: Any) -> bool:
    """Whether requests are parts of a Lambda function's invocation. launched: of check_in_lambda()."""
    return bool(launched) and type(recorder.context) is LambdaContext


def begin(recorder: Any, name: Any, header: Any, decision: Any, in_lambda: bool) -> Any:
    """Begin the segment of a request, or on Lambda the subsegment.

    header: that came with the request. A stranger's ids are taken over only if they are some.
    """
    if in_lambda:
        entity = recorder.begin_subsegment(name or UNNAMED)
    else:
        root, parent = header.root, header.parent
        is_sound = bool(root) and bool(_is_trace_id(root))
        entity = recorder.begin_segment(
            name=name or UNNAMED,
            traceid=root if is_sound else None,
            parent_id=parent if is_sound and parent and _is_id(parent) else None,
            sampling=decision,
        )
    if entity is not None:
        entity.save_origin_trace_header(header)
    return entity


def describe(
    entity: Any,
    url: Any,
    method: Any,
    user_agent: Any,
    forwarded_for: Any,
    address: Any,
) -> dict[str, Any]:
    """Record what a request looks like; gives what was recorded.

    forwarded_for: the header X-Forwarded-For, whose first address is the client's.
    """
    found = {http.URL: url, http.METHOD: method, http.USER_AGENT: user_agent}
    if forwarded_for:
        found[http.CLIENT_IP] = str(forwarded_for).partition(",")[0].strip()
        found[http.X_FORWARDED_FOR] = True
    elif address:
        found[http.CLIENT_IP] = address
    found = {key: value for key, value in found.items() if value is not None}
    for key, value in found.items():
        entity.put_http_meta(key, value)
    return found


def describe_length(entity: Any, length: Any) -> None:
    """Record the length of a response, if it says one."""
    try:
        if length:
            entity.put_http_meta(http.CONTENT_LENGTH, int(length))
    except ValueError:  # a header that is no number
        pass


def end(recorder: Any, entity: Any, in_lambda: bool) -> None:
    """End what begin() has begun, and what the application has left open in it."""
    context = recorder.context
    for _ in range(1000):
        current = context.get_trace_entity() if entity.in_progress else None
        if current is None or current is entity or not recorder._is_subsegment(current):
            break
        if not in_lambda and current.parent_segment is not entity:
            break
        recorder.end_subsegment()
    if in_lambda:
        recorder.end_subsegment()
    else:
        recorder.end_segment()
