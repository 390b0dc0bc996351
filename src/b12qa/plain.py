"""Texts as people read them: on one line, cut short, and such as can be written out."""

from __future__ import annotations


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
