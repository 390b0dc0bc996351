from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL_TEXT, HashingEncoder
from test_embedding import PACKAGED

from b12qa import exporting
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import ModelFiles, SentenceTransformerEncoder
from b12qa.exported import FILES, export_folder, open_exported
from b12qa.exporting import ExportReport, export_encoder
from b12qa.terminal import export_line

TEXTS = ["numb toes", "how much b12 is in clams?", "pins and needles " * 60, ""]


@pytest.fixture(autouse=True)
def exports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B12QA_ENCODER", "auto")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformerEncoder:
    """A model of one small layer, with the first token as its vector and a projection of that."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("tiny")
    config = BertConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=64, vocab_size=30522,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder / "bert")
    AutoTokenizer.from_pretrained(PACKAGED).save_pretrained(folder / "bert")
    reader = modules.Transformer(str(folder / "bert"), max_seq_length=32)
    stages = [reader, modules.Pooling(24, pooling_mode="cls"), modules.Dense(24, 8)]
    SentenceTransformer(modules=stages, device="cpu").save(str(folder / "model"))
    return SentenceTransformerEncoder(ModelFiles("tiny", folder / "model"))


@pytest.fixture(scope="module")
def exported(tiny: SentenceTransformerEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of an index with the export of the tiny model."""
    index = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("B12QA_ENCODER", "auto")
        report = export_encoder(tiny, index)
    assert (report.used, report.made, report.reason) == (True, True, "")
    assert report.least_cosine >= 0.99999
    return index


@pytest.fixture
def index(exported: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(exported, tmp_path / "index"))


@pytest.fixture
def graphs_are_copied(
    exported: Path, tiny: SentenceTransformerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export takes seconds; what is tested here is what becomes of it."""

    def copy(encoder: SentenceTransformerEncoder, folder: Path) -> None:
        for file in ("model.onnx", "model.onnx.data"):
            shutil.copy(export_folder(exported, tiny.fingerprint) / file, folder / file)

    monkeypatch.setattr(exporting, "_write_graph", copy)


# What is written.


@pytest.mark.model
def test_all_stages_of_a_model_are_exported(tiny: SentenceTransformerEncoder, exported: Path) -> None:
    found = open_exported(exported, tiny.fingerprint)
    np.testing.assert_allclose(found.encode(TEXTS), tiny.encode(TEXTS), atol=1e-6)
    assert (found.name, found.dimension, found.max_tokens) == ("tiny", 8, 32)
    # The third text is cut at the same token as the model cuts it.
    assert found.count_tokens(TEXTS[2]) == tiny.count_tokens(TEXTS[2]) > 32


@pytest.mark.model
def test_an_export_names_no_folder_of_this_machine(tiny: SentenceTransformerEncoder, exported: Path) -> None:
    folder = export_folder(exported, tiny.fingerprint)
    assert {path.name for path in folder.iterdir()} == {*FILES, "manifest.json", "manifest.sha256"}
    for path in folder.iterdir():
        data = path.read_bytes()
        assert b"site-packages" not in data
        assert b".py" not in data or path.name == "model.onnx.data"
    assert not list(exported.glob(".building-*"))


@pytest.mark.model
@pytest.mark.usefixtures("graphs_are_copied")
def test_a_model_is_exported_once(tiny: SentenceTransformerEncoder, index: Path) -> None:
    manifest = export_folder(index, tiny.fingerprint) / "manifest.json"
    before = manifest.stat().st_mtime_ns, manifest.stat().st_ino
    report = export_encoder(tiny, index)
    assert (report.used, report.made) == (True, False)
    assert report.least_cosine >= 0.99999
    assert (manifest.stat().st_mtime_ns, manifest.stat().st_ino) == before


@pytest.mark.model
@pytest.mark.usefixtures("graphs_are_copied")
def test_other_versions_of_the_libraries_export_again(
    tiny: SentenceTransformerEncoder, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_made_with", lambda: {"torch": "next"})
    assert export_encoder(tiny, index).made
    assert not export_encoder(tiny, index).made


@pytest.mark.model
@pytest.mark.usefixtures("graphs_are_copied")
@pytest.mark.parametrize("file", [*FILES, "manifest.json"])
def test_a_damaged_export_is_mended(tiny: SentenceTransformerEncoder, index: Path, file: str) -> None:
    (export_folder(index, tiny.fingerprint) / file).write_bytes(b"damaged")
    assert export_encoder(tiny, index).made
    np.testing.assert_allclose(
        open_exported(index, tiny.fingerprint).encode(TEXTS), tiny.encode(TEXTS), atol=1e-6
    )


# What is not used.


@pytest.mark.model
@pytest.mark.usefixtures("graphs_are_copied")
def test_an_export_with_other_vectors_is_not_used(
    tiny: SentenceTransformerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = np.roll(np.eye(8, dtype=np.float32), 1, axis=0)
    right = tiny.encode
    monkeypatch.setattr(tiny, "encode", lambda texts: right(texts) @ turn)
    report = export_encoder(tiny, tmp_path)
    assert not report.used
    assert report.reason.startswith("expected a cosine of at least 0.99999 to the model, got ")
    assert not export_folder(tmp_path, tiny.fingerprint).exists()


@pytest.mark.model
@pytest.mark.usefixtures("graphs_are_copied")
def test_an_export_that_counts_other_tokens_is_not_used(
    tiny: SentenceTransformerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny, "count_tokens", lambda text: 1)
    reason = export_encoder(tiny, tmp_path).reason
    assert reason == "it makes 2 tokens of a text of which the model makes 1"


@pytest.mark.model
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("No module named 'onnx'", name="onnx"), "onnx is not installed"),
        (RuntimeError("an operator\nof no known kind"), "RuntimeError: an operator"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "{index} has no room (No space left on device). Make some, then run: b12qa build",
        ),
    ],
)
def test_a_model_that_cannot_be_exported_is_used_itself(
    tiny: SentenceTransformerEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(exporting, "_write_graph", fail)
    report = export_encoder(tiny, tmp_path)
    assert (report.used, report.made, report.reason) == (False, False, reason.format(index=tmp_path))
    assert not (tmp_path / "encoders").exists()


def test_an_encoder_of_ones_own_is_used_itself(tmp_path: Path) -> None:
    assert export_encoder(HashingEncoder(), tmp_path).reason == "hashing is no sentence-transformers model"


@pytest.mark.model
def test_nothing_is_exported_where_torch_is_asked_for(
    tiny: SentenceTransformerEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B12QA_ENCODER", "torch")
    report = export_encoder(tiny, tmp_path)
    assert (report.used, report.made, report.reason) == (False, False, "")
    assert not (tmp_path / "encoders").exists()


# What is kept.


def test_exports_go_when_neither_generation_needs_them(tmp_path: Path, small_corpus: Path) -> None:
    index = tmp_path / "index"
    encoders = [HashingEncoder(name=name) for name in ("first", "second", "third")]
    for number, encoder in enumerate(encoders):
        (small_corpus / "tea.md").write_text(SMALL_TEXT + f"\nCup {number} is full.\n")
        build_index(read_corpus(small_corpus), encoder, index)
        export_folder(index, encoder.fingerprint).mkdir(parents=True)
        export_encoder(encoder, index)
    left = {path.name for path in (index / "encoders").iterdir()}
    assert left == {encoder.fingerprint[:16] for encoder in encoders[1:]}


# What a build says.


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (
            ExportReport(True, True, "", 0.99999981, 17.04),
            "The model is exported, and questions are embedded without torch (17.0 s, "
            "cosine to the model at least 0.9999998).",
        ),
        (
            ExportReport(False, False, "onnx is not installed", 0.0, 0.1),
            "Questions are embedded by the model itself; it could not be exported: onnx is not installed.",
        ),
    ],
)
def test_a_build_says_what_embeds_questions(report: ExportReport, line: str) -> None:
    assert export_line(report) == line


def test_a_manifest_is_json_with_its_keys_in_order(exported: Path, tiny: SentenceTransformerEncoder) -> None:
    data = (export_folder(exported, tiny.fingerprint) / "manifest.json").read_bytes()
    assert list(json.loads(data)) == sorted(json.loads(data))
