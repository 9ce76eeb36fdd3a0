"""What programs have as an emitter, for xtrace to send by. No module of the official SDK's."""

from __future__ import annotations

from xtrace import faults
from xtrace.emitters import CustomEmitter, Emitter

from .models.entity import Entity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Handed(Emitter):
    """Hands entities to an emitter of the official SDK's kind: any object with send_entity().

    One of our own, unchanged, gets them as xtrace's emitters do.
    """

    keeps_entities = True

    def __init__(self, emitter: Any) -> None:
        super().__init__(f"{type(emitter).__module__}.{type(emitter).__qualname__}")
        self.emitter = emitter

    def send(self, batch: list[Any]) -> None:
        """Hand on what is on top of a batch, with all under it."""
        emitter = self.emitter
        root = batch[0]
        if not isinstance(root, Entity):
            CustomEmitter(emitter).send(batch)
            return
        try:
            emitter.send_entity(root)
        except Exception as error:
            self.ledger.drop("emitter failed", len(batch), recorded=len(batch))
            faults.report("emitter", f"{self.url}.send_entity failed; dropped", error, self.url)
        else:
            self.ledger.send(len(batch), 0, recorded=len(batch))
