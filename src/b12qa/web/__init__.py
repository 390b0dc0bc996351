"""The chat page."""

from __future__ import annotations

from b12qa.web.server import serve

__all__ = ["serve"]
