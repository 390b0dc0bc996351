"""Texts as people read them: on one line, cut short, and such as can be written out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence


def one_line(text: str) -> str:
    """A text whose blanks and line breaks are one blank each."""
    return " ".join(text.split())


def writable(text: str) -> str:
    """A text without half characters, which nothing can write out, send or embed.

    A terminal passes bytes that are no UTF-8 on as such, and so does a browser with half an emoji.
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def short(text: str, length: int = 70) -> str:
    """A text cut to what a message has room for."""
    return text if len(text) <= length else text[: length - 1] + "…"


def some_of(items: Sequence[str], most: int) -> str:
    """Texts as a list of words, and how many there are beyond as many as may be named."""
    beyond = [f"and {len(items) - most:,} more"] if len(items) > most else []
    return ", ".join([*items[:most], *beyond])


def in_bytes(count: int) -> str:
    """A number of bytes in the unit in which people read it: 22 kB, 1.3 MB."""
    return f"{count / 1e6:.1f} MB" if count >= 999_500 else f"{count / 1e3:.0f} kB"


def advice_to_build(message: str, given: Mapping[str, object]) -> str:
    """A message whose advice to run `b12qa build` names the options that were given, each once.

    Args:
        given: values by the names of options, without dashes; None where there is none.
    """
    options = "".join(
        f" --{name} {shlex.quote(str(value))}"
        for name, value in given.items()
        if value is not None and f" --{name} " not in message
    )
    return re.sub(r"(?<=[Rr]un: )b12qa build", lambda found: found[0] + options, message)
