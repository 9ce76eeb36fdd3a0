"""Jobs of multiprocessing.pool.ThreadPool, and with it of joblib's threads, belong to the entity that
was current where they were given. Pools of processes stay as they are.
"""

from __future__ import annotations

from multiprocessing.pool import ThreadPool

from ._jobs import give

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._wrap import Patcher

# apply() calls apply_async().
_METHODS = (
    "apply_async",
    "imap",
    "imap_unordered",
    "map",
    "map_async",
    "starmap",
    "starmap_async",
)


def patch(patcher: Patcher) -> None:
    """Wrap what takes jobs, of ThreadPool alone: Pool has the same methods."""
    for name in _METHODS:
        patcher.wrap(ThreadPool, name, give)
