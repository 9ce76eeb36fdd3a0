"""aws_xray_sdk.ext.pymongo.patch: commands to MongoDB."""

from __future__ import annotations

from aws_xray_sdk.core import xray_recorder
from pymongo import monitoring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FLAG = "_xray_enabled"


class XrayCommandListener(monitoring.CommandListener):
    """Records each command. record_full_documents: also what is sent and answered.

    Its commands are events with a start and an end, which may be of several threads at once.
    """

    def __init__(self, record_full_documents: bool) -> None:
        super().__init__()
        self.record_full_documents = record_full_documents

    def started(self, event: Any) -> None:
        """Begin a subsegment."""
        host, port = event.connection_id
        host_and_port = f"{host}:{port}"
        subsegment = xray_recorder.begin_subsegment(
            f"{event.database_name}@{host_and_port}", "remote"
        )
        if not subsegment:
            return
        subsegment.put_annotation("mongodb_command_name", event.command_name)
        subsegment.put_annotation("mongodb_connection_id", host_and_port)
        subsegment.put_annotation("mongodb_database_name", event.database_name)
        subsegment.put_annotation("mongodb_operation_id", event.operation_id)
        subsegment.put_annotation("mongodb_request_id", event.request_id)
        if self.record_full_documents:
            subsegment.put_metadata("mongodb_command", event.command)

    def succeeded(self, event: Any) -> None:
        """End it."""
        subsegment = xray_recorder.current_subsegment()
        if not subsegment:
            return
        subsegment.put_annotation("mongodb_duration_micros", event.duration_micros)
        if self.record_full_documents:
            subsegment.put_metadata("mongodb_reply", event.reply)
        xray_recorder.end_subsegment()

    def failed(self, event: Any) -> None:
        """End it, with what went wrong."""
        subsegment = xray_recorder.current_subsegment()
        if not subsegment:
            return
        subsegment.add_fault_flag()
        subsegment.put_annotation("mongodb_duration_micros", event.duration_micros)
        subsegment.put_metadata("failure", event.failure)
        xray_recorder.end_subsegment()


def patch(record_full_documents: bool = False) -> None:
    """Trace the clients that are made from now on; there is no way back."""
    # The listener is registered for good, so it is there at most once in the process.
    if not getattr(monitoring, _FLAG, False):
        setattr(monitoring, _FLAG, True)
        monitoring.register(XrayCommandListener(record_full_documents))
