"""Parts of a build that was killed: what the next build takes over, and what it does not trust."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import HashingEncoder
from test_index import CountingEncoder, generation

from b12qa import building, finished
from b12qa.building import build_index
from b12qa.corpus import Corpus, read_corpus
from b12qa.embedding import FloatMatrix
from b12qa.finished import PARTS, KnownVectors
from b12qa.vectors import MappedVectors

SENTENCES = 60


class KilledEncoder(CountingEncoder):
    """Stops a build after so many texts."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        if self.texts >= self.after:
            raise KeyboardInterrupt
        return super().encode(texts)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(3):
        lines = [f"Fact {number} {line} is told in {line + 7} words." for line in range(SENTENCES // 3)]
        (folder / f"facts-{number}.md").write_text(f"# Facts {number}\n\n" + "\n\n".join(lines) + "\n")
    return read_corpus(folder)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "TEXTS_AT_ONCE", 8)
    monkeypatch.setattr(building, "TEXTS_IN_MEMORY", 24)
    monkeypatch.setattr(finished, "TEXTS_PER_PART", 16)


def parts(index: Path) -> list[Path]:
    return sorted(index.glob(f"{PARTS}*/*.part"))


def contents(index: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in generation(index).iterdir()}


def killed(corpus: Corpus, index: Path, after: int) -> int:
    """How many texts a build embedded before it was stopped."""
    encoder = KilledEncoder(after)
    with pytest.raises(KeyboardInterrupt):
        build_index(corpus, encoder, index)
    return encoder.texts


@pytest.mark.usefixtures("small_parts")
def test_a_killed_build_goes_on_where_it_was_and_gives_the_same_bytes(corpus: Corpus, tmp_path: Path) -> None:
    whole = CountingEncoder()
    build_index(corpus, whole, tmp_path / "whole")
    assert whole.texts == 2 * SENTENCES  # a passage with its heading, and its sentence

    index = tmp_path / "index"
    done = killed(corpus, index, 40)
    assert 40 <= done < 2 * SENTENCES
    kept = 16 * len(parts(index))
    assert kept in range(done - 16, done + 1)
    rest = CountingEncoder()
    report = build_index(corpus, rest, index)
    assert (rest.texts, report.embedded) == (2 * SENTENCES - kept, 2 * SENTENCES - kept)
    assert contents(index) == contents(tmp_path / "whole")
    assert not list(index.glob(f"{PARTS}*"))


@pytest.mark.usefixtures("small_parts")
def test_a_build_that_is_killed_again_and_again_comes_to_its_end(corpus: Corpus, tmp_path: Path) -> None:
    index, embedded = tmp_path / "index", 0
    for _ in range(4):
        embedded += killed(corpus, index, 24)
    last = CountingEncoder()
    build_index(corpus, last, index)
    assert embedded + last.texts <= 2 * SENTENCES + 4 * 16  # of each try, less than one part is lost


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_part_is_not_taken_over(corpus: Corpus, tmp_path: Path, damage: str) -> None:
    build_index(corpus, HashingEncoder(), tmp_path / "whole")
    index = tmp_path / "index"
    killed(corpus, index, 40)
    first, *others = parts(index)
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes({"flipped": bytes(data), "cut": bytes(data[:-9]), "emptied": b""}[damage])
    rest = CountingEncoder()
    build_index(corpus, rest, index)
    assert rest.texts == 2 * SENTENCES - 16 * len(others)
    assert contents(index) == contents(tmp_path / "whole")


@pytest.mark.usefixtures("small_parts")
def test_parts_of_another_model_are_removed(corpus: Corpus, tmp_path: Path) -> None:
    index = tmp_path / "index"
    killed(corpus, index, 40)
    other = CountingEncoder(name="another")
    build_index(corpus, other, index)
    assert other.texts == 2 * SENTENCES
    assert not list(index.glob(f"{PARTS}*"))


def test_vectors_come_from_wherever_they_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished, "TEXTS_PER_PART", 2)
    rows = np.eye(6, 4, dtype=np.float32) + 1
    digests = [bytes([number]) * 32 for number in range(6)]
    known = KnownVectors(tmp_path, {"model": "any"}, dimension=4)
    known.take(digests[:2], MappedVectors(rows[:2]))
    known.add(digests[2:4], rows[2:4])  # fills a part
    known.add(digests[4:5], rows[4:5])  # waits
    assert [digest in known for digest in digests] == [True] * 5 + [False]
    order = [4, 0, 3, 1, 2, 0]
    np.testing.assert_array_equal(known.matrix([digests[row] for row in order]), rows[order])
