import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ari_controller import logs


class Lines:
    """Standard output, as a stream in memory."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()

    def take(self) -> list[dict[str, Any]]:
        content = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        assert content.endswith(b"\n") or not content
        return [json.loads(line) for line in content.splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    found = Lines()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info", found.stream)
    yield found
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_one_event_is_one_json_line_in_utc(lines: Lines) -> None:
    structlog.get_logger("ari_controller.daemon").info("link up", link="ari", text="a\nb")
    [line] = lines.take()
    assert list(line) == ["timestamp", "level", "logger", "event", "link", "text"]
    assert (line["event"], line["level"], line["link"]) == ("link up", "info", "ari")
    assert line["logger"] == "ari_controller.daemon"
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    structlog.get_logger().debug("not this")
    assert lines.take() == []


async def test_a_call_id_follows_its_tasks_and_no_others(lines: Lines) -> None:
    log = structlog.get_logger()

    async def serve(call_id: str) -> None:
        structlog.contextvars.bind_contextvars(call_id=call_id)
        await asyncio.sleep(0)
        log.info("step")

    async with asyncio.TaskGroup() as group:
        group.create_task(serve("a"))
        group.create_task(serve("b"))
    log.info("outside")
    assert [line.get("call_id") for line in lines.take()] == ["a", "b", None]


@pytest.mark.parametrize("name", ["aiohttp.server", "panoramisk.manager", "alembic", "sqlalchemy"])
def test_libraries_are_rendered_and_redacted_in_the_same_way(lines: Lines, name: str) -> None:
    logging.getLogger(name).warning("call of %s, 100%% lost", "+40721234567")
    logging.getLogger(name).debug("Secret: hunter2")
    [line] = lines.take()
    assert line["event"] == "call of [redacted], 100% lost"
    assert (line["level"], line["logger"]) == ("warning", name)


def test_a_record_whose_arguments_do_not_fit_is_still_a_line(lines: Lines) -> None:
    record = logging.makeLogRecord({"msg": "%d of %s", "args": ("one",), "levelno": logging.ERROR})
    [ours] = [one for one in logging.getLogger().handlers if type(one).__module__ == logs.__name__]
    ours.handle(record)
    assert lines.take()[0]["event"] == "%d of %s"


def test_an_exception_is_one_line_and_redacted(lines: Lines) -> None:
    try:
        int("0721 234 567")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("x").exception("failed too")
    for line in lines.take():
        assert (
            "ValueError: invalid literal for int() with base 10: '[redacted]'" in line["exception"]
        )
        assert line["level"] == "error"


@pytest.mark.parametrize(
    "key",
    ["number", "caller", "Callee", "digit", "digits", "password", "ami_password", "secret_file"],
)
def test_values_of_sensitive_keys_are_dropped_whatever_they_are(lines: Lines, key: str) -> None:
    structlog.get_logger().info("x", **{key: "5"}, deep={"list": [{key: 17}]})
    [line] = lines.take()
    assert line[key] == "[redacted]"
    assert line["deep"] == {"list": [{key: "[redacted]"}]}


@pytest.mark.parametrize(
    "text",
    [
        "1763936000.123",
        "pbx-1763936000.123",
        "2026-11-23T22:40:44.123456Z",
        "2026-11-23T22:40:44+02:00",
        "0123456789abcdef0123456789abcdef",
        "tone-0123456789abcdef0123456789abcdef-recorded",
        "b3b1c8a0-1234-4567-8901-123456789012",
        "PJSIP/trunk-00000012",
        "127.0.0.1:8188",
        "took 12.5 s of 600",
        "answered 404 to 12 of 345",
    ],
)
def test_ids_instants_and_small_numbers_stay_readable(text: str) -> None:
    assert logs.scrub(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "PJSIP/0721234567-00000012",
        "sip:+40721234567@10.0.0.1",
        "(021) 310-10.10",
        "+40 (0) 721 234 567",
        "%2B40721234567",
        "٠٧٢١٢٣٤٥٦٧",
        "0721\u2011234\u2011567",
        "keys 1 2 3 4 5 6 7",
    ],
)
def test_numbers_in_disguise_are_masked(text: str) -> None:
    masked = logs.scrub(text)
    assert "[redacted]" in masked
    assert not re.search(r"\d{3}(?!\d*\])", masked.removesuffix("@10.0.0.1").split("-0000")[0])


numbers = st.builds(
    lambda prefix, groups, separator: prefix + separator.join(groups),
    st.sampled_from(["", "+", "00", "0", "+40", "0040", "+1", "(0)", "tel:", "+40 (0)"]),
    st.lists(st.from_regex(r"[0-9]{2,4}", fullmatch=True), min_size=3, max_size=5).filter(
        lambda groups: 7 <= sum(map(len, groups)) <= 13
    ),
    st.sampled_from(["", " ", "-", ".", "/", "\u00a0", "\u2011", " - "]),
)
around = st.sampled_from(
    ["", " ", "'", '"', "<", ">", "@", ":", ",", ";", "\n", "=", "x", "număr "]
)


@given(numbers, around, around)
def test_no_generated_number_survives(number: str, before: str, after: str) -> None:
    masked = logs.scrub(before + number + after)
    digits = re.sub(r"\D", "", number)
    left = re.sub(r"\D", "", masked)
    assert not any(digits[at : at + 5] in left for at in range(len(digits) - 4)), masked


json_like = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), numbers
    ),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.one_of(st.text(), st.integers()), inner)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), json_like)
def test_whatever_is_logged_is_one_json_line(lines: Lines, event: str, value: object) -> None:
    structlog.get_logger().info(event, value=value, other=object())
    assert len(lines.take()) == 1


def test_a_closed_stream_does_not_take_the_daemon_down(lines: Lines) -> None:
    lines.stream.close()
    structlog.get_logger().error("nobody reads this")


def test_configuring_twice_writes_each_line_once(lines: Lines) -> None:
    logs.configure("info", lines.stream)
    logging.getLogger("x").warning("once")
    assert len(lines.take()) == 1
