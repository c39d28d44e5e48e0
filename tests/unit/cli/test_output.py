import pytest

from ari_controller.cli.output import cell, print_facts, print_table


def test_text_from_outside_cannot_steer_a_terminal() -> None:
    assert cell("\x1b[2J\ned") == "\\x1b[2J\\x0aed"
    assert cell(["a", "\x07"]) == "a, \\x07"
    assert cell({"key": "\u202e"}) == '{"key": "\\x202e"}'


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), ("", "-"), ((), "-"), (True, "yes"), (False, "no"), (0, "0"), ("ș", "ș")],
)
def test_values_are_words(value: object, text: str) -> None:
    assert cell(value) == text


def test_a_table_into_a_pipe_is_plain_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "LONG"), [("x" * 300, 1), ("y", 2)], "nothing")
    assert capsys.readouterr().out.splitlines() == [
        f"A{' ' * 299}  LONG",
        f"{'x' * 300}  1",
        f"y{' ' * 299}  2",
    ]


def test_a_table_on_a_terminal_keeps_colour_out_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    print_table(("A", "B"), [("[red]x[/red]", 1)], "nothing")
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out
    assert "\x1b[3" not in out


def test_facts_are_lined_up(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"a": 1, "long": None})
    assert capsys.readouterr().out == "a     1\nlong  -\n"
