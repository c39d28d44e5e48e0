"""What is wrong with a configuration file, and where."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. Lines and columns count from 1; `key` is dotted, as `policies.0.keys`."""

    file: str
    line: int
    column: int
    key: str
    reason: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {key}{self.reason}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` are in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of_file(cls, path: Path, reason: str) -> "ConfigError":
        """Make the error for a file that cannot be read at all."""
        return cls([Problem(str(path), 1, 1, "", reason)])
