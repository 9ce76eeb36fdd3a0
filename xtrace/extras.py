"""Which extra of xtrace brings a library, for what is said where it isn't installed."""

from __future__ import annotations

__all__ = ["BROUGHT_BY", "how_to_install"]

BROUGHT_BY = {
    "anyio": "collector",  # by way of starlette
    "botocore": "aws",
    "clickhouse_connect": "clickhouse",
    "google": "collector",  # protobuf, by way of opentelemetry-proto
    "h11": "collector",  # by way of uvicorn
    "lark": "collector",
    "libcst": "migrate",
    "opentelemetry": "collector",
    "orjson": "collector",  # in xtrace[fast] it is a choice, and nothing fails without it
    "prometheus_client": "collector",
    "rich": "collector",
    "sqlparse": "collector",
    "starlette": "collector",
    "uvicorn": "collector",
    "yaml": "collector",
}
"""By the name of the package that is imported."""


def how_to_install(error: ImportError, *extras: str) -> str | None:
    """A sentence on what is needed and one on what to type; None if no extra would help.

    extras: what will be asked for next, so that it is typed once.
    """
    name = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or name not in BROUGHT_BY:
        return None
    wanted = ",".join(sorted({BROUGHT_BY[name], *extras}))
    return f"It needs {name}. Install it with: pip install 'xtrace[{wanted}]'"
