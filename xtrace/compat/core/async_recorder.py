"""aws_xray_sdk.core.async_recorder: the same for coroutines."""

from __future__ import annotations

from .models.segment import SegmentContextManager
from .models.subsegment import SubsegmentContextManager
from .recorder import AWSXRayRecorder, recorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AsyncSegmentContextManager(SegmentContextManager):
    """A segment, for `async with`."""

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        self.__exit__(exc_type, exc_val, exc_tb)


class AsyncSubsegmentContextManager(SubsegmentContextManager):
    """A subsegment, for `async with` and for coroutine functions."""

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        self.__exit__(exc_type, exc_val, exc_tb)

    async def _record_call(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return await self.recorder.record_subsegment_async(  # type: ignore[attr-defined]
            wrapped,
            instance,
            args,
            kwargs,
            name=self.name or wrapped.__name__,
            namespace=self.subsegment_kwargs.get("namespace", "local"),
            meta_processor=None,
        )


class AsyncAWSXRayRecorder(AWSXRayRecorder):
    """A recorder whose managers are for `async with`, too."""

    def capture_async(self, name: str | None = None) -> AsyncSubsegmentContextManager:
        """Decorator of coroutine functions, and a manager for `async with`."""
        return self.in_subsegment_async(name=name)

    def in_segment_async(
        self, name: str | None = None, **segment_kwargs: Any
    ) -> AsyncSegmentContextManager:
        """A segment, for `async with`."""
        return AsyncSegmentContextManager(self, name=name, **segment_kwargs)

    def in_subsegment_async(
        self, name: str | None = None, **subsegment_kwargs: Any
    ) -> AsyncSubsegmentContextManager:
        """A subsegment, for `async with`; a decorator."""
        return AsyncSubsegmentContextManager(self, name=name, **subsegment_kwargs)

    async def record_subsegment_async(
        self,
        wrapped: Any,
        instance: Any,
        args: Any,
        kwargs: Any,
        name: str,
        namespace: str,
        meta_processor: Any,
    ) -> Any:
        """Await a call in a subsegment. meta_processor: as of record_subsegment()."""
        with recorded(
            self, wrapped, instance, args, kwargs, name, namespace, meta_processor
        ) as call:
            call.return_value = await wrapped(*args, **kwargs)
        return call.return_value


AsyncAWSXRayRecorder._records_itself = False  # these are ours
AsyncAWSXRayRecorder._overridden = frozenset()
