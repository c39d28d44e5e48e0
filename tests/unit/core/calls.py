"""Calls and policies for the core's tests, each with only what a test changes."""

from dataclasses import replace

from ari_controller.core.call import Call
from ari_controller.core.model import (
    CallFacts,
    ConsentMode,
    Direction,
    Match,
    Media,
    Notice,
    Policy,
)

INFORMATION = Media("/prompts/information", "a" * 64, 4.0)
QUESTION = Media("/prompts/question", "b" * 64, 2.0)
NOTICE = Notice("welcome", "1", "ro", INFORMATION, QUESTION)
POLICY = Policy(
    name="rule",
    version="0123456789abcdef",
    match=Match(),
    mode=ConsentMode.IMPLIED,
    purposes=("quality",),
    legal_basis="consent",
    retention_months=6,
    notice=NOTICE,
    opt_out_keys=frozenset({"2"}),
)
FACTS = CallFacts(
    call_id="call",
    direction=Direction.INBOUND,
    channel_id="customer",
    linkedid="customer",
    did="0374800800",
    number="+40721234567",
    endpoint="trunk",
    context="from-trunk",
)


def inbound(**policy: object) -> Call:
    return Call(FACTS, replace(POLICY, **policy))  # type: ignore[arg-type]


def outbound(**policy: object) -> Call:
    facts = replace(FACTS, direction=Direction.OUTBOUND, agent_channel_id="agent")
    rule = replace(POLICY, mode=ConsentMode.PROMPTED, first_digit_timeout_seconds=4.0)
    return Call(facts, replace(rule, **policy))  # type: ignore[arg-type]
