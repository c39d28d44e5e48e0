"""Spool files to one stereo FLAC file with its facts inside. Synchronous; for the worker process.

Reads the audio twice, because the tags hold the marks and stand before the first sample; memory
stays the same however long the call was.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec
import numpy as np

from ari_controller.core.ledger import instant
from ari_controller.core.model import Segment, StoppedRecording
from ari_controller.recording import checks, flac, join, sidecar
from ari_controller.recording.job import NothingToSeal, SealJob
from ari_controller.recording.sidecar import Audio, Condition, SegmentFacts, Side, Sidecar
from ari_controller.recording.spool import Spool
from ari_controller.recording.track import Track
from ari_controller.recording.wav import WavError

# FLAC cannot hold nothing: a recording without any audio holds one packet of silence.
_EMPTY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class _Found:
    segment: Segment
    take: join.Take
    customer: Side
    agent: Side


def seal(job: SealJob) -> Sidecar:
    """Write the audio file, durably, and return its sidecar, hash and size included.

    Raises NothingToSeal, SealError or OSError, and then leaves no file behind.
    """
    with ExitStack() as open_files:
        found = [_take(job.spool, segment, open_files) for segment in _in_order(job.recording)]
        if not any(item.take.customer or item.take.agent for item in found):
            raise NothingToSeal("no file of the recording can be read")
        timeline = join.place([item.take for item in found])
        marks = _marks(job.recording, found, timeline)
        frames = timeline.frames or round(_EMPTY_SECONDS * timeline.rate)
        audio = Audio(job.target.name, timeline.rate, frames, round(frames / timeline.rate, 6))
        placed = zip(found, timeline.takes, strict=True)
        segments = tuple(_facts(item, start, job.recording) for item, (start, _) in placed)
        described = sidecar.describe(job.recording, segments, audio, marks, job.software)
        sha256, size_bytes = _write(job, timeline, sidecar.tags(described))
    audio = msgspec.structs.replace(described.audio, sha256=sha256, size_bytes=size_bytes)
    return msgspec.structs.replace(described, audio=audio)


def _in_order(recording: StoppedRecording) -> list[Segment]:
    return sorted(recording.segments, key=lambda segment: segment.number)


def _take(spool: Spool, segment: Segment, open_files: ExitStack) -> _Found:
    customer, customer_side = _track(spool, segment.rx, open_files)
    agent, agent_side = _track(spool, segment.tx, open_files)
    take = join.Take(segment.started_at, customer, agent)
    return _Found(segment, take, customer_side, agent_side)


def _track(spool: Spool, name: str, open_files: ExitStack) -> tuple[Track | None, Side]:
    try:
        descriptor, layout = spool.open(name)
    except FileNotFoundError:
        return None, Side(0, "missing")
    except WavError:
        return None, Side(0, "unreadable")
    open_files.callback(os.close, descriptor)
    condition: Condition = "complete" if layout.closed else "repaired"
    return Track(descriptor, layout), Side(layout.samples, condition)


def _marks(
    recording: StoppedRecording, found: list[_Found], timeline: join.Timeline
) -> tuple[str, ...]:
    loudness = checks.Loudness()
    for block in join.blocks(timeline):
        loudness.add(block)
    marks = checks.audio_marks(loudness, timeline.frames, timeline.rate)
    wall = sum(_stopped_at(item.segment, recording) - item.segment.started_at for item in found)
    audio = sum(item.take.frames for item in found) / timeline.rate
    if timeline.frames and checks.is_short(audio, wall):
        marks.append("short")
    conditions = {side.condition for item in found for side in (item.customer, item.agent)}
    named = {"repaired": "repaired", "missing": "missing_segment", "unreadable": "unreadable"}
    return (*marks, *(mark for condition, mark in named.items() if condition in conditions))


def _facts(found: _Found, first_frame: int, recording: StoppedRecording) -> SegmentFacts:
    return SegmentFacts(
        number=found.segment.number,
        started_at=instant(found.segment.started_at),
        stopped_at=instant(_stopped_at(found.segment, recording)),
        first_frame=first_frame,
        frames=found.take.frames,
        customer=found.customer,
        agent=found.agent,
    )


def _stopped_at(segment: Segment, recording: StoppedRecording) -> float:
    return recording.stopped_at if segment.stopped_at is None else segment.stopped_at


def _write(job: SealJob, timeline: join.Timeline, tags: dict[str, str]) -> tuple[str, int]:
    job.target.unlink(missing_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(job.target, flags, 0o600)
    try:
        flac.write(descriptor, timeline.rate, _blocks(timeline), tags)
        os.fsync(descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(descriptor).st_size
    except BaseException:
        # A part of a file would only keep a full disk full.
        job.target.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _blocks(timeline: join.Timeline) -> Iterator[join.Stereo]:
    if timeline.frames:
        yield from join.blocks(timeline)
    else:
        yield np.zeros((round(_EMPTY_SECONDS * timeline.rate), 2), np.int16)
