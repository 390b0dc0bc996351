"""Measure what reading a message for red flags costs, in CPU time; run by hand.

    python benchmarks/red_flags.py

For each text of about 5,000 characters: the median of several readings, in milliseconds.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from b12qa.redflags import load_red_flags

ROOT = Path(__file__).resolve().parent.parent
LENGTH = 5000
READINGS = 15
LETTERS = str.maketrans("0123456789", "abcdefghij")


def texts() -> dict[str, str]:
    """Texts by what they are."""
    article = (ROOT / "corpus" / "vitamin-b12.md").read_text("utf-8")
    parts = {f"article from {start}": article[start:] for start in range(0, len(article) - LENGTH, LENGTH)}
    return {
        **parts,
        "harmless sentences": "I like tea and my cat sleeps in the sun. " * 200,
        "frightening words": "can b12 deficiency cause chest pain, or a stroke, and not a clot? " * 100,
        "one long word": "x" * LENGTH,
        "words of no language": " ".join(f"q{n:04d}zwv".translate(LETTERS) for n in range(600)),
    }


def milliseconds(text: str) -> float:
    """CPU time of one reading."""
    flags = load_red_flags()
    taken = []
    for _ in range(READINGS):
        started = time.process_time()
        flags.find(text)
        taken.append((time.process_time() - started) * 1000)
    return statistics.median(taken)


def main() -> None:
    """Print one line for each text."""
    started = time.process_time()
    load_red_flags()
    print(f"{(time.process_time() - started) * 1000:8.1f} ms  reading the rules, once")
    for name, text in texts().items():
        print(f"{milliseconds(text[:LENGTH]):8.2f} ms  {name}")


if __name__ == "__main__":
    main()
