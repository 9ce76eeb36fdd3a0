"""The route of a request, from what frameworks on ASGI leave in the scope."""

from __future__ import annotations

from ._http import add_route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any, TypeAlias

    from ..model import Segment

    Scope: TypeAlias = MutableMapping[str, Any]


def describe_route(segment: Segment, scope: Scope) -> None:
    """Record the route's template, if the framework leaves it in the scope."""
    route = scope.get("route")
    if route is not None and "app_root_path" not in scope and "fastapi" not in scope:
        template = getattr(route, "path", None)
    elif "router" in scope:
        template = _starlette_template(scope, route)
    else:
        template = scope.get("path_template")  # Litestar
    if template:
        add_route(segment, template)


def _starlette_template(scope: Scope, route: Any) -> str | None:
    """The path of a route of Starlette or FastAPI, with the paths of what it is mounted under.

    None if that can't be found out: better no route than a wrong one.
    """
    prefix, routes = "", None
    if "app_root_path" in scope:
        prefix, routes = _mounted(scope)
        if routes is None:
            return None
    included = scope.get("fastapi")
    if included:  # by include_router(), with a prefix
        included = included.get("effective_route_context")
    if route is None:  # a Starlette that doesn't say
        endpoint = scope.get("endpoint")
        for each in scope["router"].routes if routes is None else routes:
            if getattr(each, "endpoint", None) is endpoint is not None:
                route = each
    path = getattr(included or route, "path", None)
    if hasattr(route, "app") and hasattr(route, "routes"):  # the mount itself
        return prefix or path
    return None if path is None else prefix + path


def _mounted(scope: Scope) -> tuple[str, Any]:
    """The paths of the mounts that a request went through, as templates, and the routes there."""
    above = scope["app_root_path"]
    root = scope["root_path"][len(above) :]
    path = scope["path"].removeprefix(above)
    routes = scope["router"].routes
    prefix = ""
    while root:
        for route in routes:
            if not hasattr(route, "routes"):
                continue
            found = route.path_regex.match(path)
            rest = found and "/" + found["path"]
            matched = rest and path[: len(path) - len(rest)]
            if matched and root.startswith(matched):
                prefix += route.path
                root, path, routes = root[len(matched) :], rest, route.routes
                break
        else:
            return "", None
    return prefix, routes
