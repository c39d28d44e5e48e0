"""The border for a call that enters Stasis: arguments of the dialplan into checked facts.

What the dialplan passes is `inbound,did=…,context=…` or
`outbound,number=…,context=…,agent=CHANNEL_ID`; StasisBroadcast passes the same parts
(dialplan/README.md). Caller data is untrusted text.
"""

import re

from ari_controller.asterisk.ari_events import StasisStart
from ari_controller.core.model import CallFacts, Direction
from ari_controller.core.numbers import normalise

_CHANNEL_ID = re.compile(r"[A-Za-z0-9._-]{1,80}")
_NAME = re.compile(r"[A-Za-z0-9._*#+-]{1,80}")


class UnknownArrival(ValueError):
    """The dialplan sent a channel with arguments that are not ours."""


def arrival(event: StasisStart, call_id: str, country_code: str) -> CallFacts:
    """Return the facts of a call that just entered; raise UnknownArrival, naming the argument."""
    kind, *rest = event.args or [""]
    try:
        direction = Direction(kind)
    except ValueError:
        raise UnknownArrival(
            f"first Stasis argument is {kind[:20]!r}, not 'inbound' or 'outbound'"
        ) from None
    given = dict(part.partition("=")[::2] for part in rest)
    agent = given.get("agent") or None
    if agent is not None and not _CHANNEL_ID.fullmatch(agent):
        raise UnknownArrival("argument 'agent' is not a channel id")
    channel = event.channel
    raw = channel.caller.number if direction is Direction.INBOUND else given.get("number", "")
    return CallFacts(
        call_id=call_id,
        direction=direction,
        channel_id=channel.id,
        linkedid=_name(given.get("linkedid")) or channel.id,
        did=_name(given.get("did")),
        number=normalise(raw, country_code),
        endpoint=endpoint_of(channel.name),
        context=_name(given.get("context")) or "",
        agent_channel_id=agent,
        early_media=channel.state != "Up",
    )


def endpoint_of(channel_name: str) -> str:
    """Return `trunk` of `PJSIP/trunk-0000001a`; empty where that is no plain name."""
    return _name(channel_name.partition("/")[2].rpartition("-")[0]) or ""


def _name(value: str | None) -> str | None:
    return value if value and _NAME.fullmatch(value) else None
