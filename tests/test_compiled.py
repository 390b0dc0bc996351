"""Rules are kept once they have been read, and never believed when they may be others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from b12qa import compiled, flag_rules, treatment
from b12qa.compiled import kept

RULES = {"words": ["chest pain", "Kribbeln"], "points": {"start": -3}}


class Reader:
    """Reads rules, and counts how often."""

    def __init__(self, rules: Any = RULES) -> None:
        self.rules = rules
        self.times = 0

    def __call__(self, *_: object) -> Any:
        self.times += 1
        return self.rules


def test_what_was_read_once_is_not_read_again(tmp_path: Path) -> None:
    read = Reader()
    place = tmp_path / "__pycache__" / "rules.json"
    assert [kept(place, "key", read) for _ in range(3)] == [RULES] * 3
    assert read.times == 1
    assert [path.name for path in place.parent.iterdir()] == ["rules.json"]


def test_another_key_reads_anew_and_is_kept_instead(tmp_path: Path) -> None:
    place = tmp_path / "rules.json"
    kept(place, "old", Reader({"words": []}))
    read = Reader()
    assert [kept(place, "new", read) for _ in range(2)] == [RULES] * 2
    assert read.times == 1


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], id="half written"),
        pytest.param(lambda data: data[: data.index(b"\n")], id="only its head"),
        pytest.param(lambda data: data[data.index(b"\n") + 1 :], id="no head"),
        pytest.param(lambda data: data.replace(b"chest", b"waist"), id="another word"),
        pytest.param(lambda data: data + b" ", id="more"),
        pytest.param(lambda data: b"\xff" + data, id="no text"),
    ],
)
def test_a_damaged_file_is_not_believed_and_is_mended(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    place, read = tmp_path / "rules.json", Reader()
    kept(place, "key", read)
    whole = place.read_bytes()
    place.write_bytes(damage(whole))
    assert kept(place, "key", read) == RULES
    assert read.times == 2
    assert place.read_bytes() == whole


def test_where_nothing_can_be_written_everything_works(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    read = Reader()
    assert kept(in_the_way / "rules.json", "key", read) == RULES
    assert kept(None, "key", read) == RULES
    assert read.times == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert kept(tmp_path / "rules.json", "key", Reader()) == RULES
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert kept(tmp_path / "rules.json", "key", Reader()) == RULES
    assert list(tmp_path.iterdir()) == []


def test_the_first_reading_gives_what_the_next_one_gives(tmp_path: Path) -> None:
    read = Reader({"lists": ("a", "b"), "none": None})  # JSON has no tuples
    first = kept(tmp_path / "rules.json", "key", read)
    assert first == kept(tmp_path / "rules.json", "key", read) == {"lists": ["a", "b"], "none": None}


def test_another_text_another_code_and_another_version_have_other_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = {compiled._key(b"near: [a]"), compiled._key(b"near: [b]")}
    for name, value in (
        ("__version__", "99.0"),
        ("Stemmer.version", lambda: "99.0"),
        ("__file__", str(tmp_path)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"b12qa.compiled.{name}", value)
            compiled._code.cache_clear()
            keys.add(compiled._key(b"near: [a]"))
    compiled._code.cache_clear()
    assert len(keys) == 5
    assert compiled._key(b"near: [a]") in keys


@pytest.mark.parametrize(("file", "module"), [("red-flags.yaml", flag_rules), ("treatment.yaml", treatment)])
def test_rules_are_kept_beside_their_file_or_where_python_is_told(
    file: str, module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.pycache_prefix", str(tmp_path))
    first = compiled.rules(file, module.plain_rules)
    (written,) = tmp_path.rglob("*.json")
    assert written.name.startswith(file.removesuffix(".yaml"))
    assert compiled.rules(file, Reader("read again")) == first


def test_two_processes_that_write_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    place = tmp_path / "rules.json"

    def while_another_writes() -> Any:
        kept(place, "key", Reader())
        return RULES

    assert kept(place, "key", while_another_writes) == RULES
    assert kept(place, "key", Reader("read again")) == RULES
    assert len(list(tmp_path.iterdir())) == 1
