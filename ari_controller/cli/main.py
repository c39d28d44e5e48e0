"""The group, its options, and the one place where an error becomes an exit code."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from ari_controller import __version__
from ari_controller.cli import exits
from ari_controller.cli.doors import Doors
from ari_controller.config.problems import ConfigError

PROGRAM = "ari-controller"
CONFIG_PATH = "/etc/ari-controller/ari-controller.yaml"


class _Commands(click.Group):
    """Imports a command's file when it is used: the daemon carries nothing of the others."""

    NAMES = ("run", "rescue", "calls", "recordings", "ledger", "prompts")

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.NAMES:
            return None
        found: click.Command = importlib.import_module(f"ari_controller.cli.{cmd_name}").command
        return found


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 problems found, 2 wrong usage, 3 fault of the program,"
    " 69 store or daemon not available, 70 ARI application taken over, 78 configuration.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=CONFIG_PATH,
    envvar="ARI_CONTROLLER_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
@click.version_option(__version__, prog_name=PROGRAM)
@click.pass_context
def cli(ctx: click.Context, config_path: Path) -> None:
    """Record telephone calls on Asterisk only as the people on them agreed."""
    ctx.obj = Doors(config_path)


def execute(args: Sequence[str]) -> int:
    """Run one command line; return its exit code. Expected errors are one line, never a trace."""
    try:
        return int(cli.main(list(args), prog_name=PROGRAM, standalone_mode=False) or exits.OK)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return exits.INTERRUPTED
    except Exception as error:
        return _report(error)


def main() -> NoReturn:
    """Run the command line of this process."""
    sys.exit(execute(sys.argv[1:]))


def _report(error: Exception) -> int:
    code = exits.exit_code(error)
    if code is None:
        _report_bug(error)
        return exits.BUG
    if isinstance(error, ConfigError):
        for problem in error.problems:
            click.echo(str(problem), err=True)
        click.echo(f"{PROGRAM}: {len(error.problems)} problems in the configuration", err=True)
        return code
    click.echo(f"{PROGRAM}: {_words(error)}", err=True)
    return code


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _report_bug(error: Exception) -> None:
    # The message may hold what callers said or typed; the place never does.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    click.echo(f"{PROGRAM}: internal error, {type(error).__name__} at {place}", err=True)
    if os.environ.get("ARI_CONTROLLER_TRACEBACK"):
        traceback.print_exception(error)
    else:
        click.echo("ARI_CONTROLLER_TRACEBACK=1 shows more; please report it", err=True)
