"""`rescue`: the process that frees calls when the daemon is dead or hung."""

import asyncio
import os
from pathlib import Path

import click

from ari_controller import logs, rescue
from ari_controller.cli.doors import Doors, pass_doors
from ari_controller.config.secrets import read_password


@click.command("rescue")
@pass_doors
def command(doors: Doors) -> None:
    """Stand guard: free the calls of a daemon that is dead or hung. Needs ARI's password only."""
    config = doors.config
    ari = config.asterisk.ari
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    password = read_password(ari, Path(credentials) if credentials else None)
    logs.configure(config.logging.level)
    asyncio.run(rescue.guard(ari.url, ari.user, password, ari.app, config.control.socket))
