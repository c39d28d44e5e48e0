"""The JSON file beside each recording, and the same facts as tags inside the audio (C4).

Nothing personal is in it beyond what the call's facts hold. The fields are explained one by one in
docs/archive-format.md.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Literal

import aiofiles
import msgspec

from ari_controller.core.ledger import instant
from ari_controller.core.model import SealedRecording, StoppedRecording

Condition = Literal["complete", "repaired", "missing", "unreadable"]


class SidecarError(Exception):
    """The bytes are not a sidecar of this format."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that nobody wrote is damage or forgery, so unknown ones are refused."""


class Format(_Strict, frozen=True):
    """Name and version of the format."""

    name: Literal["ari-controller-recording"] = "ari-controller-recording"
    version: Literal[1] = 1


class Side(_Strict, frozen=True):
    """One of the two files of a segment, as it was found on the spool."""

    samples: int
    condition: Condition


class SegmentFacts(_Strict, frozen=True):
    """One segment: when it ran, and where its audio lies in the joined file."""

    number: int
    started_at: str
    stopped_at: str
    first_frame: int
    frames: int
    customer: Side
    agent: Side


class Audio(_Strict, frozen=True):
    """The joined file. Hash and size are None inside its own tags only."""

    file: str
    sample_rate: int
    frames: int
    duration_seconds: float
    sha256: str | None = None
    size_bytes: int | None = None
    codec: Literal["flac"] = "flac"
    channels: tuple[Literal["customer"], Literal["agent"]] = ("customer", "agent")


class Sidecar(_Strict, frozen=True):
    """Everything known of a sealed recording. `facts` is what the call knew, unchanged."""

    recording_id: str
    call_id: str
    started_at: str
    stopped_at: str
    stop_reason: str
    retention_until: str
    segments: tuple[SegmentFacts, ...]
    facts: dict[str, object]
    software: dict[str, str]
    audio: Audio
    marks: tuple[str, ...]
    format: Format = Format()
    encryption: None = None


def describe(
    recording: StoppedRecording,
    segments: tuple[SegmentFacts, ...],
    audio: Audio,
    marks: tuple[str, ...],
    software: dict[str, str],
) -> Sidecar:
    """Return the sidecar of a recording, in the form that it has once read back."""
    sidecar = Sidecar(
        recording_id=recording.recording_id,
        call_id=recording.call_id,
        started_at=instant(recording.started_at),
        stopped_at=instant(recording.stopped_at),
        stop_reason=recording.stop_reason,
        retention_until=recording.retention_until,
        segments=segments,
        facts=_plain(recording.facts),
        software=software,
        audio=audio,
        marks=marks,
    )
    return load(encode(sidecar))


def encode(sidecar: Sidecar) -> bytes:
    """Return the bytes of the file: UTF-8, keys sorted, indented."""
    return msgspec.json.format(msgspec.json.encode(sidecar, order="sorted"), indent=2) + b"\n"


def load(data: bytes) -> Sidecar:
    """Read a sidecar; SidecarError names the field that is wrong."""
    try:
        return msgspec.json.decode(data, type=Sidecar)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SidecarError(f"not a sidecar of this format: {error}") from error


async def write(path: Path, sidecar: Sidecar) -> None:
    """Write a sidecar durably to `path`, a temporary name: the caller moves it into place."""
    async with aiofiles.open(path, "wb") as file:
        await file.write(encode(sidecar))
        await file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())


def inside(sidecar: Sidecar) -> Sidecar:
    """Return the facts that the audio file itself holds: it cannot hold its own hash and size."""
    audio = msgspec.structs.replace(sidecar.audio, sha256=None, size_bytes=None)
    return msgspec.structs.replace(sidecar, audio=audio)


def tags(sidecar: Sidecar) -> dict[str, str]:
    """Return the tags of the audio file; `comment` holds every fact, the others are for people."""
    data_controller = sidecar.facts.get("data_controller")
    owner = data_controller.get("name") if isinstance(data_controller, dict) else None
    purposes = sidecar.facts.get("purposes")
    listed = ", ".join(map(str, purposes)) if isinstance(purposes, list) else ""
    named = {
        "title": sidecar.recording_id,
        "date": sidecar.started_at,
        "software": f"ari-controller {sidecar.software.get('ari-controller', '')}".strip(),
        "copyright": str(owner or ""),
        "license": f"{sidecar.facts.get('legal_basis', '')}: {listed}".strip(": "),
        "comment": msgspec.json.encode(inside(sidecar), order="sorted").decode(),
    }
    # A tag ends at a NUL. JSON writes it as an escape, so only the tags for people lose one.
    return {name: text.replace("\0", " ") for name, text in named.items()}


def sealed(sidecar: Sidecar, path: str) -> SealedRecording:
    """Return what the store keeps of a recording; `path` is relative to the archive's root."""
    audio = sidecar.audio
    if audio.sha256 is None or audio.size_bytes is None:
        raise SidecarError("the sidecar does not give the hash and size of the audio")
    return SealedRecording(
        recording_id=sidecar.recording_id,
        path=path,
        sha256=audio.sha256,
        size_bytes=audio.size_bytes,
        duration_seconds=audio.duration_seconds,
        marks=sidecar.marks,
    )


def _plain(facts: dict[str, object]) -> dict[str, object]:
    """Replace what UTF-8 cannot say (half a surrogate pair, in text that a caller sent)."""
    text = json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace")
    return msgspec.json.decode(text, type=dict[str, object])
