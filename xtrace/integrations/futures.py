"""Jobs of concurrent.futures.ThreadPoolExecutor, and with it of asyncio's run_in_executor and of
s3transfer, belong to the entity that was current where they were submitted.

Executor.map calls submit. Pools of processes have a submit of their own, which stays as it is.
"""

from __future__ import annotations

from concurrent.futures.thread import ThreadPoolExecutor

from ._jobs import give

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap submit, of subclasses too."""
    patcher.wrap(ThreadPoolExecutor, "submit", give)
