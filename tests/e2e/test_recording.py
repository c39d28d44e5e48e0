"""What is kept of a recorded call: sound file, sidecar, tags, store, ledger, and their proofs."""

import asyncio
import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
import soundfile

from ari_controller.store.recordings import RecordingRow
from lab.site import REPOSITORY, Site
from lab.story import talk
from lab.tones import await_tone
from tests.e2e.conftest import phones
from tests.e2e.fast import NOTICE_HZ, WAITING
from tests.e2e.stage import Stage, eventually, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")
BUCHAREST = ZoneInfo("Europe/Bucharest")


@dataclass(frozen=True)
class Archived:
    """One recorded call, over and sealed."""

    number: str
    recording: RecordingRow
    sidecar: dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def archived(shared_fast_site: Site) -> Archived:
    number = new_number()
    async with phones(shared_fast_site) as stage:
        await talk(await stage.dial(number), 0.5)
        await stage.ended(number)
        recording = await stage.sealed(number)
        return Archived(number, recording, stage.sidecar_of(recording))


async def test_the_sidecar_says_who_was_told_what_and_why_it_is_kept(
    fast_stage: Stage, archived: Archived
) -> None:
    sidecar, facts = archived.sidecar, archived.sidecar["facts"]
    given = next(e for e in fast_stage.entries_of(archived.number) if e.fact == "consent_given")
    notice = fast_stage.site.directory / "tones/notice.wav"
    assert facts["direction"] == "inbound"
    assert facts["parties"][0] == {"role": "customer", "number": masked(archived.number)}
    assert facts["policy"]["name"] == "inbound"
    assert (facts["notice"]["id"], facts["notice"]["version"]) == ("inbound", "1")
    assert facts["notice"]["information_sha256"] == sha256(notice)
    assert facts["consent"]["mode"] == "implied"
    assert facts["consent"]["evidence"] == "notice played in full, call continued"
    assert (facts["consent"]["ledger_seq"], facts["consent"]["ledger_hash"]) == (
        given.seq,
        given.hash,
    )
    assert facts["legal_basis"] == "consent"
    assert len(facts["purposes"]) == 6
    assert facts["data_controller"]["name"] == "SMART ECO PLUS SRL"
    assert facts["data_controller"]["dpo"]["email"] == "gdpr@smartecoplus.ro"
    assert (sidecar["stop_reason"], sidecar["marks"]) == ("hang_up", [])
    assert sidecar["started_at"] < sidecar["stopped_at"]
    assert len(sidecar["segments"]) == 1
    assert sidecar["software"]["ari-controller"]


async def test_the_tags_inside_the_audio_say_what_the_sidecar_says(
    fast_stage: Stage, archived: Archived
) -> None:
    with soundfile.SoundFile(fast_stage.file_of(archived.recording)) as audio:
        assert (audio.format, audio.channels, audio.samplerate) == ("FLAC", 2, 8000)
        inside = json.loads(audio.comment)
        assert audio.copyright == "SMART ECO PLUS SRL"
    outside = {**archived.sidecar["audio"], "sha256": None, "size_bytes": None}
    assert inside == {**archived.sidecar, "audio": outside}


async def test_file_sidecar_store_and_ledger_agree_on_the_hash(
    fast_stage: Stage, archived: Archived
) -> None:
    file = fast_stage.file_of(archived.recording)
    sealed = next(e for e in fast_stage.entries_of(archived.number) if e.fact == "recording_sealed")
    said = {
        archived.sidecar["audio"]["sha256"],
        archived.recording.sha256,
        sealed.public["sha256"],
        sha256(file),
    }
    assert len(said) == 1
    size = file.stat().st_size
    assert size == archived.recording.size_bytes == archived.sidecar["audio"]["size_bytes"]


async def test_it_is_kept_for_six_calendar_months_from_the_start_of_the_call(
    fast_stage: Stage, archived: Archived
) -> None:
    call = fast_stage.call_of(archived.number)
    assert call is not None
    began = datetime.fromtimestamp(call.started_at, BUCHAREST)
    kept = datetime.fromisoformat(archived.recording.retention_until).astimezone(BUCHAREST)
    months = (kept.year - began.year) * 12 + kept.month - began.month
    assert months == 6
    assert kept.timetz().replace(tzinfo=None) == began.timetz().replace(tzinfo=None)
    assert archived.sidecar["retention_until"] == archived.recording.retention_until
    started = datetime.fromisoformat(archived.sidecar["facts"]["call_started_at"])
    assert started == began.astimezone(UTC)


async def test_only_the_archive_has_it_in_the_end(fast_stage: Stage, archived: Archived) -> None:
    names = {name for part in archived.recording.segments for name in (part.rx, part.tx)}
    await eventually(lambda: names.isdisjoint(fast_stage.spool_files()))
    file = fast_stage.file_of(archived.recording)
    day = datetime.fromtimestamp(archived.recording.started_at, UTC).strftime("%Y/%m/%d")
    assert str(file.parent.relative_to(fast_stage.site.archive)) == day
    assert file.stem == archived.recording.recording_id
    assert file.stat().st_mode & 0o007 == 0


async def test_no_number_is_in_names_sidecar_tags_logs_or_metrics(
    fast_stage: Stage, archived: Archived
) -> None:
    site, digits = fast_stage.site, archived.number[1:]
    names = [path.name for path in site.archive.rglob("*")] + fast_stage.spool_files()
    assert not [name for name in names if digits in name]
    file = fast_stage.file_of(archived.recording)
    _, metrics = await site.get("/metrics")
    texts = {
        "sidecar": file.with_suffix(".json").read_bytes(),
        "audio": file.read_bytes(),
        "daemon.log": site.log.read_bytes(),
        "rescue.log": site.log.with_name("rescue.log").read_bytes(),
        "metrics": metrics.encode(),
    }
    assert [name for name, text in texts.items() if digits.encode() in text] == []
    assert archived.recording.call_id.encode() in texts["daemon.log"]


async def test_audio_that_cannot_be_a_conversation_is_marked_and_counted(
    fast_stage: Stage,
) -> None:
    stage = fast_stage
    expected = {
        "customer_silent": ("customer_silent",),
        "agent_silent": ("agent_silent",),
        "silent": ("silent",),
        "short": ("agent_silent", "short"),
        "empty": ("empty",),
    }
    numbers = {name: new_number() for name in expected}

    async def counted() -> dict[str, float]:
        name = "ari_controller_recordings_marked_total"
        return {mark: await stage.metric(name, mark=mark) for mark in expected}

    async def customer_says_nothing() -> None:
        await talk(await stage.dial(numbers["customer_silent"], tone_hz=None), 0.3)

    async def nobody_is_there(name: str, tone_hz: int | None) -> None:
        call = await stage.dial(numbers[name], WAITING, tone_hz)
        await stage.fact(numbers[name], "recording_started")
        await asyncio.sleep(0.5)
        await call.hang_up()

    async def no_packets(name: str, seconds_of_voice: float) -> None:
        call = await stage.dial(numbers[name], WAITING)
        await await_tone(call, NOTICE_HZ)
        call.fall_silent()
        await stage.fact(numbers[name], "recording_started")
        await asyncio.sleep(2.0)
        call.fall_silent(False)
        await asyncio.sleep(seconds_of_voice)
        await call.hang_up()

    before = await counted()
    await asyncio.gather(
        customer_says_nothing(),
        nobody_is_there("agent_silent", 700),
        nobody_is_there("silent", None),
        no_packets("short", 0.5),
        no_packets("empty", 0.0),
    )
    marks = {name: (await stage.sealed(number)).marks for name, number in numbers.items()}
    assert marks == expected
    times = Counter(mark for marks in expected.values() for mark in marks)
    async with asyncio.timeout(5.0):
        while True:
            if await counted() == {name: before[name] + times[name] for name in expected}:
                return
            await asyncio.sleep(0.05)


async def test_the_proofs_of_recordings_and_ledger_hold(
    fast_stage: Stage, archived: Archived, tmp_path: Path
) -> None:
    site, export = fast_stage.site, tmp_path / "ledger.jsonl"
    verified = json.loads(await site.command("recordings", "verify", "--all", "--json"))
    mine = [one for one in verified["recordings"] if one["intact"]]
    assert archived.recording.recording_id in {one["recording_id"] for one in mine}
    assert (len(mine), verified["strays"]) == (len(verified["recordings"]), [])
    ledger = json.loads(await site.command("ledger", "verify", "--json"))
    assert ledger["intact"]
    await site.command("ledger", "export", "--with-rows", "--output", str(export))
    verifier = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(REPOSITORY / "verifier/verify_ledger.py"),
        str(export),
        "--head",
        ledger["head"],
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await verifier.communicate()
    assert verifier.returncode == 0, said.decode()


async def test_a_changed_byte_in_the_archive_is_found(
    fast_stage: Stage, archived: Archived
) -> None:
    site, file = fast_stage.site, fast_stage.file_of(archived.recording)
    recording_id = archived.recording.recording_id
    original = file.read_bytes()
    changed = bytearray(original)
    changed[len(changed) // 2] ^= 1
    try:
        file.write_bytes(changed)
        with pytest.raises(RuntimeError, match=r": 1: .*not as they should be"):
            await site.command("recordings", "verify", recording_id)
    finally:
        file.write_bytes(original)
    await site.command("recordings", "verify", recording_id)


def masked(number: str) -> str:
    return f"+40*******{number[-2:]}"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
