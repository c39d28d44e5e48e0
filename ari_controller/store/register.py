"""The do-not-record register (N4). Functions on a connection."""

import re

from sqlalchemy import Connection, select

from ari_controller.store.errors import Refused
from ari_controller.store.schema import do_not_record

_NORMALISED = re.compile(r"\+?[0-9]{1,15}")


def is_listed(connection: Connection, number: str) -> bool:
    """Tell whether a number, as `core.numbers.normalise` gives it, is on the register."""
    query = select(do_not_record.c.number).where(do_not_record.c.number == number)
    return connection.execute(query).first() is not None


def add(connection: Connection, number: str, ground: str, created_at: str, author: str) -> bool:
    """Enter a normalised number; return False where it was there already, with its first ground.

    Raise Refused for text that is not a normalised number: it would never match a call.
    """
    if not _NORMALISED.fullmatch(number):
        raise Refused("this is not a telephone number as the register holds them: normalise it")
    if is_listed(connection, number):
        return False
    values = {"number": number, "ground": ground, "created_at": created_at, "author": author}
    connection.execute(do_not_record.insert(), values)
    return True
