"""`prompts`: the sound files of the notices, and how they are made from their texts."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import click

from ari_controller.cli.doors import Doors, json_option, pass_doors
from ari_controller.cli.exits import ProblemsFound
from ari_controller.cli.output import print_json, print_table
from ari_controller.config.manifest import Origin, UnusableManifestError, read_manifest
from ari_controller.config.model import ConfigFile, NoticeRule
from ari_controller.prompts.build import Built, build


@click.group("prompts")
def command() -> None:
    """List and make the sound files that people hear."""


@command.command("build")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Another folder.")
@click.option("--force", is_flag=True, help="Also what is there already, under an old version too.")
@click.option(
    "--piper-model",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Speak with piper and this model, not with espeak-ng.",
)
@json_option
@pass_doors
def build_prompts(
    doors: Doors, out: Path | None, force: bool, piper_model: Path | None, as_json: bool
) -> None:
    """Make the sound files that the configuration names from its texts; tones too.

    What a human voice recorded is left alone.
    """
    done: list[Built] = []
    for one in build(doors.config, out=out, force=force, piper_model=piper_model):
        done.append(one)
        if not as_json:
            click.echo(f"{one.done:<9}  {one.path}  {one.title}")
    if as_json:
        print_json(
            {
                "files": [
                    {
                        "path": str(one.path),
                        "done": one.done,
                        "seconds": one.seconds,
                        "title": one.title,
                    }
                    for one in done
                ]
            }
        )


@command.command("list")
@json_option
@pass_doors
def list_prompts(doors: Doors, as_json: bool) -> None:
    """Show each notice's versions, languages and sound files; exit code 1 if one is missing."""
    files = [file for notice in doors.config.notices for file in _files(notice)]
    files += _tones(doors.config)
    if as_json:
        print_json({"files": files})
    else:
        columns = ("notice", "version", "language", "part", "state", "seconds", "made_by", "path")
        rows = ([file[column] for column in columns] for file in files)
        print_table([column.upper().replace("_", " ") for column in columns], rows, "no prompts")
    missing = sum(file["state"] == "missing" for file in files)
    if missing:
        raise ProblemsFound(f"{missing} sound files are missing: `prompts build` makes them")


def _files(notice: NoticeRule) -> Iterator[dict[str, object]]:
    for language, parts in notice.languages.items():
        for part, speech in (("information", parts.information), ("question", parts.question)):
            if speech is not None:
                yield {
                    "notice": notice.id,
                    "version": notice.version,
                    "language": language,
                    "part": part,
                    **_sound(speech.audio, speech.text),
                }


def _tones(config: ConfigFile) -> list[dict[str, object]]:
    tones = (("recorded", config.tones.recorded), ("not_recorded", config.tones.not_recorded))
    return [
        {"notice": None, "version": None, "language": None, "part": part, **_sound(path, None)}
        for part, path in tones
    ]


def _sound(path: Path, text: str | None) -> dict[str, object]:
    """Tell of one file whether it is there, and whether it says what the configuration says."""
    try:
        origin = read_manifest(path.parent).files.get(path.name)
    except UnusableManifestError as error:
        raise ProblemsFound(str(error)) from error
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    return {
        "path": str(path),
        "state": _state(origin, sha256, text),
        "seconds": origin and origin.seconds,
        "made_by": origin and origin.made_by,
        "sha256": sha256,
    }


def _state(origin: Origin | None, sha256: str | None, text: str | None) -> str:
    if sha256 is None:
        return "missing"
    if origin is None or origin.sha256 != sha256:
        return "human"  # not made by `prompts build`: nobody but a listener knows what it says
    return "built" if origin.text == text else "outdated"
