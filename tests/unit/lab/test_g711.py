import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.g711 import ALAW, CODECS, ULAW, Codec

BOTH = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())


@BOTH
def test_every_code_survives_decoding_and_encoding(codec: Codec) -> None:
    codes = bytes(range(256))
    again = codec.decode(codec.encode(codec.decode(codes)))
    assert np.array_equal(again, codec.decode(codes))


@BOTH
@given(sample=st.integers(-32768, 32767))
def test_no_code_is_nearer_than_the_chosen_one(codec: Codec, sample: int) -> None:
    chosen = codec.decode(codec.encode(np.array([sample], np.int16)))[0]
    nearest = np.abs(codec.decoded.astype(int) - sample).min()
    assert abs(int(chosen) - sample) == nearest


def test_known_codes_of_the_standard_decode_as_it_says() -> None:
    # G.711 tables 2a and 1a: the extremes and the values around zero, as 16-bit samples.
    assert ULAW.decode(bytes([0x00, 0x80, 0x7F, 0xFF, 0xFE])).tolist() == [-32124, 32124, 0, 0, 8]
    assert ALAW.decode(bytes([0x2A, 0xAA, 0x55, 0xD5])).tolist() == [-32256, 32256, -8, 8]


@BOTH
def test_silence_is_the_code_that_phones_send(codec: Codec) -> None:
    code = codec.encode(np.zeros(1, np.int16))
    assert code == {"PCMU": b"\xff", "PCMA": b"\xd5"}[codec.name]
