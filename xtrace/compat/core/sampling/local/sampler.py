"""aws_xray_sdk.core.sampling.local.sampler: decides by the rules of a file."""

from __future__ import annotations

import json
import pkgutil
from random import Random

from ...exceptions.exceptions import InvalidSamplingManifestError
from .sampling_rule import SamplingRule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

local_sampling_rule: dict[str, Any] = json.loads(
    pkgutil.get_data(__name__, "sampling_rule.json") or b""
)
"""What holds without a file: one request of each second, and 5 % of the others."""

SUPPORTED_RULE_VERSION = (1, 2)


class LocalSampler:
    """Decides by rules; the first that is for a request counts, else the default."""

    def __init__(self, rules: dict[str, Any] = local_sampling_rule) -> None:
        self.load_local_rules(rules)
        self._random = Random()

    def should_trace(self, sampling_req: dict[str, Any] | None = None) -> bool:
        """Whether a request, of which host, method and path count, is recorded."""
        if sampling_req is not None:
            host, method, path = map(sampling_req.get, ("host", "method", "path"))
            for rule in self._rules:
                if rule.applies(host, method, path):
                    return self._should_trace(rule)
        return self._should_trace(self._default_rule)

    def load_local_rules(self, rules: dict[str, Any]) -> None:
        """Use other rules. Raises InvalidSamplingManifestError."""
        version = rules.get("version")
        if version not in SUPPORTED_RULE_VERSION:
            raise InvalidSamplingManifestError("Manifest version: %s is not supported.", version)
        if "default" not in rules:
            raise InvalidSamplingManifestError("A default rule must be provided.")
        default = SamplingRule(rules["default"], version=version, default=True)
        found = [SamplingRule(each, version=version) for each in rules.get("rules") or ()]
        self._default_rule = default
        self._rules = found

    def _should_trace(self, sampling_rule: SamplingRule) -> bool:
        if sampling_rule.reservoir.take():
            return True
        return bool(self._random.random() < sampling_rule.rate)
