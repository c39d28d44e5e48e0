"""The tone that tells the agent, and nobody else, whether the call is recorded.

A whispering snoop channel on the agent's leg: the customer does not hear it, and MixMonitor on the
customer's channel does not get it. The snoop channel enters our application like a call; it is
known by its first argument and by its id.
"""

import structlog

from ari_controller.asterisk.ari_events import PlaybackFinished, StasisStart
from ari_controller.asterisk.errors import AsteriskError
from ari_controller.core.model import CallFacts
from ari_controller.dispatcher.services import Services

log = structlog.get_logger(__name__)
KIND = "tone"


async def tell_agent(services: Services, facts: CallFacts, recorded: bool) -> None:
    """Open the snoop channel; the rest follows in `on_start` and `on_finished`."""
    if facts.agent_channel_id is None:
        return
    which = "recorded" if recorded else "not_recorded"
    snoop_id = f"{KIND}-{facts.call_id}-{which}"
    try:
        await services.ari.snoop(facts.agent_channel_id, snoop_id, app_args=f"{KIND},{which}")
    except AsteriskError as error:
        # A courtesy: the call and the recording are as they should be without it.
        log.warning("no tone for the agent", call_id=facts.call_id, reason=str(error))


async def on_start(services: Services, event: StasisStart) -> None:
    """Play the tone into the snoop channel that just entered."""
    tones = services.settings().tones
    media = tones.recorded if event.args[1:] == ["recorded"] else tones.not_recorded
    try:
        await services.ari.play(event.channel.id, event.channel.id, f"sound:{media.path}")
    except AsteriskError as error:
        log.warning("no tone for the agent", reason=str(error))
        await _close(services, event.channel.id)


async def on_finished(services: Services, event: PlaybackFinished) -> None:
    """Close the snoop channel: its id is the playback's."""
    await _close(services, event.playback.id)


def is_tone(playback_id: str) -> bool:
    """Tell a tone's playback from a notice's."""
    return playback_id.startswith(f"{KIND}-")


async def _close(services: Services, snoop_id: str) -> None:
    try:
        await services.ari.hang_up(snoop_id)
    except AsteriskError as error:
        log.info("snoop channel was gone already", reason=str(error))
