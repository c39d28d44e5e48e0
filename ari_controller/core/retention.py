"""How long a recording is kept: calendar months from the start of the call (N8)."""

import calendar
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ari_controller.core.ledger import instant

MAX_MONTHS = 1200


def retention_end(start: datetime, months: int, tz: str = "UTC") -> datetime:
    """Return the UTC instant at which a recording is due for erasure.

    The same day and wall-clock time, `months` calendar months later in the zone `tz`, clipped to
    the last day of a shorter month. A wall-clock time that occurs twice on that day means the
    first; one that does not occur means as long after the clock change. Raise ValueError for a
    naive `start`, months outside 1 to 1200, or an unknown zone.
    """
    if start.tzinfo is None:
        raise ValueError("the start of retention needs a time zone")
    if not 1 <= months <= MAX_MONTHS:
        raise ValueError(f"retention is 1 to {MAX_MONTHS} months, not {months}")
    local = start.astimezone(_zone(tz))
    years, month_index = divmod(local.month - 1 + months, 12)
    year, month = local.year + years, month_index + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day, fold=0).astimezone(UTC)


def retention_until(began_at: float, months: int, tz: str = "UTC") -> str:
    """Return `retention_end` of a start in Unix seconds, as the store and the sidecar write it."""
    return instant(retention_end(datetime.fromtimestamp(began_at, UTC), months, tz).timestamp())


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone that this machine knows") from error
