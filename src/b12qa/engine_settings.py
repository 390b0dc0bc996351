"""What an operator says of an engine, read from the environment and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from b12qa.errors import SettingsError

ADDRESS_VARIABLE = "B12QA_ENGINE"
DEFAULT_NAME = "b12qa"
DEFAULT_TIMEOUT_SECONDS = 10.0
_LOCAL = ".db"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where the engine is, and how it is entered."""

    address: str  # https://milvus.example:19530, http://…, or a file that ends with .db: Milvus Lite
    token: str = field(default="", repr=False)  # "user:password", or an API key
    ca_file: str = ""  # certificates (PEM) that the engine's must lead to; empty: those of the system
    certificate_file: str = ""  # our own, where the engine asks for one
    key_file: str = ""
    server_name: str = ""  # in the engine's certificate, if it is not that of the address
    database: str = ""
    name: str = DEFAULT_NAME  # the alias, and the beginning of the names of collections
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    @property
    def is_file(self) -> bool:
        """Whether it is Milvus Lite, in this process."""
        return self.address.endswith(_LOCAL)

    @property
    def travels_openly(self) -> bool:
        """Whether others on the way can read what is sent: the words of questions, and the token."""
        return urlsplit(self.address).scheme == "http" and not _is_this_machine(self.address)


def read_engine_settings(environment: Mapping[str, str] | None = None) -> EngineSettings | None:
    """What the variables B12QA_ENGINE and B12QA_ENGINE_… say; None if they name no engine.

    Raises:
        SettingsError: a value is not of its form; the message names the variable.
    """
    given = os.environ if environment is None else environment
    address = given.get(ADDRESS_VARIABLE, "").strip()
    if not address:
        return None

    def value(name: str, default: str = "") -> str:
        return given.get(f"{ADDRESS_VARIABLE}_{name}", "").strip() or default

    settings = EngineSettings(
        address=_checked_address(address),
        token=_token(value("TOKEN"), value("TOKEN_FILE")),
        ca_file=value("CA_FILE"),
        certificate_file=value("CERT_FILE"),
        key_file=value("KEY_FILE"),
        server_name=value("SERVER_NAME"),
        database=value("DATABASE"),
        name=_checked_name(value("NAME", DEFAULT_NAME)),
        timeout_seconds=_seconds(value("TIMEOUT", str(DEFAULT_TIMEOUT_SECONDS))),
    )
    _check_certificates(settings)
    return settings


def _checked_address(address: str) -> str:
    parts = urlsplit(address)
    if address.endswith(_LOCAL) and not parts.scheme:
        return address
    if parts.username or parts.password:
        raise SettingsError(
            f"Expected an address without a password in {ADDRESS_VARIABLE}: it would show in lists of "
            f"processes. Put user:password into a file, and its name into {ADDRESS_VARIABLE}_TOKEN_FILE."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise SettingsError(
            f"Expected https://HOST:PORT, http://HOST:PORT or a file that ends with .db in "
            f"{ADDRESS_VARIABLE}, got {address!r}."
        )
    return address


def _is_this_machine(address: str) -> bool:
    return urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")


def _token(token: str, file: str) -> str:
    if not file:
        return token
    try:
        return Path(file).read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"Cannot read {file}, which {ADDRESS_VARIABLE}_TOKEN_FILE names: {type(error).__name__}."
        ) from error


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise SettingsError(
            f"Expected a letter, then letters, digits and _ in {ADDRESS_VARIABLE}_NAME, got {name!r}."
        )
    return name


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SettingsError(
            f"Expected a number of seconds above 0 in {ADDRESS_VARIABLE}_TIMEOUT, got {text!r}."
        )
    return seconds


def _check_certificates(settings: EngineSettings) -> None:
    files = {
        "CA_FILE": settings.ca_file,
        "CERT_FILE": settings.certificate_file,
        "KEY_FILE": settings.key_file,
    }
    named = {name: file for name, file in files.items() if file}
    if (named or settings.server_name) and not settings.address.startswith("https://"):
        raise SettingsError(
            f"Expected https:// in {ADDRESS_VARIABLE} where certificates are named, got {settings.address!r}."
        )
    if bool(settings.certificate_file) != bool(settings.key_file) or (
        settings.certificate_file and not settings.ca_file
    ):
        raise SettingsError(
            f"Expected {ADDRESS_VARIABLE}_CERT_FILE, _KEY_FILE and _CA_FILE together, got "
            f"{', '.join(sorted(named))}."
        )
    for name, file in named.items():
        if not Path(file).is_file():
            raise SettingsError(f"{ADDRESS_VARIABLE}_{name} names {file}, which is no file.")
