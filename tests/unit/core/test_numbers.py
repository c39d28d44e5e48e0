import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ari_controller.core.numbers import mask, normalise

numberish = st.text("+0123456789 -./()\u00a0a", max_size=24)


@pytest.mark.parametrize(
    "raw",
    [
        "+40721234567",
        "0040721234567",
        "0721234567",
        "40721234567",
        " 0721 234-567 ",
        "(0721) 234.567",
        "+40 (0) 721 234 567",
        "+40/721\u00a0234\u2011567",
    ],
)
def test_one_subscriber_has_one_number(raw: str) -> None:
    assert normalise(raw) == "+40721234567"


def test_the_national_zero_becomes_the_country_code_given() -> None:
    assert normalise("030 123456", "49") == "+4930123456"


@pytest.mark.parametrize("short", ["112", "101", "5170", "123456", "007"])
def test_a_short_number_stays_as_it_is(short: str) -> None:
    assert normalise(short) == short


def test_a_long_number_of_no_known_country_stays_digits() -> None:
    assert normalise("721234567") == "721234567"


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "   ",
        "anonymous",
        "Restricted",
        "unknown",
        "0",
        "0000000000",
        "+",
        "+12",
        "+0721234567",
        "++40721234567",
        "40+721234567",
        "sip:0721234567@example.invalid",
        "+1234567890123456",
        "1234567890123456",
        "0721234567;DROP TABLE calls",
        "٠٧٢١٢٣٤٥٦٧",
        "0721234567" + " " * 60,
        "\x000721234567",
    ],
)
def test_withheld_and_garbage_are_no_number(raw: str | None) -> None:
    assert normalise(raw) is None


@given(st.text() | numberish)
@example("00(0)")
def test_any_text_becomes_a_clean_number_or_none_and_stays_so(raw: str) -> None:
    number = normalise(raw)
    if number is not None:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}|[0-9]{1,15}", number)
        assert normalise(number) == number


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+40721234567", "+40*******67"),
        ("+12125550123", "+1********23"),
        ("+37312345678", "+373******78"),
        ("721234567", "*******67"),
        ("112", "***"),
        ("5170", "****"),
        ("", ""),
        ("Ion Popescu", "***********"),
    ],
)
def test_a_masked_number_shows_its_country_and_two_digits(number: str, masked: str) -> None:
    assert mask(number) == masked


@given(st.text() | numberish)
def test_a_mask_never_shows_more_than_country_and_two_digits(number: str) -> None:
    assert re.fullmatch(r"(\+[0-9]{1,3})?\**([0-9]{2})?", mask(number))
    if len(number) <= 6:
        assert set(mask(number)) <= {"*"}


@given(st.integers(10**6, 10**15 - 1))
def test_at_least_two_digits_of_any_number_are_hidden(digits: int) -> None:
    assert mask(f"+{digits}").count("*") >= 2
