"""Telephone numbers: untrusted text to E.164 where it can be, and masked for people to read."""

import re

MAX_RAW_LENGTH = 64
# ITU-T E.164: at most 15 digits; the shortest in use with their country code have 7.
MAX_DIGITS = 15
MIN_INTERNATIONAL_DIGITS = 7
MAX_SHORT_DIGITS = 6
# A country code in front of fewer digits than this is as likely a part of a local number.
MIN_NATIONAL_DIGITS = 8
SHOWN_LAST_DIGITS = 2

_SEPARATORS = str.maketrans("", "", " \t\u00a0-\u2010\u2011\u2012\u2013./()")
_DIGITS = re.compile(r"[0-9]+")
_MASKABLE = re.compile(r"\+?[0-9]{7,15}")
_COUNTRY_CODE = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[2-9][0-9]{2}"
)


def normalise(raw: str | None, country_code: str = "40") -> str | None:
    """Return a number as `+` and digits, or as bare digits where no country can be told.

    Visual separators go, `00` becomes `+`, a national leading 0 becomes the country code; short
    numbers (extensions, 112) stay digits. Withheld, empty, or anything else is None. Never raises;
    what it returned it returns unchanged.
    """
    if raw is None or len(raw) > MAX_RAW_LENGTH:
        return None
    text = raw.strip()
    if text.startswith(("+", "00")):
        text = text.replace("(0)", "", 1)
    return _resolve(text.translate(_SEPARATORS), country_code)


def mask(number: str) -> str:
    """Return `+40*******67` for `+40721234567`; short numbers and other text fully masked (N5)."""
    if not _MASKABLE.fullmatch(number):
        return "*" * min(len(number), MAX_DIGITS)
    country = _COUNTRY_CODE.match(number, 1) if number.startswith("+") else None
    shown = country.end() if country else 0
    hidden = len(number) - shown - SHOWN_LAST_DIGITS
    return number[:shown] + "*" * hidden + number[-SHOWN_LAST_DIGITS:]


def _resolve(text: str, country_code: str) -> str | None:
    if text.startswith("+"):
        return _international(text[1:])
    if not _DIGITS.fullmatch(text) or not text.strip("0"):
        return None
    if len(text) <= MAX_SHORT_DIGITS:
        return text
    if text.startswith("0"):
        return _international(text[2:] if text.startswith("00") else country_code + text[1:])
    with_country = text.startswith(country_code) and (
        len(text) >= len(country_code) + MIN_NATIONAL_DIGITS
    )
    return _international(text) if with_country or len(text) > MAX_DIGITS else text


def _international(digits: str) -> str | None:
    if not _DIGITS.fullmatch(digits) or digits.startswith("0"):
        return None
    if not MIN_INTERNATIONAL_DIGITS <= len(digits) <= MAX_DIGITS:
        return None
    return "+" + digits
