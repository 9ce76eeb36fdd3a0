"""The pytest plugin: a fixture `traces` with what the test recorded. Loads xtrace when it is used."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .testing import Traces


@pytest.fixture
def traces() -> Iterator[Traces]:
    """What the program under test records during this test: xtrace.testing.Traces.

    Every request is recorded, nothing is sent anywhere, and no segment is open at the start.
    """
    from .default import recorder
    from .testing import recording

    with recording() as found, recorder.attach(None):
        yield found
        recorder.flush()
