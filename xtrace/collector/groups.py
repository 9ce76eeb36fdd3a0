"""Groups: named filter expressions, kept in the store's settings in the API's shape."""

from __future__ import annotations

import secrets
from threading import RLock

from .api.errors import invalid
from .api.shapes import quoted
from .arns import ACCOUNT, REGION
from .filters import FilterError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .filters import Filter
    from .store import Store

    # A Group of the API.
    Group: TypeAlias = dict[str, Any]

MAX_GROUPS = 25
"""Besides the default group."""

DEFAULT = "Default"
"""The group of all traces."""

_SETTING = "groups"
_NO_INSIGHTS = {"InsightsEnabled": False, "NotificationsEnabled": False}


class Groups:
    """The groups of a store. Safe from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = RLock()
        kept = store.setting(_SETTING) or {}
        self._groups: dict[str, Group] = {DEFAULT: _default(), **kept}
        self._filters = {
            name: parse(group["FilterExpression"]) for name, group in self._groups.items()
        }

    def all(self) -> list[Group]:
        """Every group, the default one first, the others by name."""
        with self._lock:
            return sorted(
                self._groups.values(),
                key=lambda group: (group["GroupName"] != DEFAULT, group["GroupName"]),
            )

    def get(self, which: dict[str, Any]) -> Group:
        """The group that a request names by GroupName or GroupARN. Raises ApiError."""
        with self._lock:
            given = [key for key in ("GroupName", "GroupARN") if key in which]
            if len(given) != 1:
                raise invalid("Give GroupName or GroupARN, and not both.")
            for group in self._groups.values():
                if group[given[0]] == which[given[0]]:
                    return group
            raise invalid(f"{given[0]}: there is no group {quoted(which[given[0]])}.")

    def create(self, wanted: dict[str, Any]) -> Group:
        """Add a group. wanted: a CreateGroupRequest. Raises ApiError."""
        with self._lock:
            name = wanted["GroupName"]
            if name in self._groups:
                raise invalid(
                    "GroupName: the name Default is taken."
                    if name == DEFAULT
                    else f"GroupName: there is a group {name!r} already."
                )
            if len(self._groups) > MAX_GROUPS:
                raise invalid(f"There are {MAX_GROUPS} groups already, as many as there may be.")
            group = {
                "GroupName": name,
                "GroupARN": _arn(f"{name}/{secrets.token_hex(26).upper()}"),
                "FilterExpression": wanted.get("FilterExpression", ""),
                "InsightsConfiguration": _insights(wanted, _NO_INSIGHTS),
            }
            return self._keep(group)

    def update(self, wanted: dict[str, Any]) -> Group:
        """Change what is given of a group. wanted: an UpdateGroupRequest. Raises ApiError."""
        with self._lock:
            group = self.get(wanted)
            expression = wanted.get("FilterExpression", group["FilterExpression"])
            if group["GroupName"] == DEFAULT and expression:
                raise invalid("FilterExpression: the default group is of all traces.")
            return self._keep(
                {
                    **group,
                    "FilterExpression": expression,
                    "InsightsConfiguration": _insights(wanted, group["InsightsConfiguration"]),
                }
            )

    def delete(self, which: dict[str, Any]) -> Group:
        """Remove the group that a request names; gives what it was. Raises ApiError."""
        with self._lock:
            group = self.get(which)
            name = group["GroupName"]
            if name == DEFAULT:
                raise invalid("GroupName: the default group can't be deleted.")
            self._put({known: kept for known, kept in self._groups.items() if known != name})
            del self._filters[name]
            return group

    def resolved(self, filter: Filter) -> Filter:
        """A filter with the expressions of groups in place of their names. Raises FilterError."""
        with self._lock:
            return filter.resolve(self._named_filters(self._groups, self._filters))

    def filter(self, which: dict[str, Any]) -> Filter | None:
        """The filter of the group that a request names, None if it is of all traces, or names none.

        Raises ApiError.
        """
        if "GroupName" not in which and "GroupARN" not in which:
            return None
        with self._lock:
            group = self.get(which)
            if not group["FilterExpression"].strip():
                return None
            try:
                return self.resolved(self._filters[group["GroupName"]])
            except FilterError as error:
                name = group["GroupName"]
                raise invalid(f"The FilterExpression of the group {name!r}: {error}") from error

    @staticmethod
    def _named_filters(groups: dict[str, Group], filters: dict[str, Filter]) -> dict[str, Filter]:
        """The filters by name and by ARN."""
        by_arn = {groups[name]["GroupARN"]: filter for name, filter in filters.items()}
        return filters | by_arn

    def _keep(self, group: Group) -> Group:
        name = group["GroupName"]
        groups = {**self._groups, name: group}
        try:
            filters = {**self._filters, name: parse(group["FilterExpression"])}
            filters[name].resolve(self._named_filters(groups, filters))
        except FilterError as error:
            raise invalid(f"FilterExpression: {error}") from error
        self._put(groups)
        self._filters = filters
        return group

    def _put(self, groups: dict[str, Group]) -> None:
        self._store.put_setting(_SETTING, groups)
        self._groups = groups


def _default() -> Group:
    return {
        "GroupName": DEFAULT,
        "GroupARN": _arn(DEFAULT),
        "FilterExpression": "",
        "InsightsConfiguration": dict(_NO_INSIGHTS),
    }


def _arn(rest: str) -> str:
    return f"arn:aws:xray:{REGION}:{ACCOUNT}:group/{rest}"


def _insights(wanted: dict[str, Any], before: dict[str, bool]) -> dict[str, bool]:
    """An InsightsConfiguration; notifications need insights."""
    insights = {**before, **wanted.get("InsightsConfiguration", {})}
    if insights["NotificationsEnabled"] and not insights["InsightsEnabled"]:
        raise invalid(
            "InsightsConfiguration.NotificationsEnabled: without insights nothing can be notified."
        )
    return insights
