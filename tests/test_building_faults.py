"""Builds that meet a broken disk, a full one, or a sudden end; damage of every kind; readers meanwhile."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SMALL_TEXT, HashingEncoder
from test_index import OTHER_TEXT, QUESTIONS, build, contents, edit, files, generation, names, reseal

from b12qa import index as index_module
from b12qa.building import roll_back
from b12qa.corpus import read_corpus
from b12qa.errors import B12qaError, DamagedIndexError
from b12qa.generations import current_generation
from b12qa.index import all_cosines, check_fresh, generation_name, open_index


@pytest.fixture
def small_corpus(small_corpus: Path) -> Path:
    """The small document, with a bank of answered questions: every kind of file, and quickly built."""
    (small_corpus / "tea.questions.yaml").write_text(QUESTIONS.partition("open:")[0])
    return small_corpus


@pytest.fixture
def index(tmp_path: Path, small_corpus: Path) -> Path:
    build(tmp_path / "index", small_corpus)
    return tmp_path / "index"


# A disk on which one step fails.


class Faults:
    """Makes one step of all that write to the disk fail, and counts them."""

    def __init__(self, patch: pytest.MonkeyPatch, which: int) -> None:
        self.which, self.count = which, 0
        self.code = (errno.ENOSPC, errno.EIO)[which % 2]
        steps: list[tuple[Any, str]] = [
            (os, "fsync"),
            (os, "rename"),
            (os, "replace"),
            (os, "open"),
            (os, "mkdir"),
            (os, "unlink"),
            (os, "chmod"),
            (tempfile, "mkdtemp"),
            (tempfile, "mkstemp"),
        ]
        for owner, name in steps:
            patch.setattr(owner, name, self.failing(getattr(owner, name)))
        openers: list[tuple[Any, str]] = [(os, "fdopen"), (Path, "open")]
        for owner, name in openers:
            patch.setattr(owner, name, self.opening(getattr(owner, name)))

    def step(self) -> None:
        self.count += 1
        if self.count == self.which:
            raise OSError(self.code, os.strerror(self.code))

    def failing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            self.step()
            return original(*arguments, **options)

        return function

    def opening(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            file = original(*arguments, **options)
            return HalfWriter(file, self) if file.writable() else file

        return function


class HalfWriter:
    """A file that writes half of what it is given where a step fails."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self.file, self.faults = file, faults

    def write(self, data: Any) -> Any:
        try:
            self.faults.step()
        except OSError:
            self.file.write(data[: len(data) // 2])
            raise
        return self.file.write(data)

    def __enter__(self) -> HalfWriter:
        return self

    def __exit__(self, *arguments: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def after_every_fault(index: Path, act: Callable[[], object], check: Callable[[bool, int], None]) -> int:
    """Act on a fresh copy of an index once for every step that can fail, and check each time."""
    kept = shutil.copytree(index, index.parent / "kept")
    for which in itertools.count(1):
        shutil.rmtree(index)
        shutil.copytree(kept, index)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, which)
            try:
                act()
                failed = False
            except OSError:
                failed = True
        if faults.count < which:
            assert not failed
            return which - 1
        check(failed, which)
    raise AssertionError


def test_after_any_step_of_a_build_failed_there_is_one_whole_index_and_the_next_build_works(
    index: Path, small_corpus: Path
) -> None:
    old = contents(index)
    old_name = current_generation(index)
    edit(small_corpus)
    fresh = index.parent / "fresh"
    build(fresh, small_corpus)
    new, new_name = contents(fresh), current_generation(fresh)

    def check(failed: bool, which: int) -> None:
        opened = open_index(index)
        assert contents(index) == (old if opened.generation == old_name else new), which
        if not failed:  # a step that need not succeed
            assert opened.generation == new_name
        assert build(index, small_corpus).generation == new_name
        assert contents(index) == new
        assert names(index) - {"PREVIOUS"} == {"CURRENT", old_name, new_name}, which

    steps = after_every_fault(index, lambda: build(index, small_corpus), check)
    assert steps > 40


def test_after_any_step_of_a_rollback_failed_there_is_one_whole_index(
    index: Path, small_corpus: Path
) -> None:
    old_name = current_generation(index)
    edit(small_corpus)
    build(index, small_corpus)
    new_name = current_generation(index)

    def check(failed: bool, which: int) -> None:
        opened = open_index(index)
        assert opened.generation in (old_name, new_name)
        assert opened.rolled_back == (opened.generation == old_name), which
        if not failed:
            assert opened.generation == old_name
        if opened.generation == new_name:
            roll_back(index)
            assert current_generation(index) == old_name
        build(index, small_corpus)
        assert not open_index(index).rolled_back

    assert after_every_fault(index, lambda: roll_back(index), check) > 8


# A full disk.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("needs mount, to make a small disk")
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_on_a_full_disk_no_build_fails_in_silence(small_disk: Path, small_corpus: Path) -> None:
    index, page = small_disk / "index", 4096
    build(index, small_corpus)
    before, old = contents(index), current_generation(index)
    edit(small_corpus)
    failures = 0
    for pages in range(256):
        with (small_disk / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(small_disk).free - pages * page or 1)
        try:
            build(index, small_corpus)
        except (OSError, B12qaError):
            failures += 1
            assert contents(index) == before, pages
            assert open_index(index).generation == old
        else:
            assert open_index(index).documents[0].text == OTHER_TEXT
            assert failures > 10
            return
        finally:
            (small_disk / "filler").unlink()
    pytest.fail("the build never found room")


# A sudden end.

KILLS = 200
KILLED_AT_RANDOM = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import HashingEncoder
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.index import open_index

index, corpus = Path(sys.argv[2]), Path(sys.argv[3])
document = corpus / "tea.md"
text = document.read_text()
draw = random.Random(5)
for module in ("torch", "sklearn"):
    assert module not in sys.modules, module

def build():
    return build_index(read_corpus(corpus), HashingEncoder(), index)

def seconds_of_a_build(more):
    document.write_text(text + f"\\nMore of it, {more}.\\n")
    started = time.perf_counter()
    build()
    return time.perf_counter() - started

durations = [seconds_of_a_build(number) for number in range(5)]
# The first build also loads what a build needs.
longest, whole = 1.2 * max(durations[1:]), document.read_text()
killed = old = new = leftovers = 0
while killed < int(sys.argv[4]):
    document.write_text(text + f"\\nMore of it, {killed} {old} {new}.\\n")
    child = os.fork()
    if child == 0:
        build()
        os._exit(0)
    time.sleep(draw.uniform(0, longest))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    killed += os.WIFSIGNALED(status)
    found = open_index(index).documents[0].text
    assert found in (whole, document.read_text())
    if found == whole:
        old += 1
    else:
        new += 1
    leftovers += any(path.name.startswith(".building-") for path in index.iterdir())
    if (old + new) % 20 == 0:
        # A busy machine may have become faster or slower since.
        longest = 1.2 * seconds_of_a_build(f"whole {old} {new}")
        assert not any(path.name.startswith(".") and path.name != ".lock" for path in index.iterdir())
        found = document.read_text()
    whole = found
build()
print(killed, old, new, leftovers)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_builds_killed_at_random_leave_one_whole_index_and_nothing_else(
    index: Path, small_corpus: Path
) -> None:
    (small_corpus / "tea.questions.yaml").unlink()  # quicker, and no new kind of step
    arguments = [str(ROOT / "tests"), str(index), str(small_corpus), str(KILLS)]
    ran = subprocess.run(
        [sys.executable, "-c", KILLED_AT_RANDOM, *arguments], capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    killed, old, new, leftovers = map(int, ran.stdout.split())
    assert killed == KILLS
    assert old > 10  # killed before the switch
    assert leftovers > 2  # killed while writing
    assert old + new >= killed
    kept = {path.name for path in index.iterdir() if path.is_dir()}
    assert names(index) == {"CURRENT", "PREVIOUS", *kept}
    assert len(kept) == 2


# Damage.


def damaged(index: Path) -> None:
    """Opening is refused before any file is parsed but the manifest."""

    def parsed(*arguments: object) -> None:
        raise AssertionError("parsed")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("read_rows", "read_bank_models", "read_vectors", "read_words"):
            patch.setattr(index_module, name, parsed)
        with pytest.raises(DamagedIndexError, match="Run: b12qa build"):
            open_index(index)


def flipped(data: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def test_every_byte_of_every_header_is_watched(index: Path) -> None:
    for path in files(index):
        data = path.read_bytes()
        for place in range(min(64, len(data))):
            path.write_bytes(flipped(data, place, place % 8))
            damaged(index)
        path.write_bytes(data)
    open_index(index)


def test_500_flipped_bits_and_150_truncations_are_noticed(index: Path) -> None:
    draw = np.random.default_rng(11)
    paths = files(index)
    sizes = np.array([path.stat().st_size for path in paths], dtype=float)
    for number in range(650):
        path = paths[int(draw.choice(len(paths), p=sizes / sizes.sum()))]
        data = path.read_bytes()
        place = int(draw.integers(len(data)))
        wrong = flipped(data, place, int(draw.integers(8))) if number < 500 else data[:place]
        path.write_bytes(wrong)
        damaged(index)
        path.write_bytes(data)
    open_index(index)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: bytes(len(data)),
        lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
        lambda data: data + b"\0",
        lambda data: data + bytes(4096),
        lambda data: data + data,
        lambda data: b"",
    ],
)
def test_zeroed_and_appended_bytes_are_noticed(index: Path, damage: Callable[[bytes], bytes]) -> None:
    for path in files(index):
        data = path.read_bytes()
        path.write_bytes(damage(data))
        damaged(index)
        path.write_bytes(data)
    open_index(index)


def test_files_swapped_between_two_generations_are_noticed(index: Path, small_corpus: Path) -> None:
    mine = generation(index)
    edit(small_corpus)
    build(index, small_corpus)
    theirs = generation(index)
    swapped = 0
    for path in sorted(theirs.iterdir()):
        other = mine / path.name
        kept, others = path.read_bytes(), other.read_bytes()
        if kept == others:
            continue
        swapped += 1
        path.write_bytes(others)
        other.write_bytes(kept)
        damaged(index)
        with pytest.raises(DamagedIndexError):
            roll_back(index)
        assert current_generation(index) == theirs.name
        path.write_bytes(kept)
        other.write_bytes(others)
    assert swapped > 6
    roll_back(index)


HUGE = 2**31 - 1
HOSTILE: dict[str, Callable[[dict[str, Any]], None]] = {
    "a huge width": lambda manifest: manifest["inputs"]["model"].update(dimension=HUGE),
    "a width beyond all": lambda manifest: manifest["inputs"]["model"].update(dimension=10**30),
    "no width": lambda manifest: manifest["inputs"]["model"].update(dimension=0),
    "a negative width": lambda manifest: manifest["inputs"]["model"].update(dimension=-64),
    "a width in words": lambda manifest: manifest["inputs"]["model"].update(dimension="wide"),
    "huge counts": lambda manifest: manifest["counts"].update(dict.fromkeys(manifest["counts"], HUGE)),
    "no number for a count": lambda manifest: manifest["counts"].update({"chunks.faiss": 4.5}),
    "no facts of a file": lambda manifest: manifest["files"].update({"rows.json": None}),
    "a bank of no document": lambda manifest: manifest["calibrations"].update({"7": {}}),
}


@pytest.mark.parametrize("lie", HOSTILE)
def test_an_absurd_manifest_is_refused_at_once_and_takes_no_memory(index: Path, lie: str) -> None:
    def change(manifest: dict[str, Any]) -> None:
        HOSTILE[lie](manifest)
        manifest["generation"] = generation_name(manifest["inputs"])

    reseal(generation(index), change)
    claim(index)
    refused_at_once(index)


def test_an_absurd_header_is_refused_at_once_and_takes_no_memory(index: Path) -> None:
    """Width and number of rows agree with the manifest, and with nothing else."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["inputs"]["model"]["dimension"] = HUGE
        manifest["generation"] = generation_name(manifest["inputs"])

    for path in generation(index).glob("*.faiss"):
        data = path.read_bytes()
        rows = struct.unpack_from("<q", data, 8)[0]
        header = struct.pack("<4siqqqBiQ", b"IxFI", HUGE, rows, 1 << 20, 1 << 20, 1, 0, HUGE * rows)
        path.write_bytes(header + data[len(header) :])
    reseal(generation(index), change)
    claim(index)
    refused_at_once(index)


def test_rows_that_stand_for_nothing_are_refused_at_once(index: Path) -> None:
    rows = generation(index) / "rows.json"
    kept = rows.read_bytes()
    for before, after in (
        (b'"chunk":0', b'"chunk":900'),
        (b'"sentence":1', b'"sentence":-1'),
        (b'"document":0', b'"document":1'),
        (b'"section":1', b'"section":99'),
        (b'"start":', b'"start":-'),
    ):
        assert before in kept
        rows.write_bytes(kept.replace(before, after))
        reseal(generation(index))
        refused_at_once(index)
    rows.write_bytes(b"[" * 100_000)
    reseal(generation(index))
    refused_at_once(index)


def claim(index: Path) -> None:
    """Give the generation the name that its manifest says, and make it current."""
    folder = generation(index)
    name = json.loads((folder / "manifest.json").read_bytes())["generation"]
    folder.rename(index / name)
    (index / "CURRENT").write_text(f"{name}\n")


def refused_at_once(index: Path) -> None:
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(DamagedIndexError, match="Run: b12qa build"):
            open_index(index)
        assert time.perf_counter() - started < 1
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


# Readers while others write.


def test_eight_readers_meet_no_mixture_while_the_index_is_built_again_and_again(
    index: Path, small_corpus: Path
) -> None:
    whole: dict[str, str] = {current_generation(index): SMALL_TEXT}
    errors: list[BaseException] = []
    opened = [0] * 8
    ended = threading.Event()

    def read(reader: int) -> None:
        question = HashingEncoder().encode(["how much caffeine is in it?"])
        try:
            while not ended.is_set():
                found = open_index(index)
                text = found.documents[0].text
                number = text.partition("It has ")[2].partition(" mg")[0]
                assert text == SMALL_TEXT.replace("40", number)
                sentence = found.sentences[int(all_cosines(found.sentence_vectors, question).argmax())]
                assert text[sentence.start : sentence.end] == f"It has {number} mg of caffeine."
                assert whole.setdefault(found.generation, text) == text
                opened[reader] += 1
        except BaseException as error:  # shown below, in the thread of the test
            errors.append(error)

    readers = [threading.Thread(target=read, args=(reader,)) for reader in range(8)]
    for reader in readers:
        reader.start()
    bank = (small_corpus / "tea.questions.yaml").read_text()
    for number in range(100, 110):
        (small_corpus / "tea.md").write_text(SMALL_TEXT.replace("40", str(number)))
        (small_corpus / "tea.questions.yaml").write_text(bank.replace("40", str(number)))
        build(index, small_corpus)
        time.sleep(0.05)
    ended.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert all(count > 3 for count in opened)
    assert len(whole) > 5
    check_fresh(open_index(index), read_corpus(small_corpus), HashingEncoder())
