"""What the AMI client refuses before it says anything to anyone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_controller.asterisk.ami import AmiClient
from ari_controller.asterisk.errors import Unavailable, UnsafeValue

tempting = st.sampled_from(
    [
        "/spool/x.wav,,touch /tmp/x",
        "/spool/../etc/x.wav",
        "/spool/x(1).wav",
        "/spool/x.wav)b(",
        "/spool/x y.wav",
        "/spool/${SHELL(id)}.wav",
        "/spool/x.wav\r\nCommand: id",
        "/spool/x.wav\n",
        "/spool/",
        "",
        "/spool/..",
        "/" + "x" * 121,
        "/" * 201,
        "/spool/ș.wav",
    ]
)


async def nothing() -> None:
    """Be up."""


def not_connected() -> AmiClient:
    """Return a client that says Unavailable to whatever it would send."""
    return AmiClient("127.0.0.1", 9, "u", "s", on_up=nothing, on_down=lambda reason: None)


async def would_send(rx: str, tx: str, variable: str = "AC_MIXMONITOR") -> bool:
    try:
        await not_connected().start_mixmonitor("1.2", rx, tx, variable)
    except UnsafeValue:
        return False
    except Unavailable:
        return True
    raise AssertionError("something was sent")


@given(tempting | st.text(max_size=30) | st.from_regex(r"[/A-Za-z0-9._-]+", fullmatch=True))
async def test_no_path_leaves_that_could_be_more_than_a_path(path: str) -> None:
    safe = (
        re.fullmatch(r"[A-Za-z0-9._/-]{1,200}", path) is not None
        and ".." not in path
        and 1 <= len(path.rpartition("/")[2]) <= 120
    )
    assert await would_send(path, "/spool/other-tx.wav") == (safe and path != "/spool/other-tx.wav")
    assert await would_send("/spool/other-rx.wav", path) == (safe and path != "/spool/other-rx.wav")


async def test_both_directions_cannot_go_to_one_file() -> None:
    assert not await would_send("/spool/a.wav", "/spool/a.wav")


@pytest.mark.parametrize("name", ["", "A)b(", "A B", "A,b", "1A", "A\n", "${A}"])
async def test_the_variable_for_the_id_is_a_plain_name(name: str) -> None:
    assert not await would_send("/spool/a.wav", "/spool/b.wav", name)


@pytest.mark.parametrize("bad", ["", "0x", "all", "0x1\r\n", "0x1,2", "0X1", "0x" + "1" * 17])
async def test_a_stop_names_exactly_one_recording(bad: str) -> None:
    with pytest.raises(UnsafeValue):
        await not_connected().stop_mixmonitor("1.2", bad)
    with pytest.raises(UnsafeValue):
        await not_connected().mute_mixmonitor("1.2", bad, on=True)


@pytest.mark.parametrize("bad", ["", "a/b", "a%", "a\nb", "é", "a" * 121])
async def test_a_database_name_is_plain(bad: str) -> None:
    with pytest.raises(UnsafeValue):
        await not_connected().database_family(bad)
    with pytest.raises(UnsafeValue):
        await not_connected().database_delete("family", bad)


async def test_nothing_is_sent_while_not_connected() -> None:
    with pytest.raises(Unavailable, match="not connected"):
        await not_connected().stop_mixmonitor("1.2", "0x7fda94002c30")
