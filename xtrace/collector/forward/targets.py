"""Targets that documents can be forwarded to, by URL, and how they are reached."""

from __future__ import annotations

import os
import platform
import ssl
from functools import partial
from typing import NamedTuple

from ... import _version
from ...delivery.http import proxy_of
from ...delivery.otlp import OtlpBackend, endpoint_of, options
from ...delivery.xray import (
    Signer,
    XRayApi,
    XRayBackend,
    region_of,
    require_botocore,
    signer_for,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...delivery import Backend
    from .services import Services

FORMS = "xray://eu-west-1, otlp+http://host:4318 or otlp+https://host"


class ForwardError(ValueError):
    """What is wrong with a target, and what to write instead."""


class Settings(NamedTuple):
    """How X-Ray is reached, as the daemon's flags and file have it.

    region: where xray: names none. role_arn: assumed first. proxy: URL of an HTTP proxy; None for
    what the environment says. endpoint: in place of the service's own. verifies: its certificate is
    checked. concurrency: how many requests at once.
    """

    region: str | None = None
    role_arn: str | None = None
    proxy: str | None = None
    endpoint: str | None = None
    verifies: bool = True
    concurrency: int = 8


DEFAULTS = Settings()


class Target(NamedTuple):
    """Where documents go. endpoint: URL of what is asked there. make_backend: for each thread, given what finds the service of a subsegment
    that comes alone. api: calls other operations of X-Ray there; None for OTLP.
    """

    url: str
    endpoint: str
    make_backend: Callable[[Services], Backend]
    concurrency: int
    api: Callable[[], XRayApi] | None


def target_of(url: str, settings: Settings = DEFAULTS) -> Target:
    """The target that a URL names. Raises ForwardError."""
    scheme = url.partition(":")[0].lower()
    try:
        if settings.proxy:
            proxy_of(settings.proxy)
        if scheme == "xray":
            require_botocore()
            region = region_of(url.partition(":")[2].strip("/") or settings.region or "")
            api = partial(_api, Signer(region, settings.role_arn), settings)
            return Target(
                f"xray://{region}",
                api().url,  # a wrong endpoint is an error now
                lambda _: XRayBackend(api()),
                settings.concurrency,
                api,
            )
        if scheme in ("otlp+http", "otlp+https"):
            endpoint = endpoint_of(url)
            signer = signer_for(endpoint, settings.role_arn)

            def make(services: Services | None) -> Backend:
                return OtlpBackend(
                    endpoint,
                    options(),
                    signer,
                    gives_way=False,
                    proxy=settings.proxy,
                    services=services,
                )

            make(None).close()
            # One at a time: a later state of what is in progress meets the earlier one.
            return Target(url, endpoint, make, 1, None)
    except ValueError as error:
        raise ForwardError(f"{url!r}: {error}") from None
    raise ForwardError(f"{url!r} is no target. Write {FORMS}.")


def _api(signer: Signer, settings: Settings) -> XRayApi:
    context = None
    if not settings.verifies:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return XRayApi(
        signer,
        endpoint=settings.endpoint,
        proxy=settings.proxy,
        context=context,
        user_agent=f"xtrace/{_version.__version__} xray-agent/xtrace "
        f"exec-env/{os.environ.get('AWS_EXECUTION_ENV', 'UNKNOWN')} "
        f"OS/{platform.system().lower()}-{platform.machine()}",
    )
