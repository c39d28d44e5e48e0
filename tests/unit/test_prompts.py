import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ari_controller.config.audio import read_media
from ari_controller.config.load import read
from ari_controller.config.manifest import NAME, Origin, read_manifest
from ari_controller.config.model import ConfigFile
from ari_controller.prompts import sound
from ari_controller.prompts.build import WAIT_MUSIC, Built, build
from ari_controller.prompts.errors import PromptsError
from ari_controller.prompts.speech import Voice
from tests.unit.config.folder import VALID

PROMPTS = Path("config/prompts")
SHIPPED = [Path("config/ari-controller.yaml"), Path("config/examples/smart-eco-plus.yaml")]


def spectrum(samples: sound.Samples, rate: int) -> tuple[sound.Samples, sound.Samples]:
    loudness: sound.Samples = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate).astype(np.float64)
    return loudness, frequencies


def tone(frequency: float, rate: int = 22050, seconds: float = 1.0) -> sound.Samples:
    samples: sound.Samples = 0.5 * np.sin(2 * np.pi * frequency * np.arange(rate * seconds) / rate)
    return samples


def shipped() -> list[tuple[Path, str, Origin]]:
    return [
        (path.parent, name, origin)
        for path in sorted(PROMPTS.rglob(NAME))
        for name, origin in read_manifest(path.parent).files.items()
    ]


@pytest.mark.parametrize(
    ("folder", "name", "origin"), shipped(), ids=lambda value: getattr(value, "title", "")
)
def test_committed_audio_is_what_its_manifest_says(folder: Path, name: str, origin: Origin) -> None:
    media = read_media((folder / name).absolute())
    assert media.sha256 == origin.sha256
    assert media.duration_seconds == pytest.approx(origin.seconds, abs=0.001)


def test_every_committed_sound_file_is_in_a_manifest() -> None:
    assert {folder / name for folder, name, _ in shipped()} == set(PROMPTS.rglob("*.wav"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_texts_are_what_was_built_and_short_enough(path: Path) -> None:
    for notice in read(path).notices:
        assert {"ro", "en"} <= notice.languages.keys()
        for parts in notice.languages.values():
            information = read_media(parts.information.audio)
            limit = 7.5 if parts.question else 12.0
            assert information.duration_seconds <= limit
            for speech in filter(None, (parts.information, parts.question)):
                origin = read_manifest(speech.audio.parent).files[speech.audio.name]
                assert (origin.text, origin.version) == (speech.text, notice.version)
            if parts.question:
                assert read_media(parts.question.audio).duration_seconds <= 4.0


def test_nothing_but_the_music_lies_in_the_music_folder() -> None:
    assert [path.name for path in (PROMPTS / "tones/wait").iterdir()] == ["wait.wav"]


@pytest.mark.parametrize("frequency", [300, 1000, 2500, 3400])
def test_resampling_keeps_speech_as_it_is(frequency: float) -> None:
    out = sound.resample(tone(frequency), 22050)
    assert len(out) == 8000
    middle = out[800:7200]
    wanted = tone(frequency, 8000)[800:7200]
    assert np.max(np.abs(middle - wanted)) < 0.005


@pytest.mark.parametrize("frequency", [4300, 5000, 7600, 8400, 10500])
def test_resampling_lets_nothing_above_a_telephone_fold_back(frequency: float) -> None:
    out = sound.resample(tone(frequency), 22050)
    assert np.max(np.abs(out[800:7200])) < 0.5 * 10 ** (-60 / 20)


def test_speech_is_trimmed_levelled_and_without_dc() -> None:
    quiet = np.full(22050, 0.1)
    out = sound.speech(np.concatenate([quiet, 0.1 + tone(500) / 10, quiet]), 22050)
    assert len(out) / 8000 == pytest.approx(1.2, abs=0.02)
    assert np.max(np.abs(out)) == pytest.approx(10 ** (-3 / 20))
    assert not np.any(out[:800])
    assert not np.any(out[-800:])


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(9000), np.full(9000, 0.3)])
def test_silence_is_no_speech(samples: sound.Samples) -> None:
    with pytest.raises(ValueError, match=r"holds no audio|is silent"):
        sound.speech(samples, 22050)


def test_the_same_samples_give_the_same_bytes() -> None:
    assert sound.encode(sound.recorded_tone()) == sound.encode(sound.recorded_tone())
    samples, rate = sound.decode(sound.encode(tone(500, 8000)))
    assert rate == 8000
    assert np.max(np.abs(samples - tone(500, 8000))) < 1e-4


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\x00" * 100, b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_wav_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a wav file"):
        sound.decode(content)


@pytest.mark.parametrize(
    ("make", "frequency", "seconds"),
    [(sound.recorded_tone, 1400, 0.25), (sound.not_recorded_tone, 400, 0.5)],
)
def test_the_two_tones_are_told_apart(
    make: Callable[[], sound.Samples], frequency: float, seconds: float
) -> None:
    samples = make()
    loudness, frequencies = spectrum(samples, 8000)
    assert abs(frequencies[np.argmax(loudness)] - frequency) < 10
    assert len(samples) / 8000 == seconds
    assert samples[0] == pytest.approx(0, abs=1e-9)
    assert samples[-1] == pytest.approx(0, abs=0.01)


def test_the_wait_music_loops_without_a_click_and_is_no_ringing() -> None:
    music = sound.wait_music()
    assert len(music) == 6 * 8000
    assert abs(np.mean(music)) < 1e-6
    steps = np.abs(np.diff(np.concatenate([music[-100:], music[:100]])))
    assert np.max(steps) <= np.max(np.abs(np.diff(music)))
    assert steps[99] < 0.01
    loudness, frequencies = spectrum(music, 8000)
    ringback = loudness[(frequencies > 400) & (frequencies < 480)]
    assert np.max(ringback) < 0.02 * np.max(loudness)
    blocks = np.sqrt(np.mean(music.reshape(-1, 2000) ** 2, axis=1))
    assert np.min(blocks) > 0.1 * np.max(blocks)


class FakeSpeech:
    """A synthesiser on PATH that says what it was asked, as a tone; its own record in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tone.wav").write_bytes(sound.encode(tone(700, 8000, 0.3)))
        for name in ("espeak-ng", "piper"):
            self.install(name, 'cat >> "$0.said"; echo "$@" >> "$0.said"')

    def install(self, name: str, first: str) -> None:
        program = self.folder / name
        program.write_text(
            f'#!/bin/sh\n{first}\nfor last; do :; done\ncp "{self.folder}/tone.wav" "$last"\n'
        )
        program.chmod(0o755)

    def said(self, name: str = "espeak-ng") -> str:
        path = self.folder / f"{name}.said"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def synthesiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSpeech:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return FakeSpeech(programs)


@pytest.fixture
def config(tmp_path: Path) -> ConfigFile:
    return write_config(tmp_path, VALID)


def write_config(folder: Path, text: str) -> ConfigFile:
    (folder / "config.yaml").write_text(text)
    return read(folder / "config.yaml")


def done(built: list[Built]) -> set[str]:
    return {one.done for one in built}


def test_building_makes_every_file_and_its_manifest(
    synthesiser: FakeSpeech, config: ConfigFile, tmp_path: Path
) -> None:
    built = list(build(config))
    assert done(built) == {"written"}
    names = {one.path.relative_to(tmp_path).as_posix() for one in built}
    assert names == {
        *("in-ro.wav", "out-ro.wav", "ask-ro.wav", "out-en.wav", "yes.wav", "no.wav"),
        str(WAIT_MUSIC),
    }
    manifest = json.loads((tmp_path / NAME).read_text())["files"]
    assert manifest.keys() == names
    assert manifest["ask-ro.wav"]["text"] == "Apăsați 1."
    for one in built:
        assert (
            read_media(one.path).sha256
            == manifest[one.path.relative_to(tmp_path).as_posix()]["sha256"]
        )
    assert "-v en-gb" in synthesiser.said()
    assert "Apăsați 1.\n-v ro" in synthesiser.said()


def test_building_again_changes_nothing(
    synthesiser: FakeSpeech, config: ConfigFile, tmp_path: Path
) -> None:
    list(build(config))
    before, said = (tmp_path / NAME).read_bytes(), synthesiser.said()
    assert done(list(build(config))) == {"unchanged"}
    assert ((tmp_path / NAME).read_bytes(), synthesiser.said()) == (before, said)


@pytest.mark.usefixtures("synthesiser")
def test_a_human_voice_is_kept_unless_forced(config: ConfigFile, tmp_path: Path) -> None:
    list(build(config))
    human = sound.encode(tone(300, 8000))
    (tmp_path / "in-ro.wav").write_bytes(human)
    assert [one.path.name for one in build(config) if one.done == "kept"] == ["in-ro.wav"]
    assert (tmp_path / "in-ro.wav").read_bytes() == human
    assert done(list(build(config, force=True))) == {"written"}
    assert (tmp_path / "in-ro.wav").read_bytes() != human


@pytest.mark.usefixtures("synthesiser")
def test_a_new_text_needs_a_new_version(config: ConfigFile, tmp_path: Path) -> None:
    list(build(config))
    text = VALID.replace("Înregistrăm.", "Înregistrăm apelul.")
    with pytest.raises(PromptsError, match=r"inbound ro information: .*give the notice a new ver"):
        list(build(write_config(tmp_path, text)))
    text = text.replace('version: "1"', 'version: "2"', 1)
    built = list(build(write_config(tmp_path, text)))
    assert [one.path.name for one in built if one.done == "written"] == ["in-ro.wav"]
    assert read_manifest(tmp_path).files["in-ro.wav"].version == "2"


@pytest.mark.usefixtures("synthesiser")
def test_files_can_be_made_elsewhere(config: ConfigFile, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert {one.path.parent for one in build(config, out=out)} == {out, out / "wait"}
    assert not (tmp_path / "in-ro.wav").exists()


@pytest.mark.usefixtures("synthesiser")
def test_two_texts_for_one_file_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    config = write_config(tmp_path, VALID.replace("out-en.wav", "out-ro.wav"))
    with pytest.raises(PromptsError, match="wanted by outbound ro information and outbound en inf"):
        list(build(config))
    assert not (tmp_path / NAME).exists()


def test_the_text_reaches_no_command_line_and_no_shell(
    synthesiser: FakeSpeech, tmp_path: Path
) -> None:
    text = VALID.replace("Înregistrăm.", '"$(touch owned); `id` -w x\\n\'| rm"')
    list(build(write_config(tmp_path, text)))
    assert "$(touch owned); `id` -w x '| rm\n-v ro" in synthesiser.said()
    assert not Path("owned").exists()


def test_piper_is_given_its_model(
    synthesiser: FakeSpeech, config: ConfigFile, tmp_path: Path
) -> None:
    list(build(config, piper_model=tmp_path / "ro.onnx"))
    assert f"--model {tmp_path}/ro.onnx" in synthesiser.said("piper")
    assert read_manifest(tmp_path).files["in-ro.wav"].made_by == "piper ro.onnx"


def test_a_missing_synthesiser_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, config: ConfigFile, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PromptsError, match="espeak-ng is not installed: apt-get install espeak-ng"):
        list(build(config))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'no such voice' >&2; exit 1", "espeak-ng failed: no such voice"),
        ("exit 3", "espeak-ng failed: exit code 3"),
        ("exit 0", "wrote no sound file"),
        ("for last; do :; done; echo x > $last; exit 0", "said not a wav file"),
    ],
)
def test_a_failing_synthesiser_is_a_clear_error(
    synthesiser: FakeSpeech, config: ConfigFile, script: str, said: str
) -> None:
    synthesiser.install("espeak-ng", f"cat > /dev/null; {script}")
    with pytest.raises(PromptsError, match=said):
        list(build(config))


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_a_real_synthesiser_speaks_romanian() -> None:
    samples = sound.speech(*sound.decode(Voice().say("Apăsați 1, vă rugăm.", "ro")))
    assert 1.0 < len(samples) / 8000 < 4.0


def test_an_unreadable_manifest_is_named(config: ConfigFile, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{")
    with pytest.raises(PromptsError, match=r"MANIFEST\.json: is not a manifest"):
        list(build(config))


def test_hashes_in_the_manifest_are_of_the_whole_file() -> None:
    folder, name, origin = shipped()[0]
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == origin.sha256
