"""aws_xray_sdk.core.utils.search_pattern."""

from __future__ import annotations

import re
from functools import lru_cache

from xtrace.naming import wildcard


def wildcard_match(pattern: str | None, text: str | None, case_insensitive: bool = True) -> bool:
    """Whether a text is what a pattern says, in which "*" is any run of characters and "?" any one."""
    if pattern is None or text is None:
        return False
    if case_insensitive:
        return _compiled(pattern).fullmatch(text) is not None
    return _compiled_with_case(pattern).fullmatch(text) is not None


_compiled = lru_cache(maxsize=1024)(wildcard)


@lru_cache(maxsize=1024)
def _compiled_with_case(pattern: str) -> re.Pattern[str]:
    return re.compile(wildcard(pattern).pattern, re.DOTALL)
