"""Every setting, once: its argument of configure(), its environment variable, default and meaning.

The environment wins over the argument, as in the official SDK: who runs a program can overrule
who wrote it. `xtrace doctor` prints this table with the values in force.
"""

from __future__ import annotations

import os
import re

from . import daemon
from .errors import ConfigurationError, UnknownSetting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypedDict

    class Arguments(TypedDict, total=False):
        """The arguments of configure(). Each is left as it is unless it is given."""

        service: str | None
        service_version: str | None
        enabled: bool
        sampling: bool
        sampling_rules: Mapping[str, Any] | str | os.PathLike[str] | None
        sampler: Any
        daemon_address: str | None
        emitter: Any
        max_datagram_bytes: int
        context_missing: str
        context: Any
        streaming: Any
        streaming_threshold: int
        max_trace_back: int
        dynamic_naming: Any
        plugins: Sequence[str] | None
        log_groups: Sequence[str] | str
        stream_sql: bool | str
        redact: bool
        traceparent: bool
        link_messages: bool
        trace_header_targets: Sequence[str] | str
        excluded_urls: Sequence[str] | str
        peer_names: Mapping[str, str] | str


LOG_ERROR = "LOG_ERROR"
RUNTIME_ERROR = "RUNTIME_ERROR"
IGNORE_ERROR = "IGNORE_ERROR"
STRATEGIES = (LOG_ERROR, RUNTIME_ERROR, IGNORE_ERROR)
"""Values of context_missing."""


class Setting:
    """One setting. unit: of its value, for people; check: gives the value to use, or raises."""

    __slots__ = ("check", "default", "environment", "meaning", "name", "unit")

    def __init__(
        self,
        name: str,
        default: object,
        meaning: str,
        check: Callable[[Setting, Any], Any] | None = None,
        environment: str | None = None,
        unit: str = "",
    ) -> None:
        self.name = name
        self.default = default
        self.meaning = meaning
        self.check = check
        self.environment = environment
        self.unit = unit

    def value(self, given: object, environment: bool = True) -> Any:
        """The value in force when `given` was asked for: the environment's, if it has one.

        environment: False leaves that out.

        Raises ConfigurationError, with what to write instead.
        """
        if environment and self.environment and os.environ.get(self.environment):
            return self._checked(os.environ[self.environment])
        return self._checked(given)

    def is_in_environment(self) -> bool:
        """Whether an environment variable decides."""
        return bool(self.environment and os.environ.get(self.environment))

    def is_from_environment(self, value: object) -> bool:
        """Whether a value is what the environment variable says, not what a program gave."""
        return self.is_in_environment() and value == os.environ.get(self.environment or "")

    def _checked(self, value: Any) -> Any:
        return value if self.check is None else self.check(self, value)

    def wrong(self, value: object, instead: str) -> ConfigurationError:
        """The error for a value that won't do."""
        where = f" (from {self.environment})" if self.is_from_environment(value) else ""
        return ConfigurationError(f"{self.name} is {value!r}{where}. {instead}")


_TRUE = frozenset(("y", "yes", "t", "true", "on", "1"))
_FALSE = frozenset(("n", "no", "f", "false", "off", "0"))


def _flag(setting: Setting, value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, (bool, int)):
        return bool(value)
    raise setting.wrong(value, "Write True or False (in the environment: true or false).")


def _whole_number(least: int, most: int) -> Callable[[Setting, Any], int]:
    def check(setting: Setting, value: Any) -> int:
        try:
            if isinstance(value, bool):
                raise TypeError
            number = int(value)
            if number != float(value):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise setting.wrong(value, f"Write a whole number, {least} to {most}.") from None
        if not least <= number <= most:
            raise setting.wrong(value, f"Write a whole number, {least} to {most}.")
        return number

    return check


def _text(setting: Setting, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise setting.wrong(value, "Write a text that isn't empty.")


def _has(*methods: str) -> Callable[[Setting, Any], Any]:
    def check(setting: Setting, value: Any) -> Any:
        if value is None or all(callable(getattr(value, name, None)) for name in methods):
            return value
        wanted = ", ".join(f"{name}()" for name in methods)
        raise setting.wrong(value, f"Give an object with {wanted}.")

    return check


SAMPLERS = ("local", "central")
"""Samplers that have a name."""


def _sampler(setting: Setting, value: Any) -> Any:
    if isinstance(value, str):
        name = value.strip().lower()
        if name in SAMPLERS:
            return name
        raise setting.wrong(
            value, "Write 'local' or 'central', or give an object with should_trace()."
        )
    if value is None or callable(getattr(value, "should_trace", None)):
        return value
    raise setting.wrong(value, "Give an object with should_trace(). Or write 'local' or 'central'.")


def _patterns(setting: Setting, value: Any) -> tuple[str, ...]:
    """Patterns, given one by one or, as in the environment, with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    is_list = isinstance(parts, (list, tuple, set, frozenset))
    if is_list and all(isinstance(part, str) for part in parts):
        return tuple(part.strip() for part in parts if part.strip())
    raise setting.wrong(value, "Write patterns: ['*.example.com'], or in one text with commas.")


def _peer_names(setting: Setting, value: Any) -> tuple[tuple[str, str], ...]:
    """Patterns of hosts and their names: a dict or, as in the environment, 'host=name,host=name'."""
    try:
        if isinstance(value, str):
            pairs = [part.partition("=")[::2] for part in value.split(",") if part.strip()]
        else:
            pairs = [*dict(value).items()]
    except (TypeError, ValueError):
        pairs = [("", "")]
    if all(isinstance(word, str) and word.strip() for pair in pairs for word in pair):
        return tuple((pattern.strip(), name.strip()) for pattern, name in pairs)
    raise setting.wrong(
        value, "Write names by host: {'10.0.0.7:8080': 'orders'}, or '10.0.0.7:8080=orders,...'."
    )


def _log_groups(setting: Setting, value: Any) -> tuple[str, ...]:
    """Names or ARNs of log groups, given one by one or with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, (list, tuple)) and all(isinstance(part, str) for part in parts):
        groups = tuple(part.strip() for part in parts if part.strip())
        if all(_log_group(group) for group in groups):
            return groups
    raise setting.wrong(
        value, "Write names or ARNs of log groups: ['/ecs/shop'], or in one text with commas."
    )


_log_group = re.compile(
    r"(?:arn:[\w-]+:logs:[\w-]*:\d*:log-group:)?[\w./#-]{1,512}(?::\*)?"
).fullmatch


def _pattern_or(
    check: Callable[[Setting, Any], Any],
) -> Callable[[Setting, Any], Any]:
    return lambda setting, value: value if isinstance(value, str) else check(setting, value)


SQL_MASKED = "masked"
SQL_RAW = "raw"
SQL_OFF = "off"
"""Words for stream_sql, besides True and False."""


def _sql_text(setting: Setting, value: Any) -> bool | str:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in (SQL_MASKED, SQL_RAW):
        return word
    try:
        return _flag(setting, value)
    except ConfigurationError:
        raise setting.wrong(value, "Write 'masked', 'raw' or 'off', or True or False.") from None


def _strategy(setting: Setting, value: Any) -> str:
    if value in STRATEGIES:
        return str(value)
    raise setting.wrong(value, f"Write one of {', '.join(STRATEGIES)}.")


def _address(setting: Setting, value: Any) -> daemon.DaemonAddress:
    if isinstance(value, daemon.DaemonAddress):
        return value
    source = setting.environment if setting.is_from_environment(value) else setting.name
    return daemon.parse(value or daemon.DEFAULT_ADDRESS, source or setting.name)


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "service",
            None,
            "Name of this service: of its segments, and of its node on the map.",
            _text,
            "AWS_XRAY_TRACING_NAME",
        ),
        Setting(
            "service_version",
            None,
            "Version of this service, recorded with each segment.",
            _text,
            "XTRACE_SERVICE_VERSION",
        ),
        Setting(
            "enabled",
            True,
            "False: nothing is recorded, sent or patched; every call still works.",
            _flag,
            "AWS_XRAY_SDK_ENABLED",
        ),
        Setting(
            "sampling",
            True,
            "False: every request is recorded unless its caller decided otherwise.",
            _flag,
        ),
        Setting(
            "sampling_rules",
            None,
            "Local sampling rules: a dict, or the path of a JSON file (version 1 or 2).",
            environment="XTRACE_SAMPLING_RULES",
        ),
        Setting(
            "sampler",
            None,
            "Whose rules decide: 'local', or 'central' for those that the daemon hands out; or an "
            "object with should_trace(request). None: 'local'.",
            _sampler,
            "XTRACE_SAMPLER",
        ),
        Setting(
            "daemon_address",
            None,
            "Where the daemon listens: host:port, or tcp:host:port udp:host:port.",
            _address,
            "AWS_XRAY_DAEMON_ADDRESS",
        ),
        Setting(
            "emitter",
            None,
            "Where traces go: a URL, an object with send_entity(entity), or a list of these "
            "(in the environment: URLs with commas between). None: to the daemon.",
            environment="XTRACE_EMITTER",
        ),
        Setting(
            "max_datagram_bytes",
            64_000,
            "The largest datagram sent, its header included.",
            _whole_number(1024, 65_507),
            "XTRACE_MAX_DATAGRAM_BYTES",
            "bytes",
        ),
        Setting(
            "context_missing",
            LOG_ERROR,
            "What to do where a segment is needed and none is open: LOG_ERROR, RUNTIME_ERROR, "
            "IGNORE_ERROR.",
            _strategy,
            "AWS_XRAY_CONTEXT_MISSING",
        ),
        Setting(
            "context",
            None,
            "An object with get(), set(entity) and missing(call), in place of xtrace.context.Context.",
            _has("get", "set", "missing"),
        ),
        Setting(
            "streaming",
            None,
            "An object with is_eligible(segment), asked at each ended subsegment whether the "
            "segment should send what has ended already.",
            _has("is_eligible"),
        ),
        Setting(
            "streaming_threshold",
            30,
            "Ended subsegments that an open segment holds before it sends them early.",
            _whole_number(0, 1_000_000_000),
            unit="subsegments",
        ),
        Setting(
            "max_trace_back",
            10,
            "Stack frames recorded for each exception.",
            _whole_number(0, 1000),
            unit="frames",
        ),
        Setting(
            "dynamic_naming",
            None,
            "Segment names by host: a pattern such as '*.example.com', or an object with "
            "get_name(host).",
            _pattern_or(_has("get_name")),
        ),
        Setting(
            "plugins",
            None,
            "What the process may run on, to be found out and recorded: EC2Plugin, ECSPlugin, "
            "EKSPlugin, ElasticBeanstalkPlugin. (): forget what was found.",
        ),
        Setting(
            "log_groups",
            (),
            "CloudWatch log groups with this service's logs, by name or ARN, recorded with each "
            "segment: CloudWatch shows their lines with a trace.",
            _log_groups,
            "XTRACE_LOG_GROUPS",
        ),
        Setting(
            "stream_sql",
            True,
            "The text of SQL statements: 'masked', 'raw' or 'off'. True: as `redact` says, which is "
            "masked; False: off.",
            _sql_text,
            "XTRACE_STREAM_SQL",
        ),
        Setting(
            "redact",
            True,
            "False: URL queries and, unless stream_sql says otherwise, SQL literals are recorded as "
            "they are. For development.",
            _flag,
            "XTRACE_REDACT",
        ),
        Setting(
            "traceparent",
            False,
            "True: called services get a W3C traceparent beside X-Amzn-Trace-Id.",
            _flag,
            "XTRACE_TRACEPARENT",
        ),
        Setting(
            "link_messages",
            False,
            "True: the work on a message or job begins a trace of its own, with a link to its "
            "producer's, instead of going on with that.",
            _flag,
            "XTRACE_LINK_MESSAGES",
        ),
        Setting(
            "trace_header_targets",
            ("*",),
            "Hosts that get the trace header when they are called: patterns such as "
            "'*.example.com' or '10.*'. (): none gets it.",
            _patterns,
            "XTRACE_TRACE_HEADER_TARGETS",
        ),
        Setting(
            "excluded_urls",
            (),
            "Calls that aren't recorded and get no trace header: patterns of a host ('10.0.0.7', "
            "'localhost:9200'), or of host and path ('*/health').",
            _patterns,
            "XTRACE_EXCLUDED_URLS",
        ),
        Setting(
            "peer_names",
            (),
            "What stands for a host in the names of calls, and so on the map, by patterns: "
            "{'10.0.0.7:8080': 'orders', '*.pay.internal': 'payments'} (in the environment: "
            "10.0.0.7:8080=orders,*.pay.internal=payments). The first that fits counts.",
            _peer_names,
            "XTRACE_PEER_NAMES",
        ),
    )
}


def check(given: Mapping[str, object], environment: bool = True) -> dict[str, Any]:
    """The values in force for the arguments of configure().

    environment: False leaves the environment variables out of it.
    Raises UnknownSetting for a name that no setting has, ConfigurationError for a bad value.
    """
    for name in given:
        if name not in SETTINGS:
            import difflib

            close = difflib.get_close_matches(name, SETTINGS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise UnknownSetting(
                f"configure() has no argument {name!r}.{hint} Known: {', '.join(SETTINGS)}."
            )
    return {name: SETTINGS[name].value(value, environment) for name, value in given.items()}
