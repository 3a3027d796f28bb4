"""Work that goes on beside other work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from connectors.registry import connector
from jobs.access import Access
from jobs.drafts import environment_digest
from jobs.stages import written_schemas


class Beside:
    """Something that a thread does once, from the first `begin` on; leaving the block waits for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, "beside")
        self._going: Future[None] | None = None

    def begin(self) -> None:
        """Begins the work, unless it has begun."""
        self._begun()

    def finish(self) -> None:
        """Waits for the work. Raises what it met."""
        self._begun().result()

    def _begun(self) -> Future[None]:
        if self._going is None:
            self._going = self._thread.submit(self._work)
        return self._going

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()


def needed_at_commit(access: Access) -> Beside:
    """Makes the zone's Delta tables and finds out what is installed: begun when the first bundles are on their way."""
    schemas = written_schemas(connector(access.work.format), access.work.policy)

    def work() -> None:
        access.lake.create_tables(access.zone, schemas)
        environment_digest()

    return Beside(work)
