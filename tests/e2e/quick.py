"""A site where everything takes a second: tones as prompts, short time-outs, a policy per context.

The customer's number is dialled behind a prefix that picks the policy (NORMAL, ENDING, DESTROYING).
"""

import asyncio
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from lab.phone import Call, IncomingCall, OutgoingCall
from lab.site import SHIPPED_CONFIG, Site
from lab.story import AGENT_HZ, outbound
from lab.tones import await_tone, hears, tone, write_wav
from tests.e2e.stage import Stage, eventually

INFORMATION_HZ, INFORMATION_SECONDS = 900, 1.2
QUESTION_HZ, QUESTION_SECONDS = 1000, 0.8
NOTICE_HZ, NOTICE_SECONDS = 1100, 2.0
WAIT_HZ = (520, 660, 780)
RECORDED_HZ = 1400
NOT_RECORDED_HZ = 400

# What the agent dials before the number: the shipped policy, and two that differ from it.
NORMAL, ENDING, DESTROYING = "9", "7", "8"
_CONTEXTS = {ENDING: "ending", DESTROYING: "destroying"}

_DIALPLAN = """
[from-agent](+)
exten => _{prefix}[0-9+].,1,Set(NUMBER=${{FILTER(0-9+,${{EXTEN:1}})}})
 same => n,Set(__DYNAMIC_FEATURES=site-feature)
 same => n,Set(CUSTOMER=PJSIP/trunk/sip:${{NUMBER}}@127.0.0.1:{trunk})
 same => n,Set(ROUTINE=ari-controller-outbound^${{NUMBER}}^${{UNIQUEID}}^{context})
 same => n,Dial(${{CUSTOMER}},60,m(ari-controller-wait)U(${{ROUTINE}}))
 same => n,Hangup()
"""
# A feature of the site's own, which calls with those prefixes have.
SITE_KEYS, SITE_GLOBAL = "*7", "SITE_FEATURE"
_FEATURE = f"""
[applicationmap](+)
site-feature => {SITE_KEYS},self,Set(GLOBAL({SITE_GLOBAL})=pressed)
"""


def quick_site(directory: Path) -> Site:
    """Return the site, not yet started."""
    directory.mkdir(parents=True, exist_ok=True)
    site = Site(directory, changes=_changes(directory))
    for prefix, context in _CONTEXTS.items():
        site.asterisk.files["extensions.conf"] += _DIALPLAN.format(
            prefix=prefix, context=context, trunk=site.ports.trunk
        )
    site.asterisk.files["features.conf"] += _FEATURE
    return site


def _changes(directory: Path) -> dict[str, Any]:
    shipped = yaml.safe_load(SHIPPED_CONFIG.read_text(encoding="utf-8"))
    sounds = {}
    for name, hz, seconds in (
        ("inbound", NOTICE_HZ, NOTICE_SECONDS),
        ("information", INFORMATION_HZ, INFORMATION_SECONDS),
        ("question", QUESTION_HZ, QUESTION_SECONDS),
    ):
        path = directory / f"{name}.wav"
        write_wav(path, tone(hz, seconds))
        sounds[name] = {"text": f"a tone of {hz} Hz", "audio": str(path)}
    inbound, asking = shipped["policies"]
    asking |= {
        "first_digit_timeout_seconds": 1.5,
        "overall_timeout_seconds": 10,
        "on_refusal": "continue-unrecorded",
    }
    notices = [
        {
            "id": "inbound",
            "version": "1",
            "languages": {"ro": {"information": sounds["inbound"]}},
        },
        {
            "id": "outbound",
            "version": "1",
            "languages": {
                "ro": {"information": sounds["information"], "question": sounds["question"]}
            },
        },
    ]
    ending = _variant(asking, _CONTEXTS[ENDING], on_refusal="end-call")
    destroying = _variant(asking, _CONTEXTS[DESTROYING], on_withdrawal="destroy")
    return {"notices": notices, "policies": [inbound, ending, destroying, asking]}


def _variant(policy: dict[str, Any], context: str, **changes: str) -> dict[str, Any]:
    match = {"direction": "outbound", "context": [context]}
    return deepcopy(policy) | changes | {"name": context, "match": match}


async def informed(customer: Call) -> None:
    """Wait until the customer hears the information part."""
    await await_tone(customer, INFORMATION_HZ)


async def asked(customer: Call) -> None:
    """Wait until the customer hears the question."""
    await await_tone(customer, QUESTION_HZ, 10.0)


async def question_over(customer: Call) -> None:
    """Wait until the customer heard the whole question, the first time: an answer is due."""
    whole = QUESTION_SECONDS - 0.1  # the first and the last window are not full of it
    await eventually(lambda: hears(customer, QUESTION_HZ, for_seconds=whole))


async def connected(agent: Call, customer: Call, customer_hz: int) -> None:
    """Wait until each hears the other, for half a second of talk."""
    await asyncio.gather(await_tone(agent, customer_hz, 15.0), await_tone(customer, AGENT_HZ, 15.0))
    begun = asyncio.get_running_loop().time()
    for call, hz in ((agent, customer_hz), (customer, AGENT_HZ)):
        await eventually(
            lambda call=call, hz=hz: hears(call.heard.samples(begun), hz, for_seconds=0.5)  # type: ignore[misc]
        )


async def recorded_call(
    stage: Stage, number: str, customer_hz: int, prefix: str = NORMAL
) -> tuple[OutgoingCall, IncomingCall]:
    """Let the agent call, the customer agree, and both talk: now the call is being recorded."""
    agent, customer = await outbound(stage.cast, number, customer_hz, prefix=prefix)
    await asked(customer)
    await customer.dtmf("1")
    await connected(agent, customer, customer_hz)
    await stage.fact(number, "recording_started")
    return agent, customer
