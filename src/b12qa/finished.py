"""Vectors that need not be computed again: of earlier generations, and of a build that was killed.

A build writes the vectors that it computes in parts, each with its hash, beside the lock. The next
build takes over every part that is whole; the memory that a build needs does not grow with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from b12qa.embedding import FloatMatrix
from b12qa.formats import DIGEST_BYTES
from b12qa.sealed import json_bytes
from b12qa.storage import remove_folder, replace
from b12qa.vectors import MappedVectors, Vectors

PARTS = ".parts-"
TEXTS_PER_PART = 4096


class _Place(NamedTuple):
    source: int
    row: int


class KnownVectors:
    """Vectors by the digest of the text that the model read."""

    def __init__(self, index_dir: Path, made_by: Mapping[str, Any], dimension: int) -> None:
        """Take over what a killed build left.

        Args:
            made_by: everything that decides a vector beside the text.
        """
        self._folder = index_dir / f"{PARTS}{hashlib.sha256(json_bytes(made_by)).hexdigest()[:16]}"
        self._dimension = dimension
        self._places: dict[bytes, _Place] = {}
        self._sources: list[Vectors] = []
        self._waiting: dict[bytes, FloatMatrix] = {}  # of the part that is not yet full
        self._parts = 0
        for other in index_dir.glob(f"{PARTS}*"):
            if other != self._folder:  # of another model
                remove_folder(other)
        for path in sorted(self._folder.glob("*.part")):
            self._open_part(path)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._places or digest in self._waiting

    def take(self, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Know the rows of an index as well."""
        number = len(self._sources)
        self._sources.append(vectors)
        for row, digest in enumerate(digests):
            self._places.setdefault(digest, _Place(number, row))

    def add(self, digests: Sequence[bytes], vectors: FloatMatrix) -> None:
        """Know new vectors, and let them outlive this process once there are many."""
        self._waiting.update(zip(digests, vectors, strict=True))
        if len(self._waiting) >= TEXTS_PER_PART:
            self._write_part()

    def matrix(self, digests: Sequence[bytes]) -> FloatMatrix:
        """The vectors of some texts, shape (len(digests), dimension)."""
        found = np.empty((len(digests), self._dimension), dtype=np.float32)
        by_source: dict[int, list[tuple[int, int]]] = {}
        for at, digest in enumerate(digests):
            if digest in self._waiting:
                found[at] = self._waiting[digest]
            else:
                source, row = self._places[digest]
                by_source.setdefault(source, []).append((at, row))
        for number, pairs in by_source.items():
            places, rows = np.array(pairs, dtype=np.int64).T
            found[places] = self._sources[number].reconstruct_batch(rows)
        return found

    def forget_parts(self) -> None:
        """Remove the parts: what they hold lies in a generation now."""
        with suppress(OSError):  # the next build tries again
            if self._folder.exists():
                remove_folder(self._folder)

    def _write_part(self) -> None:
        digests = list(self._waiting)
        matrix = np.ascontiguousarray([self._waiting[digest] for digest in digests], dtype="<f4")
        content = b"".join(digests) + matrix.tobytes()
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{self._parts:08}.part"
        replace(path, hashlib.sha256(content).digest() + content)
        self._waiting.clear()
        self._open_part(path)

    def _open_part(self, path: Path) -> None:
        """Map a part from the disk, or remove it if it is not what was written."""
        self._parts = int(path.stem) + 1
        data = np.memmap(path, dtype=np.uint8, mode="r") if path.stat().st_size else np.zeros(0, np.uint8)
        count, rest = divmod(len(data) - DIGEST_BYTES, DIGEST_BYTES + 4 * self._dimension)
        content = data[DIGEST_BYTES:]
        if count < 1 or rest or hashlib.sha256(content).digest() != data[:DIGEST_BYTES].tobytes():  # type: ignore[arg-type]
            path.unlink()
            return
        known = content[: count * DIGEST_BYTES].tobytes()
        digests = [known[at : at + DIGEST_BYTES] for at in range(0, len(known), DIGEST_BYTES)]
        vectors = content[count * DIGEST_BYTES :].view("<f4").reshape(count, self._dimension)
        self.take(digests, MappedVectors(vectors))
