"""A whole, valid configuration on disk, to be broken in one place or more."""

import math
import wave
from array import array
from pathlib import Path

from ari_controller.config.load import Settings, load
from ari_controller.config.problems import ConfigError

VALID = """\
data_controller:
  name: Example SRL
  address: Street 1, Bucharest
  email: privacy@example.com
  complaint_authority: {name: ANSPDCP}
asterisk:
  ari: {password_file: ari.secret}
  ami: {credential: ami-password}
archive: {path: archive, region: RO}
country_code: "40"
timezone: Europe/Bucharest
notices:
  - id: inbound
    version: "1"
    languages:
      ro:
        information: {text: Înregistrăm., audio: in-ro.wav}
  - id: outbound
    version: "1"
    languages:
      ro:
        information: {text: Dorim., audio: out-ro.wav}
        question: {text: Apăsați 1., audio: ask-ro.wav}
      en:
        information: {text: We would like., audio: out-en.wav}
tones: {recorded: yes.wav, not_recorded: no.wav}
policies:
  - name: in
    match: {direction: inbound, did: ["0374800800", "+40374*"]}
    mode: implied
    notice: inbound
    language: ro
    keys: {opt_out: ["2", "9"]}
    purposes: [quality]
    legal_basis: consent
    retention_months: 6
  - name: out
    match: {direction: outbound}
    mode: prompted
    notice: outbound
    language: ro
    purposes: [quality]
    legal_basis: consent
    retention_months: 6
"""


def write_wav(
    path: Path, seconds: float = 0.5, *, rate: int = 8000, channels: int = 1, peak: int = 8000
) -> None:
    count = int(seconds * rate) * channels
    samples = array("h", (int(peak * math.sin(0.3 * index)) for index in range(count)))
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())


class ConfigFolder:
    """A folder with `config.yaml`, its sound files and its secrets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "config.yaml"
        self.credentials = path / "credentials"
        self.text = VALID
        self.credentials.mkdir()
        (self.credentials / "ami-password").write_text("ami secret\n")
        (path / "ari.secret").write_text("ari secret\n")
        for name in ("in-ro", "out-ro", "ask-ro", "out-en", "yes", "no"):
            write_wav(path / f"{name}.wav")

    def change(self, old: str, new: str, count: int = 1) -> None:
        assert old in self.text
        self.text = self.text.replace(old, new, count)

    def load(self) -> Settings:
        self.file.write_bytes(self.text.encode("utf-8", "surrogatepass"))
        return load(self.file, self.credentials)

    def problems(self) -> list[str]:
        """Load and return what is wrong, as `line:column: key: reason`."""
        try:
            self.load()
        except ConfigError as error:
            return [str(problem).removeprefix(f"{self.file}:") for problem in error.problems]
        return []
