"""Which generation is served, and which was before: what CURRENT, PREVIOUS and ROLLED-BACK name.

Each holds the name of a generation and a line end. A name changes by one rename, so whoever looks finds the
old one or the new one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from b12qa.errors import DamagedIndexError, MissingIndexError
from b12qa.storage import remove_folder, replace, sync_folder

CURRENT = "CURRENT"
PREVIOUS = "PREVIOUS"
ROLLED_BACK = "ROLLED-BACK"
_GENERATION = re.compile(r"[0-9a-f]{16}")
_SHOWN_CHARACTERS = 40


# What is read.


def current_generation(index_dir: Path) -> str:
    """The name in the file CURRENT.

    Raises:
        MissingIndexError: there is none.
        DamagedIndexError: it names no generation that is there.
    """
    name = _named_by_current(index_dir)
    while not (index_dir / name).is_dir():
        now = _named_by_current(index_dir)
        if now == name:
            raise DamagedIndexError(
                f"{index_dir / CURRENT} names the generation {name}, which is not there. Run: b12qa build"
            )
        name = now
    return name


def previous_generation(index_dir: Path) -> str:
    """The name of the generation before the current one.

    Raises:
        MissingIndexError: there is none.
    """
    name = named_in(index_dir / PREVIOUS)
    if name is None or name == named_in(index_dir / CURRENT):
        raise MissingIndexError(
            f"{index_dir} holds no generation before the current one. Edit the corpus, then run: b12qa build"
        )
    return name


def is_rolled_back(index_dir: Path, name: str) -> bool:
    """Whether a generation, if it is current, was made so by a rollback."""
    return named_in(index_dir / ROLLED_BACK) == name


def named_in(path: Path) -> str | None:
    """The generation that a file like CURRENT names, if it can be read and names one."""
    try:
        return _name_in(path.read_bytes())
    except OSError:
        return None


def is_generation(name: str) -> bool:
    """Whether a folder of that name is, or was meant to be, a generation."""
    return _GENERATION.fullmatch(name) is not None


def _named_by_current(index_dir: Path) -> str:
    current = index_dir / CURRENT
    try:
        data = current.read_bytes()
    except FileNotFoundError:
        raise MissingIndexError(f"{index_dir} holds no index yet. Run: b12qa build") from None
    except OSError as error:
        raise DamagedIndexError(f"{current} cannot be read ({error}). Run: b12qa build") from error
    name = _name_in(data)
    if name is None:
        shown = data.decode("utf-8", "replace")[:_SHOWN_CHARACTERS]
        raise DamagedIndexError(f"{current} names no generation: {shown!r}. Run: b12qa build")
    return name


def _name_in(data: bytes) -> str | None:
    name = data.decode("utf-8", "replace")
    return name[:-1] if name.endswith("\n") and is_generation(name[:-1]) else None


# What is written, by whoever holds the lock.


def make_current(index_dir: Path, name: str, before: str | None) -> None:
    """Let CURRENT name a generation, and PREVIOUS the sound one that it named before, if there was one.

    Between the two renames both name the same: a rollback then has nowhere to go, until the next build.
    """
    if is_rolled_back(index_dir, name):  # it is built from the corpus now, and must stay so
        (index_dir / ROLLED_BACK).unlink()
        sync_folder(index_dir)
    if before and before != name:
        _let_name(index_dir, {PREVIOUS: before, CURRENT: name})
    elif named_in(index_dir / CURRENT) != name:
        _let_name(index_dir, {CURRENT: name})
    with suppress(OSError):  # it says nothing any more
        (index_dir / ROLLED_BACK).unlink(missing_ok=True)


def make_current_again(index_dir: Path, name: str) -> None:
    """Let CURRENT name an earlier generation, and ROLLED-BACK say that it does.

    ROLLED-BACK says nothing unless CURRENT names the same, so one rename decides.
    """
    _let_name(index_dir, {ROLLED_BACK: name, CURRENT: name})


def remove_others(index_dir: Path, name: str) -> None:
    """Remove the generations that are neither the current one, of this name, nor the one before.

    Whoever is just opening one of them finds it gone and opens the current one.
    """
    kept = {name, named_in(index_dir / PREVIOUS)}
    for path in index_dir.iterdir():
        if is_generation(path.name) and path.name not in kept:
            with suppress(OSError):  # the next build tries again
                remove_folder(path)


def _let_name(index_dir: Path, names: Mapping[str, str]) -> None:
    """Let files name generations, one after the other; if that cannot be made to last, all as before."""
    before = {file: _content(index_dir / file) for file in names}
    try:
        for file, name in names.items():
            replace(index_dir / file, f"{name}\n".encode())
        sync_folder(index_dir)
    except BaseException:
        for file in reversed(before):
            _restore(index_dir / file, before[file])
        raise


def _restore(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    elif _content(path) != data:
        replace(path, data)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
