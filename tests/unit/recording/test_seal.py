import hashlib
import json
import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ari_controller.core.model import StoppedRecording
from ari_controller.recording import flac, sidecar
from ari_controller.recording.job import NothingToSeal, SealJob
from ari_controller.recording.seal import seal
from ari_controller.recording.sidecar import Side, Sidecar
from tests.unit.recording.wavs import NO_SAMPLES, SOFTWARE, Desk, Samples, tone, wav

CUSTOMER, AGENT = tone(1000, 1.0), tone(1300, 1.0)


class Bench(Desk):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "spool")
        self.target = folder / "r1.flac"

    def seal(self, recording: StoppedRecording) -> Sidecar:
        return seal(SealJob(self.spool, recording, self.target, SOFTWARE))

    def audio(self) -> Samples:
        data, rate = soundfile.read(self.target, dtype="int16", always_2d=True)
        assert rate == 8000
        return np.asarray(data, np.int16)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_sealed_audio_is_the_spools_sample_for_sample(bench: Bench) -> None:
    document = bench.seal(bench.tones())
    assert np.array_equal(bench.audio(), np.column_stack([CUSTOMER, AGENT]))
    assert document.marks == ()
    assert document.audio.frames == 8000
    assert document.audio.duration_seconds == 1.0
    assert document.segments[0].customer == Side(8000, "complete")


def test_hash_and_size_are_those_of_the_file(bench: Bench) -> None:
    document = bench.seal(bench.tones())
    data = bench.target.read_bytes()
    assert document.audio.sha256 == hashlib.sha256(data).hexdigest()
    assert document.audio.size_bytes == len(data)


def test_the_tags_in_the_file_hold_the_same_facts_as_the_sidecar(bench: Bench) -> None:
    document = bench.seal(bench.tones())
    found = flac.read(bench.target).tags
    assert sidecar.load(found["comment"].encode()) == sidecar.inside(document)
    assert json.loads(found["comment"])["facts"]["policy"]["name"] == "suport-clienți"
    assert found["title"] == "r1"
    assert found["copyright"] == "Smart Eco Plus SRL, Târgu Mureș"
    assert found["date"] == document.started_at
    assert found["software"].startswith("ari-controller 0.1.0")
    assert found["license"].startswith("consent: îmbunătățirea")


def test_the_same_recording_seals_to_the_same_bytes(bench: Bench) -> None:
    recording = bench.tones()
    first = bench.seal(recording)
    assert bench.seal(recording) == first


def test_two_segments_lie_on_the_wall_clock(bench: Bench) -> None:
    one = bench.segment("r1", wav(CUSTOMER), wav(AGENT))
    two = bench.segment("r1", wav(CUSTOMER), wav(AGENT), number=2, start=1.5)
    document = bench.seal(bench.recording(two, one))
    assert [(s.number, s.first_frame, s.frames) for s in document.segments] == [
        (1, 0, 8000),
        (2, 12_000, 8000),
    ]
    assert not bench.audio()[8000:12_000].any()
    assert document.marks == ()


def test_a_crashed_file_is_repaired_on_what_is_read_and_stays_as_it_is(bench: Bench) -> None:
    crashed = wav(CUSTOMER, closed=False)
    segment = bench.segment("r1", crashed, wav(AGENT))
    document = bench.seal(bench.recording(segment))
    assert np.array_equal(bench.audio()[:, 0], CUSTOMER)
    assert document.marks == ("repaired",)
    assert document.segments[0].customer == Side(8000, "repaired")
    assert (bench.spool.path / segment.rx).read_bytes() == crashed


def test_a_recording_without_audio_is_marked_empty_and_still_a_flac_file(bench: Bench) -> None:
    empty = wav(NO_SAMPLES)
    document = bench.seal(bench.recording(bench.segment("r1", empty, empty)))
    assert document.marks == ("empty",)
    assert document.segments[0].frames == 0
    assert flac.read(bench.target).frames == document.audio.frames == 160


def test_a_one_sided_short_recording_has_both_marks(bench: Bench) -> None:
    quiet = wav(np.zeros(8000, np.int16))
    segment = bench.segment("r1", quiet, wav(AGENT), seconds=10)
    assert bench.seal(bench.recording(segment)).marks == ("customer_silent", "short")


def test_a_missing_file_is_silence_and_marked(bench: Bench) -> None:
    one = bench.segment("r1", wav(CUSTOMER), wav(AGENT))
    two = bench.segment("r1", None, wav(AGENT), number=2, start=1.0)
    document = bench.seal(bench.recording(one, two))
    assert document.marks == ("missing_segment",)
    assert document.segments[1].customer == Side(0, "missing")
    assert np.array_equal(bench.audio()[8000:, 1], AGENT)


def test_an_unreadable_file_is_silence_marked_and_left_alone(bench: Bench) -> None:
    segment = bench.segment("r1", b"garbage", wav(AGENT))
    document = bench.seal(bench.recording(segment))
    assert document.marks == ("customer_silent", "unreadable")
    assert (bench.spool.path / segment.rx).read_bytes() == b"garbage"


def test_a_planted_link_is_never_read(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(CUSTOMER))
    segment = bench.segment("r1", None, wav(AGENT))
    (bench.spool.path / segment.rx).symlink_to(secret)
    assert "unreadable" in bench.seal(bench.recording(segment)).marks
    assert not bench.audio()[:, 0].any()


@pytest.mark.parametrize("data", [None, b"garbage"])
def test_nothing_to_read_is_nothing_to_seal(bench: Bench, data: bytes | None) -> None:
    with pytest.raises(NothingToSeal):
        bench.seal(bench.recording(bench.segment("r1", data, data)))
    assert not bench.target.exists()


def test_the_rest_of_an_earlier_try_is_replaced_and_never_followed(
    bench: Bench, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    bench.target.symlink_to(victim)
    bench.seal(bench.tones())
    assert victim.read_bytes() == b"mine"
    assert not bench.target.is_symlink()


def test_an_audio_file_is_not_open_to_others_while_it_grows(bench: Bench) -> None:
    bench.seal(bench.tones())
    assert bench.target.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_told_as_such_and_leaves_no_part_of_a_file(bench: Bench) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, 80_000).astype(np.int16)
    recording = bench.recording(bench.segment("r1", wav(noise), wav(noise), seconds=10))
    # A limit on file size fails as a full disk does, and needs no disk of its own.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            bench.seal(recording)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not bench.target.exists()
    assert len(os.listdir(bench.spool.path)) == 2  # noqa: PTH208
