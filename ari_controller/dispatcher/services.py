"""What every call task needs: the adapters, as the daemon wired them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ari_controller.asterisk.ami import AmiClient
from ari_controller.asterisk.ari import AriClient
from ari_controller.config.load import Settings
from ari_controller.dispatcher.notes import Notes
from ari_controller.metrics import Metrics
from ari_controller.recording.spool import Spool
from ari_controller.store.journal import Journal

# Channel variables that the shipped dialplan reads (dialplan/README.md).
DONE = "ARI_CONTROLLER_DONE"
RESULT = "ARI_CONTROLLER_RESULT"
MIXMONITOR_ID = "ARI_CONTROLLER_MIXMONITOR_ID"


@dataclass(frozen=True, slots=True)
class Services:
    """The adapters and clocks of one daemon.

    `settings` gives the configuration in force; a call keeps the policy it began with.
    `wall` is Unix seconds, for what is written down; `monotonic` is for deadlines, so that a
    stepped clock cannot shorten anybody's notice. `seal` says that a recording waits to be sealed.
    `spawn` starts a task in the daemon's TaskGroup.
    """

    ari: AriClient
    ami: AmiClient
    spool: Spool
    journal: Journal
    notes: Notes
    metrics: Metrics
    settings: Callable[[], Settings]
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    new_id: Callable[[], str]
    seal: Callable[[], None]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
