"""aws_xray_sdk.core.sampling.local.sampling_rule: one rule of a file."""

from __future__ import annotations

from ...exceptions.exceptions import InvalidSamplingManifestError
from ...utils.search_pattern import wildcard_match
from .reservoir import Reservoir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SamplingRule:
    """A rule: for which requests it is, and how many of them are recorded.

    rule_dict: of the file. version: of the file. default: whether it is the rule for all others.
    Raises InvalidSamplingManifestError for what it says too much, too little or wrongly.
    """

    FIXED_TARGET = "fixed_target"
    RATE = "rate"
    HOST = "host"
    METHOD = "http_method"
    PATH = "url_path"
    SERVICE_NAME = "service_name"

    def __init__(self, rule_dict: dict[str, Any], version: int = 2, default: bool = False) -> None:
        if version not in (1, 2):
            raise InvalidSamplingManifestError(
                f"Sampling rules are of version 1 or 2, not {version}."
            )
        self._host_key = self.HOST if version == 2 else self.SERVICE_NAME
        get = rule_dict.get
        self._fixed_target = get(self.FIXED_TARGET)
        self._rate = get(self.RATE)
        self._host = get(self._host_key)
        self._method = get(self.METHOD)
        self._path = get(self.PATH)
        self._default = default
        self._validate()
        self._reservoir = Reservoir(self.fixed_target)

    def _validate(self) -> None:
        if self.fixed_target < 0 or self.rate < 0:
            raise InvalidSamplingManifestError(
                f"{self.FIXED_TARGET} and {self.RATE} of a sampling rule are at least 0."
            )
        said = [each for each in (self.host, self.method, self.path) if each]
        if self._default and said:
            raise InvalidSamplingManifestError(
                f"The default sampling rule has no {self._host_key}, {self.METHOD} and {self.PATH}."
            )
        if not self._default and len(said) < 3:
            raise InvalidSamplingManifestError(
                f"A sampling rule has a {self._host_key}, {self.METHOD} and {self.PATH}."
            )

    def applies(self, host: str | None, method: str | None, path: str | None) -> bool:
        """Whether the rule is for a request; what isn't known of that matches everything."""
        return (
            (not host or wildcard_match(self.host, host))
            and (not method or wildcard_match(self.method, method))
            and (not path or wildcard_match(self.path, path))
        )

    @property
    def fixed_target(self) -> Any:
        """Requests of each second that are recorded in any case."""
        return self._fixed_target

    @property
    def rate(self) -> Any:
        """The fraction of the others."""
        return self._rate

    @property
    def host(self) -> str | None:
        """A pattern."""
        return self._host

    @property
    def method(self) -> str | None:
        """A pattern."""
        return self._method

    @property
    def path(self) -> str | None:
        """A pattern."""
        return self._path

    @property
    def reservoir(self) -> Reservoir:
        """What counts the requests of each second."""
        return self._reservoir

    @property
    def version(self) -> Any:
        """There is none."""
        raise AttributeError("version")
