"""What the process runs on, for the `aws` block and the `origin` of its segments.

Environment variables and files are read when a program asks for it, by configure(plugins=...);
the network is asked in the background, each answer waited for at most 300 ms, and never at import.
An answer is kept for the life of the process.

On Lambda nothing is looked for: the segment that would say it is Lambda's own.
"""

from __future__ import annotations

from importlib import import_module

from .. import faults, forks
from ..errors import ConfigurationError
from . import lambda_

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    # Where the process runs: key in the `aws` block, what is known of it, and the origin.
    Place: TypeAlias = tuple[str, dict[str, Any], str]

    # What a module's detect() gives: what is known at once, and what to call for more.
    Findings: TypeAlias = tuple[Place | None, Callable[[], Place | None] | None]

PLUGINS = {
    "EC2Plugin": "ec2",
    "ECSPlugin": "ecs",
    "EKSPlugin": "eks",
    "ElasticBeanstalkPlugin": "beanstalk",
}
"""Names that configure(plugins=...) takes, in any case, and the module behind each.

The origin is that of the last in this list that applies: a container on EC2 is a container.
"""


def check(names: Iterable[str]) -> list[str]:
    """The modules behind plugin names, in the order of PLUGINS. Raises ConfigurationError."""
    if isinstance(names, str):
        names = [names]
    known = {name.lower().replace("_", ""): module for name, module in PLUGINS.items()}
    asked = set()
    for name in names:
        module = known.get(str(name).lower().replace("_", ""))
        if module is None:
            raise ConfigurationError(
                f"plugins has {name!r}. Known: {', '.join(PLUGINS)}; write "
                "plugins=('EC2Plugin', 'ECSPlugin')."
            )
        asked.add(module)
    return [module for module in PLUGINS.values() if module in asked]


def detect(modules: list[str], found: Callable[[dict[str, Any], str | None], None]) -> None:
    """Look where the process runs, now as far as that takes no network, then in the background.

    found: is called with the `aws` block and the origin, again whenever more is known.
    """
    places: dict[str, Place] = {}

    def tell() -> None:
        in_order = [places[each] for each in modules if each in places]
        found({key: block for key, block, _ in in_order}, in_order[-1][2] if in_order else None)

    questions = []
    for module in [] if lambda_.is_here() else modules:
        place, question = import_module(f".{module}", __name__).detect()
        place = _answers.get((module, question), place)
        if place is not None:
            places[module] = place
        if question is not None and (module, question) not in _answers:
            questions.append((module, question))
    tell()
    if questions:

        def ask() -> None:
            # The last is what decides on the origin.
            for module, question in reversed(questions):
                with faults.absorb("environment"):
                    place = question()
                    if place is not None:
                        places[module] = _answers[module, question] = place
                        tell()

        forks.thread("xtrace-environment", ask, needs=[f"{__name__}._fetch"]).start()


_answers: dict[tuple[str, Callable[[], Place | None] | None], Place] = {}
"""What the network has told this process."""
