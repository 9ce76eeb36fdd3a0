"""XRAY_RECORDER in Django's settings: the keys of the official SDK, and those of configure()."""

from __future__ import annotations

import os
from difflib import get_close_matches

from ... import settings as own
from ...default import recorder
from ...errors import ConfigurationError, UnknownSetting
from ...naming import UNNAMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NAME = "XRAY_RECORDER"
APP = "xtrace.integrations.django"
MIDDLEWARE = f"{APP}.XRayMiddleware"
OFFICIAL = "aws_xray_sdk."

_OFFICIAL_KEYS = {
    "AWS_XRAY_CONTEXT_MISSING": "context_missing",
    "AWS_XRAY_DAEMON_ADDRESS": "daemon_address",
    "AWS_XRAY_TRACING_NAME": "service",
}
"""Keys whose argument of configure() has another name."""

ANNOTATED = ("ALL", "LAMBDA", "NONE")
"""Values of URLS_AS_ANNOTATION."""


class Settings:
    """What XRAY_RECORDER asks for.

    arguments: of configure(). instrument: whether Django itself is traced. libraries: to patch;
    segment: the name of one around patching them, or None. user: whether each request's user is
    recorded. annotated: one of ANNOTATED.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Raises UnknownSetting or ConfigurationError. None counts as not given."""
        self.arguments: dict[str, Any] = {}
        self.instrument = True
        self.libraries: list[str] = []
        self.segment: str | None = None
        self.user = False
        self.annotated = "LAMBDA"
        if not hasattr(given, "items"):
            raise ConfigurationError(
                f"{NAME} is {given!r}. Write a dict: "
                f"{NAME} = {{'AWS_XRAY_TRACING_NAME': 'my-service'}}."
            )
        for key, value in given.items():
            if value is not None:
                self._take(key, value)

    def _take(self, key: Any, value: Any) -> None:
        name = _OFFICIAL_KEYS.get(key) or (key.lower() if isinstance(key, str) else "")
        if key in _OFFICIAL_KEYS or (name in own.SETTINGS and key == name.upper()):
            self.arguments[name] = value
        elif key == "AUTO_INSTRUMENT":
            self.instrument = _flag(key, value)
        elif key == "RECORD_USER":
            self.user = _flag(key, value)
        elif key == "PATCH_MODULES":
            self.libraries = [value] if isinstance(value, str) else list(value)
        elif key == "AUTO_PATCH_PARENT_SEGMENT_NAME":
            self.segment = value
        elif key == "URLS_AS_ANNOTATION":
            if value not in ANNOTATED:
                raise ConfigurationError(
                    f"{NAME}['{key}'] is {value!r}. Write one of {', '.join(ANNOTATED)}."
                )
            self.annotated = value
        elif key == "IGNORE_MODULE_PATTERNS":
            if value:
                raise ConfigurationError(
                    f"{NAME}['{key}'] isn't supported: PATCH_MODULES patches libraries by name and "
                    "never your own modules. Remove it."
                )
        else:
            raise _unknown(key)

    @property
    def annotates(self) -> bool:
        """Whether what is known of a request and its response becomes annotations, too."""
        in_lambda = bool(os.environ.get("LAMBDA_TASK_ROOT"))
        return self.annotated == "ALL" or (self.annotated == "LAMBDA" and in_lambda)


def _unknown(key: Any) -> UnknownSetting:
    known = sorted(
        {
            *_OFFICIAL_KEYS,
            *(name.upper() for name in own.SETTINGS if name not in _OFFICIAL_KEYS.values()),
            "AUTO_INSTRUMENT",
            "AUTO_PATCH_PARENT_SEGMENT_NAME",
            "PATCH_MODULES",
            "RECORD_USER",
            "URLS_AS_ANNOTATION",
        }
    )
    close = get_close_matches(str(key).upper(), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UnknownSetting(f"{NAME} has no key {key!r}.{hint} Known: {', '.join(known)}.")


def _flag(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{NAME}['{key}'] is {value!r}. Write True or False.")


in_force = Settings({})
"""What XRAY_RECORDER asks for; use() puts it here."""

_used: Any = None


def use() -> None:
    """Configure the recorder as XRAY_RECORDER says. Once: a second call changes nothing.

    Raises ConfigurationError (or a subclass), with what to write instead.
    """
    global in_force, _used
    from django.conf import settings

    given = getattr(settings, NAME, None)
    if given is None or given is _used:
        return
    found = Settings(given)
    try:
        recorder.configure(**found.arguments)
    except ConfigurationError as error:
        raise type(error)(f"{NAME} in Django's settings: {error}") from error
    in_force = found
    _used = given


def patch() -> None:
    """Patch what XRAY_RECORDER asks for. Raises UnknownIntegration or MissingLibrary."""
    from .. import patch

    if in_force.instrument:
        patch("django")
    if in_force.libraries:
        if in_force.segment:
            with recorder.in_segment(in_force.segment):
                patch(in_force.libraries)
        else:
            patch(in_force.libraries)


def problems(app_configs: Any, **options: Any) -> list[Any]:
    """Django's system check: what `manage.py check` and `runserver` say."""
    from django.conf import settings
    from django.core import checks

    found: list[Any] = []
    if not recorder.enabled:
        return found
    if recorder.service is None and recorder.naming is None:
        found.append(
            checks.Error(
                f"The segments of this project have no name; they would be called {UNNAMED!r}.",
                hint=f"Write into the settings: {NAME} = {{'AWS_XRAY_TRACING_NAME': 'my-service'}}. "
                "Or set the environment variable AWS_XRAY_TRACING_NAME.",
                id="xtrace.E001",
            )
        )
    theirs = [name for name in settings.INSTALLED_APPS if name.startswith(OFFICIAL)]
    theirs += [name for name in settings.MIDDLEWARE if name.startswith(OFFICIAL)]
    if theirs:
        found.append(
            checks.Warning(
                "Requests are traced twice, by the official SDK too.",
                hint=f"Remove from INSTALLED_APPS and MIDDLEWARE: {', '.join(theirs)}.",
                id="xtrace.W002",
            )
        )
    if not in_force.instrument and MIDDLEWARE not in settings.MIDDLEWARE:
        found.append(
            checks.Warning(
                "Requests aren't traced: AUTO_INSTRUMENT is False and the middleware is missing.",
                hint=f"Write into the settings: MIDDLEWARE = ['{MIDDLEWARE}', ...].",
                id="xtrace.W001",
            )
        )
    return found
