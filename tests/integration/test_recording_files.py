"""The wav files of a real MixMonitor: open, closed, empty, left by a killed Asterisk; sealed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ari_controller.core.model import Segment, StoppedRecording
from ari_controller.recording import verify
from ari_controller.recording.archive import LocalArchive
from ari_controller.recording.job import SealJob
from ari_controller.recording.seal import seal
from ari_controller.recording.sidecar import Sidecar, sealed
from ari_controller.recording.spool import Spool
from ari_controller.recording.wav import Layout, layout
from lab.asterisk import PrivateAsterisk
from lab.asterisk_config import Ports
from lab.ports import free_port
from lab.tones import hears, tone, wav_channels, write_wav

CUSTOMER_HZ, AGENT_HZ = 1000, 1300
HEADER_BYTES, BLOCK_BYTES = 44, 32_768
WITHIN_SECONDS = 10.0

# The near side plays a file: a channel that makes a tone itself (Playtones) reads only silence.
EXTENSIONS = f"""\
[lab]
exten => customer,1,Answer()
 same => n,Playtones({CUSTOMER_HZ})
 same => n,Wait(120)
exten => agent,1,Playback(tone,noanswer)
exten => silent,1,Answer()
 same => n,Wait(120)
"""


class Mixer:
    """Runs MixMonitor on a channel that hears the customer's tone and is sent the agent's."""

    def __init__(self, asterisk: PrivateAsterisk, folder: Path) -> None:
        folder.mkdir()
        self.asterisk = asterisk
        self.spool = Spool(folder)
        self.channel = ""

    async def call(self, far: str, near: str) -> None:
        await self.asterisk.cli(f"channel originate Local/{far}@lab extension {near}@lab")
        async with asyncio.timeout(WITHIN_SECONDS):
            while not self.channel:
                here = [c.name for c in await self.asterisk.channels() if c.exten == near]
                self.channel = next((name for name in here if name.endswith(";1")), "")

    async def start(self, number: int = 1) -> Segment:
        rx, tx = self.spool.names("r1", number)
        paths = f"r({self.spool.absolute(rx)})t({self.spool.absolute(tx)})"
        await self.asterisk.cli(f"mixmonitor start {self.channel} ,{paths}")
        segment = Segment(number, rx, tx, started_at=1_795_474_304.0 + 10 * number)
        assert await self.spool.seen(segment)
        return segment

    async def stop(self) -> None:
        await self.asterisk.cli(f"mixmonitor stop {self.channel}")

    def headers(self, segment: Segment) -> list[Layout]:
        files = [(self.spool.path / name).read_bytes() for name in (segment.rx, segment.tx)]
        return [layout(data, len(data)) for data in files]

    def sizes(self, segment: Segment) -> list[int]:
        return [(self.spool.path / name).stat().st_size for name in (segment.rx, segment.tx)]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def seal(self, target: Path, *segments: Segment) -> Sidecar:
        start, last = segments[0].started_at, segments[-1].started_at
        recording = StoppedRecording(
            "r1", "c1", {}, segments, start, last + 1, "hangup", "2027-05-23T22:51:44Z"
        )
        return seal(SealJob(self.spool, recording, target, {"ari-controller": "0.1.0"}))


@pytest.fixture
async def mixer(asterisk_root: Path, tmp_path: Path) -> AsyncIterator[Mixer]:
    ports = Ports(sip=free_port(), ari=free_port(), ami=free_port())
    files = {"extensions.conf": EXTENSIONS}
    asterisk = PrivateAsterisk(asterisk_root, tmp_path / "asterisk", ports=ports, files=files)
    asterisk.sounds.mkdir(parents=True)
    write_wav(asterisk.sounds / "tone.wav", tone(AGENT_HZ, 30.0))
    await asterisk.start()
    try:
        yield Mixer(asterisk, tmp_path / "spool")
    finally:
        await asterisk.stop()


async def test_a_file_is_open_until_asterisk_closes_it_and_then_seals_with_both_sides(
    mixer: Mixer, tmp_path: Path
) -> None:
    await mixer.call("customer", "agent")
    segment = await mixer.start()
    await mixer.until(lambda: min(mixer.sizes(segment)) > BLOCK_BYTES)
    assert [found.closed for found in mixer.headers(segment)] == [False, False]
    assert not await mixer.spool.closed(segment, timeout=0)
    await mixer.stop()
    assert await mixer.spool.closed(segment, timeout=1)

    archive = LocalArchive(tmp_path / "archive")
    archive.prepare()
    document = mixer.seal(archive.temporary("r1"), segment)
    path = "2026/11/23/r1.flac"
    await archive.store(path, document)
    assert verify.problems(archive, sealed(document, path)) == []
    assert document.marks == ()
    left, right = wav_channels(archive.audio(path)).channels
    assert hears(left, CUSTOMER_HZ, for_seconds=1.5)
    assert not hears(left, AGENT_HZ)
    assert hears(right, AGENT_HZ, for_seconds=1.5)
    assert not hears(right, CUSTOMER_HZ)


async def test_an_empty_file_is_44_bytes_open_or_closed_and_the_riff_size_tells_which(
    mixer: Mixer, tmp_path: Path
) -> None:
    await mixer.call("silent", "silent")
    segment = await mixer.start()
    assert mixer.sizes(segment) == [HEADER_BYTES, HEADER_BYTES]
    assert not await mixer.spool.closed(segment, timeout=0)
    await mixer.stop()
    assert mixer.sizes(segment) == [HEADER_BYTES, HEADER_BYTES]
    assert await mixer.spool.closed(segment, timeout=1)
    assert mixer.seal(tmp_path / "r1.flac", segment).marks == ("empty",)


async def test_what_a_killed_asterisk_leaves_is_sealed_up_to_the_last_block_it_wrote(
    mixer: Mixer, tmp_path: Path
) -> None:
    await mixer.call("customer", "agent")
    first = await mixer.start(1)
    await mixer.stop()
    assert await mixer.spool.closed(first, timeout=1)
    second = await mixer.start(2)
    await mixer.until(lambda: min(mixer.sizes(second)) > BLOCK_BYTES)
    await mixer.asterisk.kill()
    assert [(size - HEADER_BYTES) % BLOCK_BYTES for size in mixer.sizes(second)] == [0, 0]
    assert not await mixer.spool.closed(second, timeout=0)

    document = mixer.seal(tmp_path / "r1.flac", first, second)
    assert "repaired" in document.marks
    crashed = document.segments[1]
    assert crashed.first_frame == 10 * 8000
    assert crashed.customer.condition == crashed.agent.condition == "repaired"
    left, right = wav_channels(tmp_path / "r1.flac").channels
    assert hears(left[crashed.first_frame :], CUSTOMER_HZ, for_seconds=1.9)
    assert hears(right[crashed.first_frame :], AGENT_HZ, for_seconds=1.9)
