"""The notes that the withdrawal feature leaves in Asterisk's database, for a daemon that is away.

A note is deleted once the ledger holds the withdrawal and the channel is gone.
"""

import structlog

from ari_controller.asterisk.errors import AsteriskError
from ari_controller.dispatcher.services import Services

log = structlog.get_logger(__name__)

WITHDRAWN_FAMILY = "ari-controller-withdrawn"


async def withdrawn_channels(services: Services) -> set[str]:
    """Return the ids of the channels whose customers pressed the withdrawal keys."""
    return set(await services.ami.database_family(WITHDRAWN_FAMILY))


async def forget_withdrawal(services: Services, channel_id: str) -> None:
    """Delete a channel's note; one that stays is deleted at the next start."""
    try:
        await services.ami.database_delete(WITHDRAWN_FAMILY, channel_id)
    except AsteriskError as error:
        log.warning("the note of a withdrawal stays until the next start", reason=str(error))
