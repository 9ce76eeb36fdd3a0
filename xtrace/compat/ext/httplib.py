"""aws_xray_sdk.ext.httplib.patch: calls made with http.client, and with what is built on it."""

from __future__ import annotations

import fnmatch
import http.client as httplib
from collections import namedtuple
from importlib.metadata import version
from ssl import SSLContext

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http
from aws_xray_sdk.core.patcher import _PATCHED_MODULES  # type: ignore[attr-defined]
from aws_xray_sdk.ext.util import get_hostname, inject_trace_header, strip_url

from xtrace.compat.ext.patching import argument, patching, undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

httplib_client_module = "http.client"
PATCH_FLAG = "__xray_patched"

_XRAY_PROP = "_xray_prop"
"""Attribute of a connection, and of its response, with what is going on there."""

_XRay_Data: Any = namedtuple("xray_data", ["method", "host", "url"])  # type: ignore[name-match]
_XRay_Ignore: Any = namedtuple("xray_ignore", ["subclass", "hostname", "urls"])  # type: ignore[name-match]

_XRAY_IGNORE: set[Any] = set()
"""Rules: a request that one of them fits is neither recorded nor given the trace header."""

_PORTS = {"http": 80, "https": 443}


def add_ignored(subclass: Any = None, hostname: Any = None, urls: Any = None) -> None:
    """Leave requests alone that fit all that is given.

    subclass: of the connection, "module.Class". hostname: a pattern, as of fnmatch. urls: paths.
    """
    if subclass is not None or hostname is not None or urls is not None:
        _XRAY_IGNORE.add(_XRay_Ignore(subclass, hostname, None if urls is None else tuple(urls)))


def reset_ignored() -> None:
    """Forget all rules but the one for the requests by which tracing itself works."""
    _XRAY_IGNORE.clear()
    _ignored_add_default()


def _ignored_add_default() -> None:
    add_ignored(
        subclass="botocore.awsrequest.AWSHTTPConnection",
        urls=["/GetSamplingRules", "/SamplingTargets"],
    )


_ignored_add_default()


def _ignore_request(instance: Any, hostname: Any, url: Any) -> bool:
    kind = type(instance)
    name = kind.__name__
    if kind.__module__ not in (None, "builtins"):
        name = f"{kind.__module__}.{name}"
    return any(
        (rule.subclass is None or rule.subclass == name)
        and (rule.hostname is None or fnmatch.fnmatch(str(hostname), rule.hostname))
        and (rule.urls is None or url in rule.urls)
        for rule in _XRAY_IGNORE
    )


def patch() -> None:
    """Record sending a request, getting the response, and each read of its body."""
    with patching("httplib", httplib, PATCH_FLAG) as patcher:
        if patcher is None:
            return
        connection, response = httplib.HTTPConnection, httplib.HTTPResponse
        patcher.wrap(connection, "_send_request", _send_request)
        patcher.wrap(connection, "getresponse", _xray_traced_http_getresponse)
        patcher.wrap(response, "read", _xray_traced_http_client_read)
        try:
            import urllib3
        except ImportError:
            return
        if int(version("urllib3").partition(".")[0]) > 1:  # it doesn't use _send_request
            patcher.wrap(urllib3.connection.HTTPConnection, "request", _send_request)


def unpatch() -> None:
    """Put back what patch() replaced."""
    _PATCHED_MODULES.discard("httplib")
    undo("httplib")
    setattr(httplib, PATCH_FLAG, False)


def _send_request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    method = argument(args, kwargs, 0, "method")
    url = argument(args, kwargs, 1, "url")
    if _ignore_request(instance, instance.host, url):
        vars(instance).pop(_XRAY_PROP, None)
        return wrapped(*args, **kwargs)
    data = _XRay_Data(method, instance.host, _absolute(instance, url))
    setattr(instance, _XRAY_PROP, data)
    args, kwargs, headers = _with_own_headers(args, kwargs)

    def send(*args: Any, **kwargs: Any) -> Any:
        inject_trace_header(headers, xray_recorder.current_subsegment())
        return wrapped(*args, **kwargs)

    return xray_recorder.record_subsegment(
        send,
        instance,
        args,
        kwargs,
        name=get_hostname(data.url),
        namespace="remote",
        meta_processor=http_send_request_processor,
    )


_HEADERS_POSITION = 3


def _with_own_headers(args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """The arguments with a copy of the headers, which are the application's."""
    given = argument(args, kwargs, _HEADERS_POSITION, "headers")
    headers = {} if given is None else given.copy() if hasattr(given, "copy") else given
    if len(args) > _HEADERS_POSITION:
        return (*args[:_HEADERS_POSITION], headers, *args[_HEADERS_POSITION + 1 :]), kwargs, headers
    return args, {**kwargs, "headers": headers}, headers


def _absolute(instance: Any, url: Any) -> str:
    is_tls = any(
        isinstance(getattr(instance, name, None), SSLContext)
        for name in ("ssl_context", "_context")
    )
    scheme = "https" if is_tls else "http"
    port = getattr(instance, "port", None)
    place = instance.host if port in (None, _PORTS[scheme]) else f"{instance.host}:{port}"
    return f"{scheme}://{place}{url}"


def _xray_traced_http_getresponse(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return _recorded(wrapped, instance, args, kwargs, http_response_processor)


def _xray_traced_http_client_read(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return _recorded(wrapped, instance, args, kwargs, http_read_processor)


def _recorded(wrapped: Any, instance: Any, args: Any, kwargs: Any, processor: Any) -> Any:
    data = getattr(instance, _XRAY_PROP, None)
    if not data:
        return wrapped(*args, **kwargs)
    return xray_recorder.record_subsegment(
        wrapped,
        instance,
        args,
        kwargs,
        name=get_hostname(data.url),
        namespace="remote",
        meta_processor=processor,
    )


def http_send_request_processor(
    wrapped: Any,
    instance: Any,
    args: Any,
    kwargs: Any,
    return_value: Any,
    exception: Any,
    subsegment: Any,
    stack: Any,
) -> None:
    """Describe the sending of a request."""
    _describe(instance, None, exception, subsegment, stack)


def http_response_processor(
    wrapped: Any,
    instance: Any,
    args: Any,
    kwargs: Any,
    return_value: Any,
    exception: Any,
    subsegment: Any,
    stack: Any,
) -> None:
    """Describe the getting of a response, which is told whose it is."""
    data = _describe(instance, return_value, exception, subsegment, stack)
    if data and return_value is not None:
        setattr(return_value, _XRAY_PROP, _XRay_Data("READ", data.host, data.url))


def http_read_processor(
    wrapped: Any,
    instance: Any,
    args: Any,
    kwargs: Any,
    return_value: Any,
    exception: Any,
    subsegment: Any,
    stack: Any,
) -> None:
    """Describe a read of a body."""
    _describe(instance, instance, exception, subsegment, stack)


def _describe(instance: Any, response: Any, exception: Any, subsegment: Any, stack: Any) -> Any:
    data = getattr(instance, _XRAY_PROP, None)
    if data:
        subsegment.put_http_meta(http.METHOD, data.method)
        subsegment.put_http_meta(http.URL, strip_url(data.url))
        if response is not None:
            subsegment.put_http_meta(http.STATUS, response.status)
        if exception:
            subsegment.add_exception(exception, stack)
    return data
