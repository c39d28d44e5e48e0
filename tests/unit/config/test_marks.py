import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ari_controller.config.marks import MAX_BYTES, parse
from ari_controller.config.problems import ConfigError


def problems(text: str | bytes) -> list[str]:
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        found = parse(content, "f").problems
    except ConfigError as error:
        found = list(error.problems)
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "no", "on", "off", "NO", "y", "0721234567", "+40721234567", "12:30", "1_000"),
        *("0x1F", "0o17", "017", "2026-01-31", "2026-01-31T10:00:00Z", "1e3", ".inf", ".nan"),
        *("1.", "=", "<<"),
    ],
)
def test_what_yaml_guesses_at_stays_text_as_it_stands(text: str) -> None:
    assert parse(f"- {text}\n".encode(), "f").data == [text]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("false", False), ("null", None), ("~", None), ("", None)),
        *(("0", 0), ("42", 42), ("-3", -3), ("0.5", 0.5), ("374800800", 374800800)),
        *(('"42"', "42"), ("'true'", "true"), ('""', "")),
    ],
)
def test_plain_words_and_numbers_are_what_they_look_like(text: str, value: object) -> None:
    [found] = parse(f"- {text}\n".encode(), "f").data
    assert found == value
    assert type(found) is type(value)


@given(st.from_regex(r"\+?[0-9]{7,15}", fullmatch=True))
@example("0721234567")
@example("0000000")
def test_an_unquoted_number_is_never_a_wrong_number(number: str) -> None:
    [found] = parse(f"- {number}".encode(), "f").data
    assert found == number or (isinstance(found, int) and str(found) == number)


def test_a_key_written_twice_is_refused_and_the_first_holds() -> None:
    document = parse(b"a: 1\nb:\n  c: 2\n  c: [3, {d: 4, d: 5}]\na: 6\n", "f")
    assert [str(problem) for problem in document.problems] == [
        "f:4:3: b.c: written twice; first in line 3",
        "f:4:17: b.c.1.d: written twice; first in line 4",
        "f:5:1: a: written twice; first in line 1",
    ]
    assert document.data == {"a": 1, "b": {"c": 2}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1\n", "f:1:4: a: anchors are not supported: write the value out"),
        ("a: *x\n", 'f:1:4: a: aliases are not supported; a key `*` is written "*"'),
        ("a: !!python/object:os.system x\n", "f:1:4: a: tags such as"),
        ("a: !x {b: 1}\n", "f:1:4: a: tags such as '!x' are not supported"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document: leave out `---` here"),
        ("? [1]\n: 2\n", "f:1:3: a key must be plain text"),
        ('a: "\\0"\n', "f:1:4: a: character U+0000 is not allowed"),
        ('a: "\\ud800"\n', "f:1:4: a: character U+D800 is not allowed"),
        ("a: \x07\n", "f:1:4: character U+0007 is not allowed"),
        ("é: \n  b: \x07\n", "f:2:6: character U+0007 is not allowed"),
        ("a: [1\nb: 2\n", "f:2:2: not valid YAML"),
        ('k: ["2", #]\nb: 1\n', 'quote keys such as "*" and "#"'),
        ("k: [*]\n", 'quote keys such as "*" and "#"'),
        ("a:\n\tb: 1\n", "f:2:1: not valid YAML"),
        ('a: "\\Uffffffff"\n', "out of range"),
        ("%YAML 1." + "1" * 5000 + "\n--- a\n", "out of range"),
    ],
)
def test_each_trap_names_its_place_and_remedy(text: str, said: str) -> None:
    assert said in "\n".join(problems(text))


def test_text_that_is_not_utf8_names_its_place() -> None:
    with pytest.raises(ConfigError, match="f:2:4: not UTF-8 text: save it as UTF-8"):
        parse(b"a: 1\nb: \xff\n", "f")


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse(b"\xef\xbb\xbfa: 1\n", "f").data == {"a": 1}


def test_a_file_too_large_or_too_deep_is_refused_at_once() -> None:
    assert problems("a" * (MAX_BYTES + 1)) == ["f:1:1: larger than 256 KiB"]
    assert "nested deeper than 16 levels" in problems("[" * 100_000)[0]
    assert "nested deeper than 16 levels" in problems("{a: 1, a: " * 20_000)[0]


yaml_shaped = st.lists(
    st.sampled_from(
        [
            *(
                "a",
                "b: ",
                "- ",
                "[",
                "]",
                "{",
                "}",
                ",",
                "\n",
                "  ",
                "&x ",
                "*x",
                "!!",
                "!t ",
                "? ",
            ),
            *(": ", "|\n", ">-\n", "'", '"', "\\u", "\\Ud8", "#", "%YAML 1.1\n", "---\n", "...\n"),
            *("0721", "~", "<<: ", "\t", "\r", "\u2028", "\ufeff", "\x00", "\ud800", "é", "@", "`"),
        ]
    ),
    max_size=40,
).map("".join)


@given(st.one_of(yaml_shaped, st.text(max_size=200)))
def test_hostile_text_raises_nothing_but_config_errors(text: str) -> None:
    for said in problems(text):
        assert said.startswith("f:")


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_nothing_but_config_errors(content: bytes) -> None:
    assert all(said.startswith("f:") for said in problems(content))
