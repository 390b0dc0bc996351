"""The chat, for hosting services that look for this file: ``python app.py``."""

from __future__ import annotations

from b12qa.cli import app

if __name__ == "__main__":
    app(["chat", "--build"])
