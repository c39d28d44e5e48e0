"""`run`: the daemon."""

import click
import structlog

from ari_controller import daemon
from ari_controller.cli import exits
from ari_controller.cli.doors import Doors, pass_doors

log = structlog.get_logger(__name__)


@click.command("run")
@pass_doors
@click.pass_context
def command(ctx: click.Context, doors: Doors) -> None:
    """Run the daemon until SIGTERM; it logs JSON to stdout."""
    try:
        code = daemon.run(doors.config_path)
    except Exception as error:
        if exits.exit_code(error) is None:
            log.exception("the daemon ends because of a fault of its own")
        raise
    ctx.exit(code)
