"""An engine beside the folder: the same rows, the same answers, one generation at a time."""

from __future__ import annotations

import asyncio
import datetime
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, SMALL_TEXT, HashingEncoder, assistant_for, programs_app
from starlette.testclient import TestClient

from b12qa import engines
from b12qa.answering import Assistant
from b12qa.building import build_index, roll_back
from b12qa.checking import check_index
from b12qa.cli import app
from b12qa.corpus import read_corpus
from b12qa.embedding import Encoder
from b12qa.engine_settings import EngineSettings, read_engine_settings
from b12qa.engines import Milvus, facts_of
from b12qa.errors import (
    DamagedIndexError,
    EngineAccessError,
    EngineError,
    EngineUnreachableError,
    MissingIndexError,
    SettingsError,
    StaleIndexError,
)
from b12qa.evaluation import read_questions
from b12qa.generations import current_generation, named_in
from b12qa.index import STORED_FILES, Index, open_index, open_previous
from b12qa.nearest import CANDIDATES
from b12qa.progress import no_progress
from b12qa.publishing import publish, publisher, verify
from b12qa.retrieval import Reading, Retriever
from b12qa.shortcuts import Near
from b12qa.web.api import SECONDS_BETWEEN_PROBES, Health

sys.path.insert(0, str(ROOT / "benchmarks"))
from generated import Language, WordsEncoder, write_corpus

pytest.importorskip("pymilvus", reason="the engine needs pip install 'b12qa[milvus]'")
pytest.importorskip("milvus_lite", reason="these tests need pip install milvus-lite")

PASSAGES = 400
TOKEN = "root:a secret"  # noqa: S105


def built(corpus: Path, index: Path, encoder: Encoder, index_type: str = "auto", **options: Any) -> Index:
    build_index(read_corpus(corpus), encoder, index, index_type=index_type, **options)
    return open_index(index)


def write_tea(corpus: Path, milligrams: int) -> None:
    corpus.mkdir(exist_ok=True)
    (corpus / "tea.md").write_text(SMALL_TEXT.replace("40", str(milligrams)))


@pytest.fixture
def milvus(tmp_path: Path) -> Iterator[Milvus]:
    """Milvus Lite in a file of its own."""
    store = Milvus(EngineSettings(str(tmp_path / "engine.db")))
    yield store
    store.close()


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Retriever, Milvus, Path]]:
    """A generated corpus, by candidates of the folder, and the engine that holds it too."""
    folder = tmp_path_factory.mktemp("generated")
    write_corpus(folder / "corpus", PASSAGES)
    encoder = WordsEncoder(64)
    index = built(folder / "corpus", folder / "index", encoder, "ivf")
    store = Milvus(EngineSettings(str(folder / "engine.db")))
    publish(index, store, no_progress)
    yield Retriever(index, encoder), store, folder / "index"
    store.close()


# The same answers.


def test_the_engine_finds_what_an_exhaustive_search_finds_with_the_scores_of_the_folder(
    generated: tuple[Retriever, Milvus, Path], tmp_path: Path
) -> None:
    near, store, folder = generated
    exact = built(folder.parent / "corpus", tmp_path / "index", near.encoder, "flat")
    far = Retriever(open_index(folder, store), near.encoder)
    exhaustive = Retriever(exact, near.encoder)
    for question in Language().questions(12, PASSAGES // 50):
        one, other = near.rank([Reading(question)]), far.rank([Reading(question)])
        both = np.isfinite(one.scores) & np.isfinite(other.scores)
        assert 50 < both.sum() < len(both)
        assert np.array_equal(one.scores[both], other.scores[both])
        found, wanted = far.results(other, 10), exhaustive.search(question, 10)
        assert [(p.document, p.start, p.highlights) for p in found] == [
            (p.document, p.start, p.highlights) for p in wanted
        ]


def test_words_that_nothing_holds_still_find_what_is_near(generated: tuple[Retriever, Milvus, Path]) -> None:
    near, store, folder = generated
    far = Retriever(open_index(folder, store), near.encoder)
    readings = [[Reading("!?")], [Reading(Language().questions(1, PASSAGES // 50)[0])]]
    assert [len(far.results(ranking, 5)) for ranking in far.rank_all(readings)] == [5, 5]


def test_spare_passages_are_no_more_than_candidates(generated: tuple[Retriever, Milvus, Path]) -> None:
    near, store, folder = generated
    far = Retriever(open_index(folder, store), near.encoder)
    assert near.most_passages == far.most_passages == CANDIDATES < PASSAGES
    question = Language().questions(1, PASSAGES // 50)[0]
    ranking = far.rank([Reading(question)])
    for retriever in (near, far):
        assert 0 < len(list(Assistant(retriever)._spare(ranking, CANDIDATES))) <= CANDIDATES
        answer = Assistant(retriever).ask(question, max_quotes=CANDIDATES + 1)  # more than can be had
        assert answer.quotes


@pytest.mark.model
@pytest.mark.parametrize("index_type", ["auto", "ivf"])
def test_the_article_gets_the_same_answers_through_the_engine(
    article_index: Path, assistant: Assistant, milvus: Milvus, tmp_path: Path, index_type: str
) -> None:
    index = shutil.copytree(article_index, tmp_path / "index")
    build_index(
        read_corpus(ROOT / "corpus"),
        assistant.retriever.encoder,
        index,
        index_type=index_type,
        publish=publisher(milvus, no_progress),
    )
    rows = read_questions(ROOT / "evals" / "dev.jsonl")[::46]  # benchmarks/parity.py asks all of them
    near = assistant.embedding_ahead((row.question, row.history) for row in rows)
    far = Assistant(Retriever(open_index(index, milvus), near.retriever.encoder))
    assert (far.retriever.index.stored is None) == (index_type == "auto")
    for row in rows:
        one, other = near.ask(row.question, row.history), far.ask(row.question, row.history)
        assert other.confidence == pytest.approx(one.confidence, abs=1e-4 if index_type == "ivf" else 0)
        assert replace(other, confidence=one.confidence) == one


# The same rows.


def test_a_folder_without_vectors_serves_where_an_engine_keeps_them(
    generated: tuple[Retriever, Milvus, Path], tmp_path: Path
) -> None:
    near, store, folder = generated
    light = shutil.copytree(folder, tmp_path / "index")
    kept = [path for path in (light / current_generation(light)).iterdir() if path.name in STORED_FILES]
    assert {path.suffix for path in kept} == {".faiss", ".lists", ".npy"}
    for path in kept:
        path.unlink()
    question = Language().questions(1, PASSAGES // 50)[0]
    far = Retriever(open_index(light, store), near.encoder)
    assert far.search(question) == near.search(question)
    with pytest.raises(DamagedIndexError, match="Run: b12qa build"):
        open_index(light)


def test_every_vector_comes_back_bit_for_bit(generated: tuple[Retriever, Milvus, Path]) -> None:
    near, store, folder = generated
    far = open_index(folder, store)
    for own, stored in (
        (near.index.chunk_vectors, far.chunk_vectors),
        (near.index.sentence_vectors, far.sentence_vectors),
    ):
        assert np.array_equal(own.reconstruct_n(0, own.ntotal), stored.reconstruct_n(0, stored.ntotal))
        assert np.array_equal(own.reconstruct(3), stored.reconstruct(3))


def test_rows_that_every_question_needs_are_fetched_once(
    generated: tuple[Retriever, Milvus, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, store, _ = generated
    always = Near(np.array([2, 5]), np.array([4, 5, 9]))
    stored = store.open(facts_of(near.index)._replace(always=always))
    monkeypatch.setattr(store, "vectors_of", None)
    for rows in ([5, 2], [2]):
        own = near.index.chunk_vectors.reconstruct_batch(np.array(rows))
        assert np.array_equal(own, stored.chunks.reconstruct_batch(np.array(rows)))


@pytest.mark.parametrize(("lost", "held"), [("row == 3", (3, 6)), ("row == 5", (4, 5))])
def test_an_engine_that_lost_a_row_is_refused_and_mended(
    milvus: Milvus, tmp_path: Path, lost: str, held: tuple[int, int]
) -> None:
    write_tea(tmp_path / "corpus", 40)
    encoder, index = HashingEncoder(), tmp_path / "index"
    options: dict[str, Any] = {"index_type": "pq", "publish": publisher(milvus, no_progress)}
    whole = built(tmp_path / "corpus", index, encoder, **options)
    milvus._client.delete(milvus.collection(whole.generation), filter=lost)
    words = f"holds {held[0]} passages and {held[1]} sentences as b12qa_.*, expected 4 and 6. Run: b12qa"
    with pytest.raises(DamagedIndexError, match=words):
        open_index(index, milvus)
    built(tmp_path / "corpus", index, encoder, **options)
    assert open_index(index, milvus).generation == whole.generation


# One generation after the other.


def test_a_build_is_served_whole_and_the_one_before_is_kept(milvus: Milvus, tmp_path: Path) -> None:
    corpus, index, encoder = tmp_path / "corpus", tmp_path / "index", HashingEncoder()
    generations = []
    for milligrams in (40, 50, 60):
        write_tea(corpus, milligrams)
        built(corpus, index, encoder, "pq", publish=publisher(milvus, no_progress))
        generations.append(current_generation(index))
        assert milvus.served() == generations[-1]
        assert milvus.generations() == sorted(generations[-2:])
    replica = Retriever(open_index(index, milvus), encoder)
    roll_back(index, publisher(milvus, no_progress))
    assert milvus.served() == generations[1] == current_generation(index)
    # Who still serves the other generation goes on, with its own rows.
    assert "60 mg" in replica.search("caffeine", 1)[0].text
    assert "50 mg" in Retriever(open_index(index, milvus), encoder).search("caffeine", 1)[0].text


def test_a_build_of_what_is_served_sends_nothing(
    milvus: Milvus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tea(tmp_path / "corpus", 40)
    for _ in range(2):
        index = built(
            tmp_path / "corpus", tmp_path / "index", HashingEncoder(), publish=publisher(milvus, no_progress)
        )
        monkeypatch.setattr(milvus._client, "insert", None)
    assert milvus.generations() == [index.generation]


def test_what_a_killed_build_left_is_replaced(
    milvus: Milvus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tea(tmp_path / "corpus", 40)
    options: dict[str, Any] = {
        "encoder": HashingEncoder(),
        "publish": publisher(milvus, no_progress),
    }
    monkeypatch.setattr(engines, "ROWS_AT_ONCE", 3)

    def killed(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(tmp_path / "corpus", tmp_path / "index", **options | {"publish": publisher(milvus, killed)})
    assert (milvus.served(), len(milvus.generations())) == (None, 1)
    assert named_in(tmp_path / "index" / "CURRENT") is None
    index = built(tmp_path / "corpus", tmp_path / "index", **options)
    assert milvus.served() == index.generation


@pytest.mark.parametrize("fault", ["other passages", "other bits"])
def test_an_engine_that_finds_something_else_is_not_switched_to(
    milvus: Milvus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    corpus, index, encoder = tmp_path / "corpus", tmp_path / "index", HashingEncoder()
    write_tea(corpus, 40)
    options: dict[str, Any] = {"index_type": "pq", "publish": publisher(milvus, no_progress)}
    before = built(corpus, index, encoder, **options)
    write_tea(corpus, 50)
    if fault == "other bits":
        sent = engines._rows
        monkeypatch.setattr(
            engines, "_rows", lambda *of: ({**row, "vector": row["vector"] * 2} for row in sent(*of))
        )
    else:
        monkeypatch.setattr(Milvus, "near", lambda *of: [0 if of[2] == "chunks" else len(before.chunks)])
    words = (
        "bit for bit" if fault == "other bits" else r"finds 0\.\d+ of the best 10 passages for 6 questions"
    )
    with pytest.raises((DamagedIndexError, EngineError), match=words):
        built(corpus, index, encoder, **options)
    assert milvus.served() == current_generation(index) == before.generation


def test_an_index_that_the_engine_does_not_hold_is_refused_in_words(milvus: Milvus, tmp_path: Path) -> None:
    corpus, index, encoder = tmp_path / "corpus", tmp_path / "index", HashingEncoder()
    write_tea(corpus, 40)
    alone = built(corpus, index, encoder)
    with pytest.raises(MissingIndexError, match=f"holds no collection b12qa_{alone.generation}. Run: b12qa"):
        open_index(index, milvus)
    publish(alone, milvus, no_progress)
    write_tea(corpus, 50)
    other = built(corpus, index, encoder)
    words = f"serves the generation {alone.generation}, and the folder of the index is of {other.generation}"
    with pytest.raises(StaleIndexError, match=words):
        open_index(index, milvus)
    with pytest.raises(StaleIndexError, match="holds other vectors as b12qa_"):
        milvus.open(facts_of(open_previous(index))._replace(digest="0" * 16))


@pytest.mark.model
def test_check_compares_the_engine_with_the_folder(
    milvus: Milvus, tmp_path: Path, article_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b12qa.checking.configured_store", lambda: milvus)
    corpus = read_corpus(ROOT / "corpus")
    with pytest.raises(MissingIndexError, match="holds no collection"):
        check_index(article_index, corpus)
    publish(open_index(article_index), milvus, no_progress)
    assert check_index(article_index, corpus).stored is None
    monkeypatch.setattr(Milvus, "vectors_of", lambda *of: np.zeros((len(of[2]), of[3]), dtype=np.float32))
    with pytest.raises(DamagedIndexError, match="bit for bit"):
        check_index(article_index, corpus)


# Over a network: Milvus Lite behind what it lacks, a password and TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that vouches for itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "engine.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("engine.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "key.pem", folder / "cert.pem"


Served = tuple[str, Callable[[], None]]


@pytest.fixture
def served(certificate: tuple[Path, Path], tmp_path: Path) -> Iterator[Served]:
    """The address of a server, and what stops it."""
    import base64

    import grpc
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from milvus_lite.db import MilvusLite
    from pymilvus.grpc_gen import milvus_pb2_grpc

    expected = base64.b64encode(TOKEN.encode()).decode()

    class Password(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Any, details: Any) -> Any:
            if dict(details.invocation_metadata).get("authorization") == expected:
                return continuation(details)
            return grpc.unary_unary_rpc_method_handler(
                lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure")
            )

    database = MilvusLite(str(tmp_path / "served"))
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[Password()])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
    key, cert = (path.read_bytes() for path in certificate)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
    server.start()
    yield f"https://127.0.0.1:{port}", lambda: server.stop(0).wait()
    server.stop(0).wait()
    database.close()


def environment(
    served: Served, certificate: tuple[Path, Path], folder: Path, **changed: str
) -> dict[str, str]:
    """How an operator names the engine."""
    (folder / "token").write_text(f"{TOKEN}\n")
    return {
        "B12QA_ENGINE": served[0],
        "B12QA_ENGINE_TOKEN_FILE": str(folder / "token"),
        "B12QA_ENGINE_CA_FILE": str(certificate[1]),
        "B12QA_ENGINE_SERVER_NAME": "engine.test",
        "B12QA_ENGINE_TIMEOUT": "3",
        **changed,
    }


def settings_of(variables: dict[str, str]) -> EngineSettings:
    settings = read_engine_settings(variables)
    assert settings is not None
    return settings


def test_a_token_and_certificates_lead_in_and_a_wrong_one_is_named(
    served: Served, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    variables = environment(served, certificate, tmp_path)
    store = Milvus(settings_of(variables))
    assert store.state() == ("milvus", True, "")
    store.close()
    wrong = variables | {"B12QA_ENGINE_TOKEN_FILE": "", "B12QA_ENGINE_TOKEN": "root:wrong"}
    with pytest.raises(EngineAccessError, match=r"does not let us in\. Check B12QA_ENGINE_TOKEN") as refused:
        Milvus(settings_of(wrong))
    assert "wrong" not in str(refused.value)
    with pytest.raises(EngineUnreachableError, match="with https the certificates"):
        Milvus(settings_of(variables | {"B12QA_ENGINE_CA_FILE": "", "B12QA_ENGINE_TIMEOUT": "1"}))


def test_a_replica_says_when_its_engine_is_gone(
    served: Served, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    store = Milvus(settings_of(environment(served, certificate, tmp_path, B12QA_ENGINE_TIMEOUT="2")))
    write_tea(tmp_path / "corpus", 40)
    encoder = HashingEncoder()
    index = built(
        tmp_path / "corpus", tmp_path / "index", encoder, "pq", publish=publisher(store, no_progress)
    )
    replica = Assistant(Retriever(open_index(tmp_path / "index", store), encoder))
    question = "How much caffeine?"
    now = [100.0]
    health = Health(lambda: replica, lambda: now[0])
    assert asyncio.run(health.is_ready())
    assert health.engine == ("milvus", True, index.generation)
    with TestClient(programs_app(replica), "http://127.0.0.1") as client:
        assert client.post("/api/ask", json={"question": question}).status_code == 200
        assert client.get("/healthz").json()["engine"] == {
            "name": "milvus",
            "reachable": True,
            "generation": index.generation,
        }
        served[1]()
        now[0] += SECONDS_BETWEEN_PROBES + 1
        assert not asyncio.run(health.is_ready())
        assert health.engine == ("milvus", False, "")
        gone = client.post("/api/ask", json={"question": question})
    assert (gone.status_code, "retry-after" in gone.headers) == (503, True)
    assert "does not answer" in gone.json()["detail"]


# What an operator writes.


def test_the_environment_names_the_engine_for_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B12QA_ENGINE", str(tmp_path / "engine.db"))
    monkeypatch.setattr("b12qa.embedding.load_encoder", lambda *_, **__: HashingEncoder())
    first = assistant_for(SMALL_TEXT, tmp_path).retriever.index
    write_tea(tmp_path / "corpus", 50)
    (tmp_path / "corpus" / "text.md").unlink()
    where = ["--index", str(tmp_path / "index")]
    build = CliRunner().invoke(app, ["build", *where, "--corpus", str(tmp_path / "corpus")])
    assert build.exit_code == 0, build.output
    store = first.store
    assert isinstance(store, Milvus)
    assert store.served() == current_generation(tmp_path / "index") != first.generation
    rollback = CliRunner().invoke(app, ["rollback", *where])
    assert rollback.exit_code == 0, rollback.output
    assert store.served() == first.generation
    monkeypatch.setenv("B12QA_ENGINE", "http://127.0.0.1:1")
    monkeypatch.setenv("B12QA_ENGINE_TIMEOUT", "1")
    gone = CliRunner().invoke(app, ["ask", "caffeine?", *where])
    assert (gone.exit_code, "does not answer within 1 s" in gone.output) == (2, True)


def test_no_engine_is_named_by_default() -> None:
    assert read_engine_settings({}) is None
    assert read_engine_settings({"B12QA_ENGINE": " "}) is None


def test_a_token_is_never_shown() -> None:
    settings = settings_of({"B12QA_ENGINE": "https://m.example:19530", "B12QA_ENGINE_TOKEN": "root:secret"})
    assert settings.token == "root:secret"  # noqa: S105
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("address", "openly"),
    [
        ("http://milvus.example:19530", True),
        ("https://milvus.example:19530", False),
        ("http://127.0.0.1:19530", False),
        ("engine.db", False),
    ],
)
def test_an_engine_elsewhere_without_tls_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, address: str, openly: bool
) -> None:
    from b12qa.web.server import engine_warnings

    monkeypatch.setenv("B12QA_ENGINE", address)
    assert any("unencrypted" in words for words in engine_warnings()) == openly


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"B12QA_ENGINE": "milvus.example:19530"}, "Expected https://HOST:PORT"),
        ({"B12QA_ENGINE": "https://root:x@m.example"}, "without a password in B12QA_ENGINE"),
        (
            {"B12QA_ENGINE_NAME": "b12-qa"},
            "Expected a letter, then letters, digits and _ in B12QA_ENGINE_NAME",
        ),
        ({"B12QA_ENGINE_TIMEOUT": "soon"}, "seconds above 0 in B12QA_ENGINE_TIMEOUT, got 'soon'"),
        ({"B12QA_ENGINE_TOKEN_FILE": "/none"}, "Cannot read /none, which B12QA_ENGINE_TOKEN_FILE names"),
        ({"B12QA_ENGINE_CA_FILE": "/none"}, "B12QA_ENGINE_CA_FILE names /none, which is no file"),
        ({"B12QA_ENGINE_KEY_FILE": "/none"}, "_CERT_FILE, _KEY_FILE and _CA_FILE together, got KEY_FILE"),
        ({"B12QA_ENGINE": "http://m.example", "B12QA_ENGINE_CA_FILE": "/none"}, "Expected https:// in"),
    ],
)
def test_a_wrong_setting_is_named(variables: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_engine_settings({"B12QA_ENGINE": "https://m.example:19530"} | variables)


def test_an_engine_that_does_not_answer_is_named() -> None:
    with pytest.raises(EngineUnreachableError, match=r"http://127.0.0.1:1 does not answer within 1 s"):
        Milvus(EngineSettings("http://127.0.0.1:1", timeout_seconds=1))


def test_the_missing_package_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(EngineError, match=r"Run: pip install 'b12qa\[milvus\]'"):
        Milvus(EngineSettings(str(tmp_path / "engine.db")))


def test_nothing_of_the_engine_is_loaded_unless_it_is_named(tmp_path: Path) -> None:
    code = """
import json, sys
from pathlib import Path
import conftest
from b12qa.engines import configured_store
conftest.assistant_for(conftest.SMALL_TEXT, Path(sys.argv[1])).ask("caffeine?")
print(json.dumps([configured_store(), sorted({"pymilvus", "milvus_lite", "grpc"} & sys.modules.keys())]))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=True)
    assert json.loads(ran.stdout.splitlines()[-1]) == [None, []]


def test_verifying_a_small_index_needs_no_question(milvus: Milvus, tmp_path: Path) -> None:
    write_tea(tmp_path / "corpus", 40)
    index = built(tmp_path / "corpus", tmp_path / "index", HashingEncoder())
    publish(index, milvus, no_progress)
    verify(index, milvus)
    far = open_index(tmp_path / "index", milvus)
    assert far.stored is None
    assert far.store is milvus
    near = Retriever(index, HashingEncoder()).search("green tea", 3)
    assert Retriever(far, HashingEncoder()).search("green tea", 3) == near
