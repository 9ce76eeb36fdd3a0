"""aws_xray_sdk.core.models.http: keys of an entity's http block, and names of headers."""

from __future__ import annotations

URL = "url"
METHOD = "method"
USER_AGENT = "user_agent"
CLIENT_IP = "client_ip"
X_FORWARDED_FOR = "x_forwarded_for"

STATUS = "status"
CONTENT_LENGTH = "content_length"

XRAY_HEADER = "X-Amzn-Trace-Id"
ALT_XRAY_HEADER = "HTTP_X_AMZN_TRACE_ID"
"""The same in a WSGI environ."""

request_keys = (URL, METHOD, USER_AGENT, CLIENT_IP, X_FORWARDED_FOR)
response_keys = (STATUS, CONTENT_LENGTH)
