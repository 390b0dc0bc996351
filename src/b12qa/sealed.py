"""A sealed folder: a manifest says what every file in it must be, and a checksum what the manifest must be.

Whoever opens one compares every byte before anything is parsed.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from b12qa.errors import DamagedIndexError, StaleIndexError
from b12qa.storage import sync_folder, write

MANIFEST = "manifest.json"
CHECKSUM = "manifest.sha256"

_Content = TypeVar("_Content")


def json_bytes(value: Any) -> bytes:
    """Equal values have equal bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")


def seal(folder: Path, facts: Mapping[str, Any], files: Mapping[str, Mapping[str, object]]) -> None:
    """Write down what a folder is, and what every file in it must be.

    Args:
        files: `bytes` and `sha256` of each, by name.
    """
    manifest = json_bytes({**facts, "files": files})
    write(folder / MANIFEST, manifest)
    write(folder / CHECKSUM, _checksum(manifest))
    sync_folder(folder)


@contextmanager
def manifest_of(folder: Path) -> Iterator[dict[str, Any]]:
    """What a folder says of itself, to be read in a `with`: there, what is not of its form counts as damage.

    Raises:
        DamagedIndexError: it is not what was written, or not of its form.
    """
    data, checksum = read_file(folder / MANIFEST), read_file(folder / CHECKSUM)
    if checksum != _checksum(data):
        raise DamagedIndexError(f"{folder / MANIFEST} is not what was written. Run: b12qa build")
    try:
        yield json.loads(data)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise DamagedIndexError(
            f"{folder / MANIFEST} is not a manifest: {error!r}. Run: b12qa build"
        ) from error


def check_format(folder: Path, found: object, known: int) -> None:
    """Refuse a folder of another version.

    Raises:
        StaleIndexError: it is one.
    """
    if found != known:
        raise StaleIndexError(f"{folder} has format {found}; this b12qa reads {known}. Run: b12qa build")


def verified_files(
    folder: Path,
    files: Mapping[str, Mapping[str, Any]],
    verified: Callable[[Path, int, str], _Content],
    left_out: Set[str] = frozenset(),
) -> dict[str, _Content]:
    """The files of a folder, byte for byte as they were written, and nothing else in it.

    Args:
        files: what its manifest says of them.
        verified: reads one that must have so many bytes and this SHA-256, or refuses it.
        left_out: those that may be missing, and are not looked at.

    Raises:
        DamagedIndexError: one is missing, surplus, elsewhere, or not what was written.
    """
    if any(set("/\\\0") & set(file) or file.startswith(".") for file in files):
        raise DamagedIndexError(f"{folder / MANIFEST} names files elsewhere. Run: b12qa build")
    expected = {file: (operator.index(facts["bytes"]), facts["sha256"]) for file, facts in files.items()}
    found = {
        file: verified(folder / file, *facts) for file, facts in expected.items() if file not in left_out
    }
    surplus = sorted(_names_in(folder) - {*expected, MANIFEST, CHECKSUM})
    if surplus:
        raise DamagedIndexError(f"{folder / surplus[0]} does not belong to the index. Run: b12qa build")
    return found


def read_file(path: Path) -> bytes:
    """All of a file.

    Raises:
        DamagedIndexError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedIndexError(f"{path} cannot be read ({error.strerror}). Run: b12qa build") from error


def sha256_of(path: Path) -> str:
    """The hash of a file, without holding all of it: models are large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(manifest: bytes) -> bytes:
    """As `sha256sum` writes it."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _names_in(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError as error:
        raise DamagedIndexError(f"{folder} cannot be read ({error.strerror}). Run: b12qa build") from error
