"""A site whose lines and processes can be held up; what every call through a fault must show."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

from lab.phone import Call, OutgoingCall
from lab.proxy import Proxy
from lab.site import Site
from lab.story import AGENT_HZ, DID
from lab.tones import AUDIBLE, await_tone, level
from tests.e2e.fast import NOTICE_HZ
from tests.e2e.stage import Stage, eventually

CALLER_HZ = 700
RECORDED = [
    "call_entered",
    "notice_played",
    "consent_given",
    "recording_started",
    "recording_stopped",
    "call_ended",
    "recording_sealed",
]


@dataclass
class Lines:
    """A site, and the two lines from its daemon to its Asterisk."""

    site: Site
    ari: Proxy
    ami: Proxy

    def stop(self, *processes: asyncio.subprocess.Process | None) -> None:
        """Hold processes up, as a machine that swaps would."""
        for process in processes:
            assert process is not None
            process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let everything go on that was held up."""
        self.ari.resume()
        self.ami.resume()
        for process in (self.site.daemon, self.site.rescue):
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGCONT)


async def ready(site: Site, wanted: bool = True) -> None:
    """Wait until the daemon has all it needs for recording, or says that it has not."""
    async with asyncio.timeout(20.0):
        while True:
            status, _ = await site.get("/readyz")
            if (status == 200) is wanted:
                return
            await asyncio.sleep(0.05)


def dead_air(call: Call) -> float:
    """Return the seconds between the last of the notice and the first of the agent."""
    frames = call.heard.frames
    notice = [frame.at for frame in frames if level(frame.samples, NOTICE_HZ) > AUDIBLE]
    agent = [frame.at for frame in frames if level(frame.samples, AGENT_HZ) > AUDIBLE]
    return agent[0] - notice[-1]


async def in_the_notice(stage: Stage, number: str, did: str = DID) -> OutgoingCall:
    call = await stage.dial(number, did, CALLER_HZ)
    await await_tone(call, NOTICE_HZ)
    return call


async def recording(stage: Stage, number: str) -> OutgoingCall:
    call = await stage.dial(number, tone_hz=CALLER_HZ)
    await stage.fact(number, "recording_started")
    await await_tone(call, AGENT_HZ)
    return call


async def is_unrecorded(stage: Stage, number: str, call: OutgoingCall) -> None:
    """Make sure that a call which reached the agent leaves no file and no timer behind."""
    assert float(await stage.variable(number, "TIMEOUT(absolute)")) == 0
    assert "0x" not in await mixmonitors(stage, number)
    await call.hang_up()
    await stage.ended(number)
    row = stage.recording_of(number)
    assert row is None or row.state == "failed"
    await eventually(lambda: stage.spool_files() == [])


async def mixmonitors(stage: Stage, number: str) -> str:
    """Return what Asterisk says of recordings on the customer's channel."""
    call = stage.call_of(number)
    assert call is not None
    asterisk = stage.site.asterisk
    name = next(one.name for one in await asterisk.channels() if one.uniqueid == call.channel_id)
    return await asterisk.cli(f"mixmonitor list {name}")


async def until(stage: Stage, number: str, variable: str, holds: Callable[[str], bool]) -> None:
    """Wait until a variable of the customer's channel is as it should be."""
    async with asyncio.timeout(10.0):
        while True:
            if holds(await stage.variable(number, variable)):
                return
            await asyncio.sleep(0.05)
