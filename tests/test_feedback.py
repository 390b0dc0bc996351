"""Feedback: what is kept of a question, how it is written, and what is refused."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from b12qa.errors import QueryError
from b12qa.feedback import (
    MAX_KEPT_CHARACTERS,
    MAX_NOTE_CHARACTERS,
    Feedback,
    append_feedback,
    read_feedback,
)

ROW = Feedback("Is there red tea?", "not_covered", None)
RECORD = {"question": "Is there red tea?", "outcome": "related", "helpful": False, "note": "no"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feedback.jsonl"


def test_what_was_appended_is_read_back_in_order(file: Path) -> None:
    rows = [
        ROW,
        Feedback("what is “tea”?\n\u202eand now backwards", "answered", True, "</script> 😀 \u2028"),
        Feedback("wie lange ziehen lassen?", "related", False, "too vague"),
    ]
    for row in rows:
        append_feedback(file, row)
    assert read_feedback(file) == rows
    assert file.read_bytes().count(b"\n") == 3


def test_a_row_holds_its_four_fields_and_nothing_of_the_person_or_the_time(file: Path) -> None:
    append_feedback(file, replace(ROW, helpful=True, note="thanks"))
    assert json.loads(file.read_text("utf-8")) == {
        "question": "Is there red tea?",
        "outcome": "not_covered",
        "helpful": True,
        "note": "thanks",
    }


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_a_new_file_is_for_its_owner_alone(file: Path) -> None:
    append_feedback(file, ROW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_each_row_goes_out_in_one_write_and_reaches_the_disk(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    write, fsync = os.write, os.fsync

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            calls.append(name)
            return call(*arguments)

        return noting

    monkeypatch.setattr(os, "write", noted("write", write))
    monkeypatch.setattr(os, "fsync", noted("fsync", fsync))
    append_feedback(file, ROW)
    assert calls == ["write", "fsync"]


def test_rows_of_many_threads_do_not_mix(file: Path) -> None:
    rows = [Feedback(f"question {n} " + "x" * 1500, "related", None, "y" * 900) for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: append_feedback(file, row), rows))
    assert sorted(row.question for row in read_feedback(file)) == sorted(row.question for row in rows)


def test_a_row_after_a_broken_line_stands_on_a_line_of_its_own(file: Path) -> None:
    file.write_bytes(b'{"question": "brok')
    append_feedback(file, ROW)
    assert json.loads(file.read_bytes().split(b"\n")[1])["question"] == ROW.question
    with pytest.raises(QueryError, match=r"feedback\.jsonl:1: not a row of feedback .*Mend the line\."):
        read_feedback(file)


def test_a_disk_that_takes_half_a_row_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda fd, data: len(data) // 2)
    with pytest.raises(OSError, match=r"only \d+ of \d+ bytes were written\. Is the disk full\?"):
        append_feedback(file, ROW)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (replace(ROW, question=" "), "expected a text of 1 to 2000 characters for question"),
        (replace(ROW, question="x" * (MAX_KEPT_CHARACTERS + 1)), "1 to 2000 characters for question"),
        (replace(ROW, question="\ud800"), "characters for question"),
        (replace(ROW, outcome="urgent"), "expected one of answered, related, not_covered for outcome"),
        (
            replace(ROW, helpful=1),  # type: ignore[arg-type]
            "expected true, false or null for helpful; got '1'",
        ),
        (replace(ROW, note="x" * (MAX_NOTE_CHARACTERS + 1)), "at most 1000 characters for note"),
        (
            replace(ROW, note=None),  # type: ignore[arg-type]
            "at most 1000 characters for note",
        ),
    ],
)
def test_a_row_of_another_form_is_not_written(file: Path, row: Feedback, message: str) -> None:
    with pytest.raises(QueryError, match=rf"{message}.*Nothing was written\."):
        append_feedback(file, row)
    assert not file.exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (json.dumps({**RECORD, "ip": "192.0.2.1"}), "expected the fields question, outcome, helpful, note"),
        (json.dumps({**RECORD, "time": "2026-01-01T10:00:00"}), "got helpful, note, outcome, question, time"),
        (json.dumps({"question": "why?"}), "got question"),
        (json.dumps({**RECORD, "helpful": "yes"}), "expected true, false or null for helpful; got 'yes'"),
        (json.dumps({**RECORD, "outcome": ["related"]}), "for outcome"),
        (json.dumps({**RECORD, "question": 5}), "for question; got '5'"),
        (json.dumps(RECORD)[:-1] + ', "note": "again"}', "a field stands there twice"),
        ("[]", "got list"),
        ("{}", "got none"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_line_that_is_no_row_is_named_by_file_and_line(file: Path, line: str, message: str) -> None:
    file.write_text(f"{json.dumps(RECORD)}\n\n{line}\n", "utf-8")
    with pytest.raises(QueryError) as refusal:
        read_feedback(file)
    assert str(refusal.value).startswith(f"{file}:3: not a row of feedback (")
    assert message in str(refusal.value)
    assert str(refusal.value).endswith("Mend the line.")


def test_bytes_that_are_no_utf_8_are_named_by_line(file: Path) -> None:
    file.write_bytes(b'{"question": "caf\xe9"}\n')
    with pytest.raises(QueryError, match=r"feedback\.jsonl:1: "):
        read_feedback(file)


def test_an_empty_file_holds_no_feedback(file: Path) -> None:
    file.write_bytes(b"\n \n")
    assert read_feedback(file) == []
