import hashlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_controller.config.audio import UnusableAudioError, read_media
from tests.unit.config.folder import ConfigFolder, write_wav


def test_a_good_file_tells_its_name_hash_and_duration(tmp_path: Path) -> None:
    path = tmp_path / "notice.wav"
    write_wav(path, 1.25)
    media = read_media(path)
    assert media.path == str(tmp_path / "notice")
    assert media.duration_seconds == 1.25
    assert media.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wrong_rate_names_file_and_remedy(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", rate=16000)
    with pytest.raises(UnusableAudioError, match=r"a\.wav: is 16000 Hz.*needs 8000 Hz.*sox"):
        read_media(tmp_path / "a.wav")


def test_stereo_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", channels=2)
    with pytest.raises(UnusableAudioError, match="2 channel"):
        read_media(tmp_path / "a.wav")


@pytest.mark.parametrize("peak", [0, 290])
def test_a_silent_file_is_refused(tmp_path: Path, peak: int) -> None:
    write_wav(tmp_path / "a.wav", peak=peak)
    with pytest.raises(UnusableAudioError, match=r"is silent: run `ari-controller prompts build`"):
        read_media(tmp_path / "a.wav")


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", seconds=0)
    with pytest.raises(UnusableAudioError, match="holds no audio"):
        read_media(tmp_path / "a.wav")


@pytest.mark.parametrize("rival", ["a.ulaw", "a.gsm", "a.sln16", "a.WAV"])
def test_a_file_that_asterisk_would_play_instead_is_named(tmp_path: Path, rival: str) -> None:
    write_wav(tmp_path / "a.wav")
    (tmp_path / rival).write_bytes(b"")
    with pytest.raises(UnusableAudioError, match=f"{rival}: Asterisk may play this in place of"):
        read_media(tmp_path / "a.wav")


def test_a_text_beside_the_sound_is_no_rival(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("what is said")
    assert read_media(tmp_path / "a.wav").duration_seconds == 0.5


@pytest.mark.parametrize("name", ["a b.wav", "a,b.wav", "a&b.wav", "ă.wav", "a.mp3", "a"])
def test_a_name_that_asterisk_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    write_wav(tmp_path / name)
    with pytest.raises(UnusableAudioError):
        read_media(tmp_path / name)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_hostile_files_raise_nothing_but_unusable_audio(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, keep: int
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "a.wav"
    write_wav(path, 0.01)
    path.write_bytes(path.read_bytes()[:keep] + junk)
    with suppress(UnusableAudioError):
        assert read_media(path).duration_seconds > 0


def test_a_text_that_the_built_audio_does_not_say_is_named(folder: ConfigFolder) -> None:
    digest = hashlib.sha256((folder.path / "in-ro.wav").read_bytes()).hexdigest()
    (folder.path / "MANIFEST.json").write_text(
        '{"files": {"in-ro.wav": {"title": "t", "made_by": "m", "seconds": 1, "text": "Altceva.",'
        f'"sha256": "{digest}"}}}}}}'
    )
    [problem] = folder.problems()
    assert "says another text than stands here: run `ari-controller prompts build`" in problem
    write_wav(folder.path / "in-ro.wav", seconds=0.7)
    assert folder.problems() == []


def test_a_manifest_that_is_none_is_named(folder: ConfigFolder) -> None:
    (folder.path / "MANIFEST.json").write_text("{")
    assert all("MANIFEST.json: is not a manifest" in problem for problem in folder.problems())
    assert len(folder.problems()) == 4


def test_a_notice_that_never_ends_is_refused(folder: ConfigFolder) -> None:
    write_wav(folder.path / "out-en.wav", seconds=31)
    [problem] = folder.problems()
    assert "out-en.wav: lasts 31.0 s; at most 30 s may be played" in problem
