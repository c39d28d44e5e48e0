import re
import subprocess
import sys
from pathlib import Path

import pytest

from ari_controller import __version__
from ari_controller.cli import exits
from ari_controller.cli.main import execute
from tests.unit.cli.conftest import Run
from tests.unit.cli.site import Site


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ari_controller", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert __version__ in done.stdout


@pytest.mark.parametrize("group", ["calls", "recordings", "ledger", "prompts"])
def test_every_command_that_shows_something_has_json(group: str, run: Run) -> None:
    listed = run(group, "--help").out.partition("Commands:")[2]
    commands = re.findall(r"^  (\w+)", listed, re.MULTILINE)
    assert commands
    for command in commands:
        assert "--json" in run(group, command, "--help").out


def test_a_wrong_command_line_is_wrong_usage(run: Run) -> None:
    for args in (
        ["nonsense"],
        ["calls", "show"],
        ["recordings", "verify"],
        ["calls", "list", "-x"],
    ):
        ran = run(*args)
        assert ran.code == exits.USAGE
        assert "Usage:" in ran.err


def test_all_that_is_wrong_with_the_configuration_is_printed_with_its_place(
    run: Run, site: Site
) -> None:
    text = site.config.read_text(encoding="utf-8")
    text = text.replace("timezone: Europe/Bucharest", "timezone: Europe/Atlantis")
    site.config.write_text(text.replace('country_code: "40"', "country_code: 40"))
    ran = run("calls", "list")
    assert ran.code == exits.CONFIG
    assert len(re.findall(r"^.*ari-controller\.yaml:\d+:\d+: ", ran.err, re.MULTILINE)) == 2
    assert "Traceback" not in ran.err


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert execute(["--config", str(tmp_path / "none.yaml"), "ledger", "head"]) == exits.CONFIG


def test_the_configuration_may_be_named_by_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARI_CONTROLLER_CONFIG", str(site.config))
    assert execute(["ledger", "verify"]) == exits.OK


def test_a_store_that_is_not_there_is_unavailable(run: Run, site: Site) -> None:
    site.store.unlink()
    ran = run("calls", "list")
    assert ran.code == exits.UNAVAILABLE
    assert str(site.store) in ran.err


def test_a_fault_of_the_program_shows_its_place_and_nothing_personal(
    run: Run, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.spoil("UPDATE recordings SET marks = '{+40721234567'")
    ran = run("recordings", "list")
    assert ran.code == exits.BUG
    assert "internal error, JSONDecodeError at" in ran.err
    assert "0721234567" not in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("ARI_CONTROLLER_TRACEBACK", "1")
    assert "Traceback" in run("recordings", "list").err


def test_the_daemon_is_not_loaded_with_what_only_other_commands_need() -> None:
    code = "import sys, ari_controller.cli.main, ari_controller.cli.rescue; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert not {"numpy", "soundfile"} & set(done.stdout.split())
