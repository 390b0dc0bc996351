"""Rules that have been read once → plain data on the disk, so that the next start need not read them again.

Reading a file of rules takes a second: YAML is parsed, lists are written out, words are stemmed. What comes
of it is kept where Python keeps what it compiled: in the folder __pycache__ beside the file, or where
PYTHONPYCACHEPREFIX says. Where nothing can be written, everything works, and takes its second.
What was kept is used only if it was made of the same file, by the same code, and is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import Stemmer

from b12qa import __version__, storage
from b12qa.lexical import english_list


def rules(file: str, read: Callable[[bytes, str], Any]) -> Any:
    """What is read from a data file of the package, now or earlier.

    Args:
        file: its name.
        read: makes plain data of the content and the name: what JSON can hold.

    Raises:
        YamlError: as `read` does.
    """
    source = files("b12qa") / "data" / file
    content = source.read_bytes()
    place, key = None, ""
    # Without files on a disk, as in a ZIP archive, everything is read anew.
    with suppress(OSError, NotImplementedError):
        place, key = _place(Path(str(source))), _key(content)
    return kept(place, key, lambda: read(content, file))


def kept(place: Path | None, key: str, make: Callable[[], Any]) -> Any:
    """What was made for a key, from the file at a place if that holds it; otherwise it is made, and kept.

    Args:
        place: a name of its own in a folder that need not exist; None keeps nothing.
        key: differs wherever the result may differ.
    """
    found = _read(place, key) if place else None
    if found is None:
        found = json.dumps(make(), ensure_ascii=False, separators=(",", ":")).encode()
        if place:
            with suppress(OSError):
                place.parent.mkdir(exist_ok=True, parents=True)
                storage.replace(place, _head(key, found) + found)
    return json.loads(found)


def fields_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a frozen record, from plain data: JSON has lists where a record has tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


def _place(source: Path) -> Path:
    return Path(cache_from_source(str(source))).with_suffix(".json")


def _key(content: bytes) -> str:
    return hashlib.sha256(content + _code()).hexdigest()


@cache
def _code() -> bytes:
    """What decides the result besides the file; all our modules, since they change without a new version."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    of_modules = [hashlib.sha256(module.read_bytes()).hexdigest() for module in modules]
    words = hashlib.sha256(english_list()).hexdigest()
    return " ".join([__version__, Stemmer.version(), words, *of_modules]).encode()


def _head(key: str, data: bytes) -> bytes:
    return f"{key} {hashlib.sha256(data).hexdigest()}\n".encode()


def _read(place: Path, key: str) -> bytes | None:
    """The data of a file, if it is whole and was made for a key."""
    try:
        head, newline, data = place.read_bytes().partition(b"\n")
    except OSError:
        return None
    return data if head + newline == _head(key, data) else None
