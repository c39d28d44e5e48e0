"""Brings a store to the schema of this version, and refuses one that it does not know."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ari_controller.store.errors import StoreError


def migrate(connection: Connection) -> None:
    """Upgrade to the newest revision, inside the connection's transaction; raise StoreError."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    # Alembic writes its own progress nowhere: env.py only takes this connection.
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    newest, current = scripts.get_current_head(), current_revision(connection)
    if current == newest:
        return
    if current is None:
        _require_empty(connection)
    else:
        _require_known(current, {script.revision for script in scripts.walk_revisions()})
    command.upgrade(config, "head")


def require_current(connection: Connection) -> None:
    """Raise StoreError unless the store has the schema of this version: readers do not migrate."""
    scripts = ScriptDirectory(str(Path(__file__).parent))
    newest, current = scripts.get_current_head(), current_revision(connection)
    if current == newest:
        return
    if current is None:
        raise StoreError("this file is not a store of ari-controller")
    _require_known(current, {script.revision for script in scripts.walk_revisions()})
    raise StoreError(
        f"the store has schema {current}, this version reads {newest}: "
        "start the daemon once, it upgrades the store"
    )


def current_revision(connection: Connection) -> str | None:
    """Return the store's revision, None for a store without one."""
    return MigrationContext.configure(connection).get_current_revision()


def _require_known(current: str, known: set[str]) -> None:
    if current not in known:
        raise StoreError(
            f"the store has schema {current}, which this version does not know: a newer "
            "ari-controller wrote it; install that version, or restore a backup from before"
        )


def _require_empty(connection: Connection) -> None:
    tables = connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()
    if tables:
        raise StoreError("this file is an SQLite database, but not a store of ari-controller")
