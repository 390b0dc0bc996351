"""What an operator decides about the server, checked once, before anything is loaded."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from b12qa.errors import SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PASSWORD_VARIABLE = "B12QA_PASSWORD"  # noqa: S105 (the name of the variable)
MIN_PASSWORD_CHARACTERS = 8
DEFAULT_RATE = 5.0
DEFAULT_BURST = 60
DEFAULT_MAX_WAITING = 64
# What no operator decides, and page and programs share.
MAX_QUESTION_CHARACTERS = 500
STATIC = Path(__file__).parent / "static"  # files that are given as they are
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")


class ForwardedHeader(StrEnum):
    """Where a trusted proxy writes whose request it passes on. The other header is not believed."""

    X_FORWARDED_FOR = "x-forwarded-for"
    FORWARDED = "forwarded"  # RFC 7239


@dataclass(frozen=True, slots=True)
class Settings:
    """How the chat is served. The defaults suit one person on this machine."""

    public_origin: str = ""  # "https://example.org": what people type; empty when that is not known
    prefix: str = ""  # "/ask": where a proxy shows the chat below its root
    allowed_hosts: frozenset[str] = frozenset()  # names a request may be meant for; empty allows any
    trusted_proxies: tuple[Network, ...] = ()
    forwarded_header: ForwardedHeader = ForwardedHeader.X_FORWARDED_FOR
    embed_origins: tuple[str, ...] = ()  # sites that may show the chat in a frame
    cors_origins: tuple[str, ...] = ()  # sites whose scripts may read the HTTP API
    password: str = ""  # empty: nobody is asked for one
    metrics_from: tuple[Network, ...] = LOOPBACK
    rate: float = DEFAULT_RATE  # questions a second and client; 0 sets no limit
    burst: int = DEFAULT_BURST  # questions at once
    workers: int = 2  # questions worked on at once
    max_waiting: int = DEFAULT_MAX_WAITING  # more are told that the server is busy

    @property
    def public_url(self) -> str:
        """The address of the chat as people type it, or empty."""
        return f"{self.public_origin}{self.prefix}" if self.public_origin else ""


def read_settings(
    *,
    host: str = "127.0.0.1",
    public_url: str = "",
    trusted_proxies: Iterable[str] = (),
    forwarded_header: ForwardedHeader = ForwardedHeader.X_FORWARDED_FOR,
    embed_origins: Iterable[str] = (),
    cors_origins: Iterable[str] = (),
    password_file: Path | None = None,
    metrics_from: Iterable[str] = (),
    rate: float = DEFAULT_RATE,
    burst: int = DEFAULT_BURST,
    workers: int = 0,
    max_waiting: int = DEFAULT_MAX_WAITING,
) -> Settings:
    """Check what an operator wrote.

    Args:
        host: the address that the server listens on.
        public_url: the address that people type, such as ``https://example.org/ask``.
        trusted_proxies, metrics_from: addresses or networks, such as ``10.0.0.0/8``.
        embed_origins, cors_origins: such as ``https://clinic.example``.
        password_file: its first line; without it the environment variable B12QA_PASSWORD.
        workers: 0 takes one for each core, and at least two.

    Raises:
        SettingsError: a value is not of its form; the message names the option.
    """
    public_origin, prefix = _public(public_url)
    return Settings(
        public_origin=public_origin,
        prefix=prefix,
        allowed_hosts=_allowed_hosts(host, public_origin),
        trusted_proxies=tuple(_network(text, "--trusted-proxy") for text in trusted_proxies),
        forwarded_header=forwarded_header,
        embed_origins=tuple(_origin(text, "--embed-origin") for text in embed_origins),
        cors_origins=tuple(_origin(text, "--cors-origin") for text in cors_origins),
        password=_password(password_file),
        metrics_from=(*LOOPBACK, *(_network(text, "--metrics-from") for text in metrics_from)),
        rate=_at_least(rate, 0, "--rate"),
        burst=int(_at_least(burst, 1, "--burst")),
        workers=int(_at_least(workers, 0, "--workers")) or max(2, os.cpu_count() or 1),
        max_waiting=int(_at_least(max_waiting, 1, "--max-waiting")),
    )


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach an address to listen on."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _allowed_hosts(host: str, public_origin: str) -> frozenset[str]:
    """With these names, no other site can make its own name point here and read along."""
    if not public_origin and not is_loopback(host):
        return frozenset()  # which names lead here is not known
    public = {urlsplit(public_origin).hostname or ""} - {""}
    return _LOOPBACK_NAMES | public | {host.lower()}


def _public(url: str) -> tuple[str, str]:
    if not url:
        return "", ""
    form = "an address such as https://example.org/ask"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _wrong("--public-url", form, url) from error
    prefix = parts.path.rstrip("/")
    is_path = re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)*", prefix) and ".." not in prefix
    if parts.scheme not in ("http", "https") or parts.query or parts.fragment or not is_path:
        raise _wrong("--public-url", form, url)
    return _origin(f"{parts.scheme}://{parts.netloc}", "--public-url"), prefix


def _origin(text: str, option: str) -> str:
    """Scheme, host and port, and nothing else: it goes into a header."""
    form = "a site such as https://clinic.example, without a path"
    try:
        parts = urlsplit(text.strip().lower())
        host, port = parts.netloc.removesuffix(f":{parts.port}"), parts.port
    except ValueError as error:
        raise _wrong(option, form, text) from error
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or parts.path not in ("", "/"):
        raise _wrong(option, form, text)
    if parts.query or parts.fragment:
        raise _wrong(option, form, text)
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


def _network(text: str, option: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise _wrong(option, "an address or a network such as 10.0.0.0/8", text) from error


def _password(file: Path | None) -> str:
    if file is None:
        if PASSWORD_VARIABLE not in os.environ:
            return ""
        # An empty one is a secret that was not filled in, and no wish to be open to everybody.
        password, source = os.environ[PASSWORD_VARIABLE], PASSWORD_VARIABLE
    else:
        source = f"--password-file {file}"
        try:
            password = file.read_text("utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else "") or "it is not UTF-8"
            raise SettingsError(f"Cannot read the password from {file}: {reason}.") from error
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise SettingsError(
            f"Expected at least {MIN_PASSWORD_CHARACTERS} characters as the password in {source}, "
            f"got {len(password)}. Choose a longer one, or leave it out."
        )
    return password


def _at_least(value: float, least: int, option: str) -> float:
    if not least <= value < float("inf"):
        raise _wrong(option, f"a number from {least}", str(value))
    return value


def _wrong(option: str, form: str, got: str) -> SettingsError:
    return SettingsError(f"Expected {form} for {option}, got {got!r}.")
