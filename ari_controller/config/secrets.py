"""Reads passwords from where only the daemon can: a file, or systemd's credentials directory."""

from pathlib import Path

from ari_controller.config.model import Account

MAX_SECRET_BYTES = 1024


class UnusableSecretError(Exception):
    """A password that cannot be read. The message never holds it; `key` is the key at fault."""

    def __init__(self, key: str, reason: str) -> None:
        self.key = key
        super().__init__(reason)


def read_password(account: Account, credentials_directory: Path | None) -> str:
    """Return an account's password without its end of line; raise UnusableSecretError."""
    if account.password_file is not None and account.credential is not None:
        raise UnusableSecretError("credential", "stands beside password_file: write one of the two")
    if account.password_file is not None:
        return _read("password_file", account.password_file)
    if account.credential is None:
        raise UnusableSecretError("", "password_file or credential is missing")
    if credentials_directory is None:
        reason = (
            "$CREDENTIALS_DIRECTORY is not set: systemd sets it for the service"
            " (LoadCredential=); elsewhere use password_file"
        )
        raise UnusableSecretError("credential", reason)
    return _read("credential", credentials_directory / account.credential)


def _read(key: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise UnusableSecretError(key, f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_SECRET_BYTES:
        raise UnusableSecretError(key, f"{path}: larger than {MAX_SECRET_BYTES} bytes")
    try:
        password = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise UnusableSecretError(key, f"{path}: is not UTF-8 text") from None
    if not password.isprintable():
        raise UnusableSecretError(key, f"{path}: must hold one line of printable text")
    if not password:
        raise UnusableSecretError(key, f"{path}: is empty")
    return password
