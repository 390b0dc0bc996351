"""What frames every answer."""

from __future__ import annotations

from b12qa.records import Notice, NoticeKind

DISCLAIMER = (
    "This is a machine that quotes one article. It is not medical advice and not a diagnosis, and nobody "
    "here has checked your health. Ask a pharmacist or a doctor before you act on it. "
    "In an emergency, call your local emergency number."
)


def disclaimer() -> Notice:
    """The notice that every answer carries, whatever its outcome."""
    return Notice(NoticeKind.DISCLAIMER, DISCLAIMER)
