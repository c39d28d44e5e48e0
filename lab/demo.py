"""`make demo`: real calls over SIP and RTP, then what was recorded, proven and counted."""

import asyncio
import json
import shutil
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ari_controller.core.numbers import normalise
from ari_controller.store import calls, recordings
from ari_controller.store.calls import CallRow
from ari_controller.store.engine import ReadOnlyStore
from ari_controller.store.recordings import RecordingRow
from lab.asterisk import AsteriskError
from lab.asterisk_tree import NoAsteriskError
from lab.phone import CallEndedError, Phone
from lab.site import Site, SitePorts, state_directory
from lab.story import AGENT_HZ, STORIES, Cast, Story, answer_as_agent
from lab.tones import level, wav_channels

SETTLE_SECONDS = 20.0
LOG_WIDTH = 130
SHOWN_METRICS = (
    "ari_controller_calls_ended_total",
    "ari_controller_consent_total",
    "ari_controller_recordings_total",
    "ari_controller_recorded_without_consent_total",
)


@dataclass(frozen=True)
class Told:
    """What the store holds of a story."""

    story: Story
    call: CallRow | None
    recording: RecordingRow | None

    @property
    def as_expected(self) -> bool:
        """Whether the call ended as it must, and a file is there exactly if it may be."""
        if self.call is None or self.call.outcome != self.story.outcome:
            return False
        sealed = self.recording is not None and self.recording.state == "sealed"
        return sealed == self.story.recorded


class Teller:
    """Prints what happens with the seconds since the start, on a terminal and in a log alike."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(f"{time.monotonic() - self._begun:5.1f} s  {text}", highlight=False)


async def demo(console: Console) -> int:
    """Run the stories; return 0 when each went as it must."""
    teller = Teller(console)
    teller.say("starting a private Asterisk and the daemon (the first time it is fetched: 94 MB)")
    site = Site(state_directory("demo"), SitePorts.from_environment())
    shutil.rmtree(site.directory, ignore_errors=True)
    async with site:
        teller.say(f"ready; {len(STORIES)} calls begin")
        async with (
            Phone(user="caller") as caller,
            Phone(port=site.ports.agent, user="agent", on_invite=answer_as_agent) as agent,
            Phone(port=site.ports.trunk, user="trunk") as trunk,
        ):
            cast = Cast(site, caller, agent, trunk)
            await asyncio.gather(*(_tell(cast, story, teller) for story in STORIES))
        teller.say("all calls are over; waiting for the recordings to be sealed")
        told = await _settled(site)
        await _report(console, site, told)
    return 0 if all(each.as_expected for each in told) else 1


async def _tell(cast: Cast, story: Story, teller: Teller) -> None:
    try:
        await story.script(cast, story.number, story.tone_hz)
    except (TimeoutError, CallEndedError) as error:
        teller.say(f"[red]{story.title}: {error}[/red]")
    else:
        teller.say(f"over: {story.title}")


async def _settled(site: Site) -> list[Told]:
    """Wait until each story's call is closed in the store and its recording sealed."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_SECONDS
    while True:
        told = look(site, STORIES)
        if all(each.as_expected for each in told) or loop.time() > deadline:
            return told
        await asyncio.sleep(0.2)


def look(site: Site, stories: tuple[Story, ...]) -> list[Told]:
    """Read what the store holds of each story."""
    store = ReadOnlyStore.open(site.directory / "store.db")
    rows = {row.number: row for row in store.read(lambda c: calls.recent(c, 1000))}
    told = []
    for story in stories:
        call = rows.get(normalise(story.number))
        recording = None
        if call is not None:
            found = store.read(partial(recordings.of_call, call_id=call.call_id))
            recording = found[0] if found else None
        told.append(Told(story, call, recording))
    return told


async def _report(console: Console, site: Site, told: list[Told]) -> None:
    table = Table(title="What happened")
    for column in ("call", "outcome", "why", "recording", "left: customer", "right: agent", ""):
        table.add_column(column)
    files: list[Path] = []
    for each in told:
        outcome = each.call.outcome if each.call else "nothing in the store"
        reason = each.call.reason if each.call else ""
        left = right = state = ""
        if each.recording is not None and each.recording.archive_path:
            path = site.archive / each.recording.archive_path
            files.append(path)
            left, right = _tones(path, each.story.tone_hz)
            state = f"{each.recording.duration_seconds:.1f} s, {each.recording.stop_reason}"
        verdict = "as it must" if each.as_expected else "[red]NOT as it must[/red]"
        table.add_row(each.story.title, outcome, reason, state or "none", left, right, verdict)
    console.print(table)
    console.rule("ledger")
    console.print((await site.command("ledger", "verify")).strip(), highlight=False)
    console.rule("metrics")
    _, metrics = await site.get("/metrics")
    shown = [line for line in metrics.splitlines() if line.startswith(SHOWN_METRICS)]
    console.print("\n".join(line for line in shown if not line.endswith(" 0.0")), highlight=False)
    console.rule("files to listen to")
    for path in files:
        sidecar = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        consent = sidecar["facts"]["consent"]
        console.print(f"{path}", highlight=False, soft_wrap=True)
        console.print(f"  consent: {consent['mode']}, {consent['evidence']}", highlight=False)


def _tones(path: Path, customer_hz: int) -> tuple[str, str]:
    wav = wav_channels(path)
    names = {customer_hz: f"{customer_hz} Hz", AGENT_HZ: f"{AGENT_HZ} Hz"}
    heard = []
    for samples in wav.channels:
        heard.append(" + ".join(n for hz, n in names.items() if level(samples, hz) > 100))
    return heard[0] or "silence", heard[1] or "silence"


def main() -> int:
    """Run the demo; print what is in the way instead of a traceback."""
    console = Console()
    if not console.is_terminal:
        console.width = LOG_WIDTH
    try:
        return asyncio.run(demo(console))
    except (NoAsteriskError, AsteriskError, OSError, ValueError) as error:
        console.print(f"demo: {error}", style="red", highlight=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
