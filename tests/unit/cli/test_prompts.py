from pathlib import Path

from ari_controller.cli import exits
from ari_controller.cli.main import execute
from tests.unit.cli.conftest import Run
from tests.unit.cli.site import SHIPPED


def test_every_shipped_sound_file_is_there_and_says_what_the_configuration_says() -> None:
    assert execute(["--config", str(SHIPPED), "prompts", "list", "--json"]) == exits.OK


def test_missing_sound_files_are_listed_as_missing(run: Run) -> None:
    ran = run("prompts", "list", "--json")
    assert ran.code == exits.FOUND_PROBLEMS
    assert {file["state"] for file in ran.json["files"]} == {"missing"}
    assert "`prompts build` makes them" in ran.err


def test_a_voice_model_that_is_not_there_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    ran = run("prompts", "build", "--piper-model", str(tmp_path / "none.onnx"))
    assert ran.code == exits.USAGE
