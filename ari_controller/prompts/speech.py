"""Text to speech by a program of the machine's: espeak-ng, or piper with a model of the user's.

The text goes in by stdin and no shell is involved.
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ari_controller.prompts.errors import PromptsError

WORDS_PER_MINUTE = 180
TIMEOUT_SECONDS = 120
# espeak-ng's plain `en` is the same voice under another name.
_ESPEAK_VOICES = {"en": "en-gb"}


@dataclass(frozen=True, slots=True)
class Voice:
    """A speech synthesiser; `piper_model` is None for espeak-ng."""

    piper_model: Path | None = None

    def name(self, language: str) -> str:
        """Return what the manifest says of who spoke."""
        if self.piper_model is not None:
            return f"piper {self.piper_model.name}"
        return f"espeak-ng {_ESPEAK_VOICES.get(language, language)}"

    def say(self, text: str, language: str) -> bytes:
        """Return a wav of `text`; raise PromptsError."""
        with tempfile.TemporaryDirectory(prefix="ari-controller-prompts-") as folder:
            wav = Path(folder) / "speech.wav"
            _run(self._command(language, wav), text)
            try:
                return wav.read_bytes()
            except OSError:
                raise PromptsError(f"{self.name(language)} wrote no sound file") from None

    def _command(self, language: str, wav: Path) -> list[str]:
        if self.piper_model is not None:
            model = str(self.piper_model)
            return [_program("piper"), "--model", model, "--output_file", str(wav)]
        voice = _ESPEAK_VOICES.get(language, language)
        speed = str(WORDS_PER_MINUTE)
        return [_program("espeak-ng"), "-v", voice, "-s", speed, "--stdin", "-w", str(wav)]


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        remedy = "apt-get install espeak-ng" if name == "espeak-ng" else "pip install piper-tts"
        raise PromptsError(f"{name} is not installed: {remedy}")
    return path


def _run(command: list[str], text: str) -> None:
    # One line: piper makes a file of each.
    line = " ".join(text.split()) + "\n"
    try:
        # A fixed program with an argument list; the voice is checked by the config's model.
        done = subprocess.run(  # noqa: S603
            command, input=line.encode(), capture_output=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise PromptsError(f"{command[0]} took longer than {TIMEOUT_SECONDS} s") from None
    except OSError as error:
        raise PromptsError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise PromptsError(f"{command[0]} failed: {reason}")
