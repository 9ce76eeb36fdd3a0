"""Trace gRPC, sync and asyncio, unary and streaming: a call is a subsegment of the client, and a segment
of the server.

The client's calls are traced whichever channel they are made on, also by those made before patch();
servers made before it aren't. Without patch(), give a server an interceptor:

    grpc.server(pool, interceptors=[XRayInterceptor()])
    grpc.aio.server(interceptors=[AsyncXRayInterceptor()])
"""

from __future__ import annotations

from . import _client, _server
from ._server import AsyncXRayInterceptor, XRayInterceptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._wrap import Patcher

__all__ = ["AsyncXRayInterceptor", "XRayInterceptor", "patch"]


def patch(patcher: Patcher) -> None:
    """Replace what calls pass in clients, and have every server made from now on intercepted."""
    _client.patch(patcher)
    _server.patch(patcher)
