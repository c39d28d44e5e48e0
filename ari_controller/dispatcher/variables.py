"""Channel variables that the dialplan reads, and the dead-man's switch: set over AMI.

After ARI has set a variable on a channel in Stasis, Asterisk 22 keeps that channel's thread from
DB(), SHELL(), FILE() and their kind for the rest of the call, in the site's own dialplan too
(docs/asterisk.md). So ARI is only the way when AMI is down.
"""

import asyncio

from ari_controller.asterisk.errors import AsteriskError, Conflict, NotFound, Unavailable
from ari_controller.dispatcher.call_recording import in_stasis
from ari_controller.dispatcher.services import DONE, RESULT, Services

TIMEOUT = "TIMEOUT(absolute)"
# The shortest time that the switch is armed for is longer.
LOOK_AGAIN_SECONDS = 0.4


async def set_timeout(services: Services, channel_id: str, seconds: float) -> None:
    """Re-arm the dead-man's switch; Conflict when the channel went on without us.

    There it would cut off two people who talk, for a daemon that wakes late.
    """
    if not await in_stasis(services.ari, channel_id):
        raise Conflict("the channel has left our application")
    try:
        await services.ami.set_variable(channel_id, TIMEOUT, f"{seconds:.3f}")
    except Unavailable:
        # ARI sets it only while the channel is ours. AMI may still obey, whenever it comes to it.
        services.spawn(_disarm_late(services, channel_id, seconds))
        await services.ari.set_variable(channel_id, TIMEOUT, f"{seconds:.3f}")
        return
    if not await in_stasis(services.ari, channel_id):
        await services.ami.set_variable(channel_id, TIMEOUT, "0")
        raise Conflict("the channel left our application meanwhile")


async def _disarm_late(services: Services, channel_id: str, seconds: float) -> None:
    """Watch a channel until it is gone, and take the switch off it once it went on without us.

    A limit that is longer than ours is the site's own.
    """
    while True:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        try:
            left = await services.ari.get_variable(channel_id, TIMEOUT)
            armed = 0 < float(left or 0) <= seconds
            if armed and not await in_stasis(services.ari, channel_id):
                await services.ami.set_variable(channel_id, TIMEOUT, "0")
        except NotFound:
            return
        except AsteriskError:
            continue


async def let_go(services: Services, channel_id: str, result: str | None = None) -> None:
    """Send a channel on in the dialplan, with the result it may read.

    The guard first: without it Stasis is entered again inside Dial's U() (docs/asterisk.md).
    """
    await _set(services, channel_id, DONE, "1")
    if result is not None:
        await _set(services, channel_id, RESULT, result)
    await services.ari.continue_in_dialplan(channel_id)


async def _set(services: Services, channel_id: str, name: str, value: str) -> None:
    try:
        await services.ami.set_variable(channel_id, name, value)
    except Unavailable:
        await services.ari.set_variable(channel_id, name, value)
