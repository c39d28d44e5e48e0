"""How long consent and withdrawal take to act, and how long a call is silent when the daemon fails.

usage: python -m bench.latency [REPETITIONS]

Real calls on a private Asterisk with the shipped dialplan and config, prompts of a second.
"""

import asyncio
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.spool import SpoolWatch
from lab.media import PACKET_SECONDS
from lab.phone import Call, IncomingCall, Phone
from lab.site import Site
from lab.story import AGENT_HZ, Cast, inbound, outbound
from lab.tones import AUDIBLE, await_tone, level
from tests.e2e.quick import (
    NOTICE_HZ,
    NOTICE_SECONDS,
    QUESTION_HZ,
    QUESTION_SECONDS,
    asked,
    quick_site,
)
from tests.e2e.stage import new_number

REPETITIONS = 10
RING_SECONDS = 0.3
# The phone waits one packet behind a key before it returns.
KEY_PAUSE_SECONDS = PACKET_SECONDS
CUSTOMER_HZ = 1700

KEY = "end of the agreeing key until the files are there"
GRACE = "end of the grace time until the files are there"
WITHDRAWAL = "end of *9 until the files are closed"
KILLED_NOTICE = "dead air, daemon killed at the end of the notice"
KILLED_PROMPT = "dead air, daemon killed at the end of the question"
HUNG_NOTICE = "dead air, daemon hung at the end of the notice"
HUNG_PROMPT = "dead air, daemon hung at the end of the question"
TARGETS = {
    KEY: None,
    GRACE: None,
    WITHDRAWAL: 0.1,
    KILLED_NOTICE: 1.0,
    KILLED_PROMPT: 1.0,
    HUNG_NOTICE: None,
    HUNG_PROMPT: 3.0,
}
Fail = Callable[[Site], Awaitable[None]]
Times = defaultdict[str, list[float]]


async def bench(console: Console, repetitions: int) -> None:
    """Measure everything `repetitions` times and print it."""
    times: Times = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="ari-controller-bench-") as directory:
        async with quick_site(Path(directory) / "site") as site, phones(site) as cast:
            with console.status("measuring") as status:
                for number in range(1, repetitions + 1):
                    status.update(f"round {number} of {repetitions}: key and withdrawal")
                    await agree_and_withdraw(cast, times)
                    status.update(f"round {number} of {repetitions}: grace time")
                    await stay(cast, times)
                    for fail, notice, prompt in (
                        (Site.kill_daemon, KILLED_NOTICE, KILLED_PROMPT),
                        (hang, HUNG_NOTICE, HUNG_PROMPT),
                    ):
                        status.update(f"round {number} of {repetitions}: {notice}")
                        await fail_in_notice(cast, times, fail, notice)
                        status.update(f"round {number} of {repetitions}: {prompt}")
                        await fail_in_prompt(cast, times, fail, prompt)
    report(console, times)


async def hang(site: Site) -> None:
    """Hold the daemon up where it is."""
    site.hang_daemon()


@asynccontextmanager
async def phones(site: Site) -> AsyncIterator[Cast]:
    """Open the phones; the agent rings for RING_SECONDS."""

    async def answer(call: IncomingCall) -> None:
        await call.ring()
        await asyncio.sleep(RING_SECONDS)
        await call.answer(AGENT_HZ)

    async with (
        Phone(user="caller") as caller,
        Phone(port=site.ports.agent, user="agent", on_invite=answer) as agent,
        Phone(port=site.ports.trunk, user="trunk") as trunk,
    ):
        yield Cast(site, caller, agent, trunk)


async def agree_and_withdraw(cast: Cast, times: Times) -> None:
    """Time the two keys of an outbound call."""
    spool, loop = SpoolWatch(cast.site.spool), asyncio.get_running_loop()
    agent, customer = await outbound(cast, new_number(), CUSTOMER_HZ)
    await asked(customer)
    files = asyncio.ensure_future(spool.opened())
    await customer.dtmf("1", pause_seconds=KEY_PAUSE_SECONDS)
    pressed = loop.time() - KEY_PAUSE_SECONDS
    times[KEY].append(await files - pressed)
    await asyncio.gather(await_tone(agent, CUSTOMER_HZ), await_tone(customer, AGENT_HZ))
    closed = asyncio.ensure_future(spool.closed())
    await customer.dtmf("*9", pause_seconds=KEY_PAUSE_SECONDS)
    pressed = loop.time() - KEY_PAUSE_SECONDS
    times[WITHDRAWAL].append(await closed - pressed)
    await customer.hang_up()
    await agent.ended()


async def stay(cast: Cast, times: Times) -> None:
    """Time what follows the grace time, whose end the daemon's log tells."""
    spool = SpoolWatch(cast.site.spool)
    caller = await inbound(cast, new_number(), CUSTOMER_HZ)
    opened = await spool.opened()
    over = grace_over(cast.site.log) + asyncio.get_running_loop().time() - wall()
    times[GRACE].append(opened - over)
    await await_tone(caller, AGENT_HZ)
    await caller.hang_up()


def grace_over(log: Path) -> float:
    """Return when the latest grace time was over, in Unix seconds."""
    steps = map(json.loads, reversed(log.read_text(encoding="utf-8").splitlines()))
    step = next(step for step in steps if step.get("phase_before") == "grace")
    return datetime.fromisoformat(step["timestamp"]).timestamp()


def wall() -> float:
    """Return the Unix time."""
    return datetime.now().astimezone().timestamp()


async def fail_in_notice(cast: Cast, times: Times, fail: Fail, name: str) -> None:
    """Fail where the caller hears nothing any more, and wait until the call goes on."""
    caller = await inbound(cast, new_number(), CUSTOMER_HZ)
    await heard_whole(caller, NOTICE_HZ, NOTICE_SECONDS)
    await fail(cast.site)
    failed = asyncio.get_running_loop().time()
    await await_tone(caller, AGENT_HZ, 15.0)
    times[name].append(dead_air(caller, failed, NOTICE_HZ) - RING_SECONDS)
    await cast.site.revive_daemon()
    await caller.hang_up()


async def fail_in_prompt(cast: Cast, times: Times, fail: Fail, name: str) -> None:
    """Fail where an answer is waited for, in silence, and wait until the call goes on."""
    agent, customer = await outbound(cast, new_number(), CUSTOMER_HZ)
    await heard_whole(customer, QUESTION_HZ, QUESTION_SECONDS)
    await fail(cast.site)
    failed = asyncio.get_running_loop().time()
    await await_tone(customer, AGENT_HZ, 15.0)
    times[name].append(dead_air(customer, failed, QUESTION_HZ))
    await cast.site.revive_daemon()
    await customer.hang_up()
    await agent.ended()


async def heard_whole(call: Call, hz: int, seconds: float) -> None:
    """Wait until a call has heard as much of a tone as is played."""
    await await_tone(call, hz, 10.0)
    while len(loud(call, hz)) < round(seconds / PACKET_SECONDS) - 1:  # noqa: ASYNC110
        await asyncio.sleep(PACKET_SECONDS / 2)


def dead_air(call: Call, failed: float, prompt_hz: int) -> float:
    """Return the seconds from the failure, or the end of the prompt if later, to the agent."""
    return loud(call, AGENT_HZ)[0] - max(failed, loud(call, prompt_hz)[-1])


def loud(call: Call, hz: int) -> list[float]:
    """Return when packets came that hold a tone."""
    return [frame.at for frame in call.heard if level(frame.samples, hz) > AUDIBLE]


def report(console: Console, times: Times) -> None:
    """Print medians and the worst, and how much of its target the worst takes."""
    table = Table("milliseconds", "n", "median", "p90", "worst", "target", "worst / target")
    for name, target in TARGETS.items():
        seconds = sorted(times[name])
        p90 = seconds[min(len(seconds) - 1, round(0.9 * len(seconds)) - 1)]
        figures = (statistics.median(seconds), p90, seconds[-1])
        of_target = ("", "") if target is None else (f"{target * 1000:.0f}", "")
        if target is not None:
            of_target = (of_target[0], f"{seconds[-1] / target:.2f}")
        table.add_row(
            name, str(len(seconds)), *(f"{each * 1000:.1f}" for each in figures), *of_target
        )
    console.print(table)


def main() -> int:
    """Run it."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS
    asyncio.run(bench(Console(), repetitions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
