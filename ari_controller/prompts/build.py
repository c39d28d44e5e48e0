"""Makes every sound file that a configuration names.

A file that is already what its text asks for is left alone, and so is one that this program did
not make (a human voice), unless forced. A new text under an old notice version is refused: a
call's record could no longer say what was played (N12).
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ari_controller.config.manifest import Origin, UnusableManifestError, read_manifest
from ari_controller.config.model import ConfigFile, NoticeParts, Speech
from ari_controller.prompts import sound
from ari_controller.prompts.errors import PromptsError
from ari_controller.prompts.files import write_manifest, write_whole
from ari_controller.prompts.speech import Voice

WAIT_MUSIC = Path("wait/wait.wav")
"""Beside the tones, in a folder of its own: Asterisk's music class plays all that lies in it."""


@dataclass(frozen=True, slots=True)
class Built:
    """One sound file and what was done: `written`, `unchanged` or `kept` (made by others)."""

    path: Path
    done: str
    seconds: float
    title: str


@dataclass(frozen=True, slots=True)
class _Recipe:
    path: Path
    folder: Path
    title: str
    made_by: str
    make: Callable[[], sound.Samples]
    version: str | None = None
    text: str | None = None


def build(
    config: ConfigFile,
    *,
    out: Path | None = None,
    force: bool = False,
    piper_model: Path | None = None,
) -> Iterator[Built]:
    """Make the files where the configuration names them, or in `out`; yield each when it is done.

    Raise PromptsError at the first that cannot be made.
    """
    voice = Voice(piper_model)
    recipes = [*_notices(config, voice), *_tones(config)]
    if out is not None:
        recipes = [_moved(recipe, out) for recipe in recipes]
    claimed: dict[Path, str] = {}
    for recipe in recipes:
        if recipe.path in claimed:
            raise PromptsError(
                f"{recipe.path}: wanted by {claimed[recipe.path]} and {recipe.title}"
            )
        claimed[recipe.path] = recipe.title
    for recipe in recipes:
        yield _build(recipe, force=force)


def _notices(config: ConfigFile, voice: Voice) -> Iterator[_Recipe]:
    for notice in config.notices:
        for language, parts in notice.languages.items():
            for part, speech in _parts(parts):
                yield _Recipe(
                    path=speech.audio,
                    folder=speech.audio.parent,
                    title=f"{notice.id} {language} {part}",
                    made_by=voice.name(language),
                    make=partial(_spoken, voice, speech.text, language),
                    version=notice.version,
                    text=speech.text,
                )


def _parts(parts: NoticeParts) -> Iterator[tuple[str, Speech]]:
    yield "information", parts.information
    if parts.question is not None:
        yield "question", parts.question


def _tones(config: ConfigFile) -> Iterator[_Recipe]:
    tones = config.tones
    folder = tones.recorded.parent
    for path, title, make in (
        (tones.recorded, "tone recorded", sound.recorded_tone),
        (tones.not_recorded, "tone not recorded", sound.not_recorded_tone),
    ):
        yield _Recipe(path, path.parent, title, "ari-controller", make)
    yield _Recipe(folder / WAIT_MUSIC, folder, "wait music", "ari-controller", sound.wait_music)


def _moved(recipe: _Recipe, out: Path) -> _Recipe:
    path = out / recipe.path.relative_to(recipe.folder)
    return _Recipe(
        path, out, recipe.title, recipe.made_by, recipe.make, recipe.version, recipe.text
    )


def _spoken(voice: Voice, text: str, language: str) -> sound.Samples:
    try:
        return sound.speech(*sound.decode(voice.say(text, language)))
    except ValueError as error:
        raise PromptsError(f"what {voice.name(language)} said {error}") from None


def _build(recipe: _Recipe, *, force: bool) -> Built:
    try:
        manifest = read_manifest(recipe.folder)
    except UnusableManifestError as error:
        raise PromptsError(str(error)) from None
    name = recipe.path.relative_to(recipe.folder).as_posix()
    known = manifest.files.get(name)
    there = _digest(recipe.path)
    if there is not None and not force:
        if known is None or known.sha256 != there:
            return Built(recipe.path, "kept", 0.0, recipe.title)
        if (known.text, known.version) == (recipe.text, recipe.version):
            return Built(recipe.path, "unchanged", known.seconds, recipe.title)
        if known.version == recipe.version:
            raise PromptsError(
                f"{recipe.title}: the text has changed and the version has not"
                f" ({recipe.version}): give the notice a new version, or force it"
            )
    samples = recipe.make()
    content = sound.encode(samples)
    write_whole(recipe.path, content)
    seconds = round(len(samples) / sound.SAMPLE_RATE, 3)
    manifest.files[name] = Origin(
        title=recipe.title,
        version=recipe.version,
        text=recipe.text,
        made_by=recipe.made_by,
        seconds=seconds,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    write_manifest(recipe.folder, manifest)
    return Built(recipe.path, "written", seconds, recipe.title)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PromptsError(f"{path}: cannot be read: {error.strerror}") from None
