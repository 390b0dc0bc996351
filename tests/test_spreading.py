"""Many machines embed a corpus, and the index is that of one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, HashingEncoder

from b12qa import spreading
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.errors import B12qaError, ModelMismatchError
from b12qa.generations import current_generation
from b12qa.spreading import SpreadEncoder

sys.path.insert(0, str(ROOT / "benchmarks"))
from generated import write_corpus

distributed = pytest.importorskip("distributed", reason="workers need pip install 'b12qa[dask]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler and two workers, as threads of this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as made:
        yield made


@pytest.fixture
def workers_encoder(monkeypatch: pytest.MonkeyPatch) -> HashingEncoder:
    """What the workers load; it keeps what it was given."""
    encoder = HashingEncoder(max_tokens=256)
    monkeypatch.setattr(spreading, "_loaded", lambda model: encoder)
    return encoder


def test_workers_make_the_bytes_of_a_build_on_one_machine(
    cluster: Any, workers_encoder: HashingEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "corpus", 200)
    corpus, here = read_corpus(tmp_path / "corpus"), HashingEncoder(max_tokens=256)
    alone = build_index(corpus, here, tmp_path / "alone")
    monkeypatch.setattr(here, "encode", None)
    done: list[tuple[int, int]] = []
    spread = SpreadEncoder(here, None, cluster.scheduler_address)
    build_index(corpus, spread, tmp_path / "spread", lambda *progress: done.append(progress))
    assert done[-1] == (alone.embedded, alone.embedded)
    first, second = (tmp_path / name / alone.generation for name in ("alone", "spread"))
    assert current_generation(tmp_path / "spread") == alone.generation
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_a_worker_with_another_model_is_refused(cluster: Any, workers_encoder: HashingEncoder) -> None:
    other = SpreadEncoder(HashingEncoder(32), None, cluster.scheduler_address)
    with pytest.raises(ModelMismatchError, match="Put the same model on all machines"):
        list(other.encode_batches([["tea"]]))


class EndedClient:
    """A client of Dask whose workers have ended; no cluster here dies at a given moment."""

    def map(self, function: object, batches: list[object], **there: object) -> list[Any]:
        future: Any = Future()
        future.set_exception(KeyError("KilledWorker"))
        return [future for _ in batches]


def test_workers_that_end_are_named_and_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, workers_encoder: HashingEncoder
) -> None:
    monkeypatch.setattr(spreading, "_connected", lambda address: EndedClient())
    with pytest.raises(B12qaError, match=r"A worker could not embed some texts \(KeyError: .*b12qa build"):
        list(SpreadEncoder(workers_encoder, None, "tcp://127.0.0.1:1").encode_batches([["tea"]]))


def test_a_worker_with_other_libraries_is_refused(workers_encoder: HashingEncoder) -> None:
    with pytest.raises(ModelMismatchError, match="A worker has other libraries"):
        spreading.embed_there(["tea"], None, workers_encoder.fingerprint, {"numpy": "1"})


def test_no_scheduler_and_no_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "TIMEOUT_SECONDS", 2)
    with pytest.raises(
        B12qaError, match=r"Expected a Dask scheduler with workers at tcp://127\.0\.0\.1:1, got none"
    ):
        SpreadEncoder(HashingEncoder(), None, "tcp://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(B12qaError, match=r"Run: pip install 'b12qa\[dask\]'"):
        SpreadEncoder(HashingEncoder(), None, "tcp://127.0.0.1:1")
