"""What commands open: the configuration, the store (to look only), the daemon's control socket."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from ari_controller.config.load import read
from ari_controller.config.model import ConfigFile
from ari_controller.control.client import ControlClient
from ari_controller.store.engine import ReadOnlyStore


@dataclass(frozen=True)
class Doors:
    """Opened on first use: a command needs no more rights than it uses."""

    config_path: Path

    @cached_property
    def config(self) -> ConfigFile:
        """The configuration file; raises ConfigError with all that is wrong with it."""
        return read(self.config_path)

    @cached_property
    def store(self) -> ReadOnlyStore:
        """The store, to look only; raises StoreError."""
        return ReadOnlyStore.open(self.config.store.path)

    @cached_property
    def control(self) -> ControlClient:
        """The daemon."""
        return ControlClient(self.config.control.socket)

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which times are shown to people."""
        return ZoneInfo(self.config.timezone)


pass_doors = click.make_pass_decorator(Doors)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
