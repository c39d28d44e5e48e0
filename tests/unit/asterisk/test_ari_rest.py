"""Paths that cannot be steered, and answers sorted by what may be concluded."""

from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ari_controller.asterisk.ari_rest import Answer, encode_path, error_for
from ari_controller.asterisk.errors import (
    AsteriskError,
    Conflict,
    NotFound,
    Refused,
    Unavailable,
    UnsafeValue,
)

ids = st.text(min_size=1) | st.sampled_from(["..", ".", "a/b", "%2F", "a?b=c", "a#b", "../../x"])


@given(st.lists(ids, min_size=1, max_size=4))
def test_every_id_stays_one_path_segment_and_comes_back_unchanged(segments: list[str]) -> None:
    assume(not any("\0" in segment for segment in segments))
    try:
        path = encode_path(segments)
    except UnsafeValue:
        assert any("\ud800" <= c <= "\udfff" for segment in segments for c in segment)
        return
    sent = path.split("/")
    assert [unquote(segment) for segment in sent] == segments
    assert path.isascii()
    assert not {"", ".", ".."} & set(sent)
    assert not set("?#&; ") & set(path)


@pytest.mark.parametrize("bad", ["", "\0", "a\0b", "\ud800"])
def test_an_id_that_would_name_something_else_is_refused(bad: str) -> None:
    with pytest.raises(UnsafeValue):
        encode_path(["channels", bad])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, Refused),
        (403, Refused),
        (404, NotFound),
        (405, Refused),
        (409, Conflict),
        (422, NotFound),
        (500, Unavailable),
        (501, Unavailable),
        (503, Unavailable),
    ],
)
def test_an_answer_is_sorted_by_what_the_caller_may_conclude(
    status: int, kind: type[AsteriskError]
) -> None:
    error = error_for(Answer(status, b'{"message":"Channel not found"}'), "GET channels")
    assert type(error) is kind
    assert str(error) == f"GET channels: {status} Channel not found"


@given(st.integers(min_value=400, max_value=599), st.binary() | st.text())
def test_any_error_answer_can_be_sorted(status: int, body: bytes | str) -> None:
    error = error_for(Answer(status, body), "GET channels")
    assert isinstance(error, Unavailable) == (status >= 500)


def test_an_answer_that_is_no_json_object_is_sorted_too() -> None:
    assert str(error_for(Answer(502, msgspec.json.encode([1])), "GET x")) == "GET x: 502"
