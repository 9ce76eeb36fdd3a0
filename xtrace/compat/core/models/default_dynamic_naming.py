"""aws_xray_sdk.core.models.default_dynamic_naming: segment names by host."""

from __future__ import annotations

from xtrace.naming import without_port

from ..utils.search_pattern import wildcard_match


class DefaultDynamicNaming:
    """A host that matches the pattern names the segment; others get the fallback."""

    def __init__(self, pattern: str, fallback: str | None) -> None:
        self._pattern = pattern
        self._fallback = fallback

    def get_name(self, host_name: str | None) -> str | None:
        """The name for a request to this host; its port doesn't count, unless the pattern has one."""
        if host_name:
            for host in (host_name, without_port(host_name)):
                if wildcard_match(self._pattern, host):
                    return host
        return self._fallback
