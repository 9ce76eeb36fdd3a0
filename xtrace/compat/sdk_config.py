"""aws_xray_sdk.sdk_config: whether tracing is on, for the whole process."""

from __future__ import annotations

import logging
import os

from xtrace.default import recorder as _shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")


class SDKConfig:
    """The state belongs to the class: all instances, and all recorders, share it."""

    XRAY_ENABLED_KEY = "AWS_XRAY_SDK_ENABLED"
    DISABLED_ENTITY_NAME = "dummy"

    __SDK_ENABLED: bool | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "sdk_enabled":  # a test puts something in the method's place: it is to be asked
            _shared.enabled = False

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name == "sdk_enabled":
            _shared.enabled = self.sdk_enabled()

    @classmethod
    def __get_enabled_from_env(cls) -> bool:
        word = os.environ.get(cls.XRAY_ENABLED_KEY, "true").lower()
        if word not in _TRUE and word not in _FALSE:
            log.warning("%s is %r: write true or false. It counts as true", *_variable(cls))
        return word not in _FALSE

    @classmethod
    def sdk_enabled(cls) -> bool:
        """Whether tracing is on; the environment is read at the first call."""
        enabled = cls.__SDK_ENABLED
        if enabled is None:
            enabled = cls.__get_enabled_from_env()
            cls.__set(enabled)
        return enabled

    @classmethod
    def set_sdk_enabled(cls, value: bool | None) -> None:
        """Switch tracing on or off. The environment variable, where it is set, wins."""
        if cls.XRAY_ENABLED_KEY in os.environ:
            cls.__set(cls.__get_enabled_from_env())
        elif isinstance(value, bool):
            cls.__set(value)
        else:
            log.warning("set_sdk_enabled(%r): give True or False. It counts as True", value)
            cls.__set(True)

    @classmethod
    def __set(cls, value: bool) -> None:
        cls.__SDK_ENABLED = value
        _shared.enabled = value  # the integrations of xtrace itself ask there


def _variable(cls: type[SDKConfig]) -> tuple[str, str | None]:
    return cls.XRAY_ENABLED_KEY, os.environ.get(cls.XRAY_ENABLED_KEY)


global_sdk_config = SDKConfig()
