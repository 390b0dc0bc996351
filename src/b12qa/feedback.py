"""Questions that people agreed to leave with us, as JSON Lines: written one row at a time, read strictly.

A row is an object of four fields, no more and no fewer: ``question`` (as typed), ``outcome`` (answered,
related or not_covered; an urgent question is never kept), ``helpful`` (true, false, or null when
nobody said) and ``note`` (the person's own words, or empty). Nothing in it says who asked, or when.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from b12qa.errors import QueryError, SettingsError
from b12qa.records import Outcome

MAX_KEPT_CHARACTERS = 2000
MAX_NOTE_CHARACTERS = 1000
KEPT_OUTCOMES = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.URGENT)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One question that somebody agreed to leave."""

    question: str
    outcome: str  # one of `KEPT_OUTCOMES`
    helpful: bool | None  # None when nobody said
    note: str = ""


def read_feedback(path: Path) -> list[Feedback]:
    """Read a file of feedback.

    Raises:
        QueryError: a line is not a row of the form above; the message names file and line.
    """
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_feedback(json.loads(line.decode("utf-8"), object_pairs_hook=_without_repeats)))
        except (ValueError, RecursionError) as error:
            raise QueryError(f"{path}:{number}: not a row of feedback ({error}). Mend the line.") from error
    return rows


def check_writable(path: Path) -> None:
    """Make the file if it is not there, before anybody rates anything.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        os.close(_opened(path))
    except OSError as error:
        raise SettingsError(
            f"Feedback cannot be kept in {path}: {error.strerror}. Name another file with --feedback."
        ) from error


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)


def append_feedback(path: Path, row: Feedback) -> None:
    """Add one row to the end of a file, which is made when it is not there, for its owner alone.

    The row goes out in one write to the file's end, so that several processes need no lock, and is on
    the disk when this returns.

    Raises:
        QueryError: the row is not of the form above, or longer than allowed.
        OSError: the file cannot be written.
    """
    record = asdict(row)
    try:
        _feedback(record)
    except ValueError as error:
        raise QueryError(f"Not a row of feedback: {error}. Nothing was written.") from error
    data = json.dumps(record, ensure_ascii=False).encode("utf-8") + b"\n"
    file = _opened(path)
    try:
        data = b"\n" + data if _is_torn(file) else data
        written = os.write(file, data)
        if written != len(data):
            raise OSError(f"{path}: only {written} of {len(data)} bytes were written. Is the disk full?")
        os.fsync(file)
    finally:
        os.close(file)


def _is_torn(file: int) -> bool:
    """Whether the last line was broken off, by a full disk, say: what follows must not join it."""
    if os.lseek(file, 0, os.SEEK_END) == 0:
        return False
    os.lseek(file, -1, os.SEEK_END)
    return os.read(file, 1) != b"\n"


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a field stands there twice")
    return record


_FORM: dict[str, tuple[Callable[[Any], bool], str]] = {
    "question": (
        lambda value: _is_text(value, MAX_KEPT_CHARACTERS) and bool(value.strip()),
        f"a text of 1 to {MAX_KEPT_CHARACTERS} characters",
    ),
    "outcome": (lambda value: value in KEPT_OUTCOMES, f"one of {', '.join(KEPT_OUTCOMES)}"),
    "helpful": (lambda value: value is None or isinstance(value, bool), "true, false or null"),
    "note": (
        lambda value: _is_text(value, MAX_NOTE_CHARACTERS),
        f"a text of at most {MAX_NOTE_CHARACTERS} characters",
    ),
}


def _feedback(record: Any) -> Feedback:
    if not isinstance(record, dict) or record.keys() != _FORM.keys():
        found = ", ".join(sorted(record)) if isinstance(record, dict) else type(record).__name__
        raise ValueError(f"expected the fields {', '.join(_FORM)}; got {found or 'none'}")
    for name, (fits, form) in _FORM.items():
        if not fits(record[name]):
            raise ValueError(f"expected {form} for {name}; got {str(record[name])[:60]!r}")
    return Feedback(**record)


def _is_text(value: Any, max_characters: int) -> bool:
    # Half characters are no text: nothing could write them out.
    return (
        isinstance(value, str)
        and len(value) <= max_characters
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )
