"""The life of one call: take an event, step, carry the commands out, log one line."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from ari_controller.core.call import Call, Phase
from ari_controller.core.consent import step
from ari_controller.core.events import DeadlinePassed, Event
from ari_controller.dispatcher.actions import Actions

log = structlog.get_logger(__name__)


OpenBooks = Callable[[], Awaitable[tuple[Call, Event]]]


class CallTask:
    """One inbox and one timer around a `core.consent.Call`.

    `open_books` finds the policy and gives the first event; until it has, what happens to the
    channel waits in the inbox.
    """

    def __init__(self, call: Call, actions: Actions, open_books: OpenBooks | None = None) -> None:
        self.call = call
        self._actions = actions
        self._open_books = open_books
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()

    def put(self, event: Event) -> None:
        """Queue an event; return at once."""
        self._inbox.put_nowait(event)

    async def run(self) -> None:
        """Step through events until the call has ended."""
        metrics = self._actions.services.metrics
        metrics.calls.labels(phase=self.call.phase).inc()
        try:
            if self._open_books is not None:
                self.call, first = await self._open_books()
                await self._apply(first)
            while self.call.phase is not Phase.ENDED:
                await self._apply(await self._next())
        finally:
            metrics.calls.labels(phase=self.call.phase).dec()

    async def _next(self) -> Event:
        deadline = self.call.deadline
        if deadline is None:
            return await self._inbox.get()
        patience = max(0.0, deadline - self._actions.services.monotonic())
        try:
            async with asyncio.timeout(patience):
                return await self._inbox.get()
        except TimeoutError:
            return DeadlinePassed()

    async def _apply(self, event: Event) -> None:
        events: deque[Event] = deque([event])
        while events:
            event = events.popleft()
            before = self.call
            self.call, commands = step(before, event, self._actions.services.monotonic())
            self._observe(before, event, [type(command).__name__ for command in commands])
            for command in commands:
                result = await self._actions.carry_out(self.call, command)
                if result is not None:
                    events.append(result.event)
                    if result.failed:
                        break

    def _observe(self, before: Call, event: Event, commands: list[str]) -> None:
        metrics = self._actions.services.metrics
        kind = type(event).__name__
        if before == self.call and not commands:
            metrics.events_ignored_total.labels(phase=before.phase, event=kind).inc()
        if before.phase is not self.call.phase:
            metrics.calls.labels(phase=before.phase).dec()
            metrics.calls.labels(phase=self.call.phase).inc()
            self._note_phase(self.call)
        log.info(
            "step",
            call_id=self.call.facts.call_id,
            happened=kind,
            phase_before=before.phase,
            phase=self.call.phase,
            commands=commands,
            reason=self.call.reason,
        )

    def _note_phase(self, call: Call) -> None:
        services = self._actions.services
        if call.phase is not Phase.ENDED:  # the end is noted with its outcome
            services.notes.add(
                lambda: services.journal.call_phase(call.facts.call_id, call.phase.value)
            )
