import asyncio
import gc
import inspect
import logging
from collections.abc import Iterator

import pytest


class UnseenErrors(logging.Handler):
    """Collects what asyncio reports when nobody awaited an exception."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # what the imports made is out of the way of the collections below


@pytest.fixture(autouse=True)
def no_exception_reaches_the_event_loop_unseen(request: pytest.FixtureRequest) -> Iterator[None]:
    unseen = UnseenErrors()
    logger = logging.getLogger(asyncio.__name__)
    logger.addHandler(unseen)
    yield
    if inspect.iscoroutinefunction(request.function):
        gc.collect()  # a task reports its lost exception when it is collected
    logger.removeHandler(unseen)
    if unseen.messages:
        pytest.fail("an exception reached the event loop unseen:\n" + "\n".join(unseen.messages))
