"""The exported encoder: what embeds a question where torch is not loaded. Nothing here writes.

`b12qa build` keeps beside the generations an ONNX graph of the model they were built with. It gives
the same vectors to within rounding, needs a tenth of the packages, and starts in a fraction of a second.
Opening compares every byte with the manifest before anything is parsed; `exporting.py` writes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from b12qa.embedding import (
    DEFAULT_FINGERPRINT,
    DEFAULT_MODEL,
    FloatMatrix,
    check_embeddings,
    find_model,
)
from b12qa.errors import DamagedIndexError, MissingIndexError, ModelError
from b12qa.sealed import check_format, manifest_of, sha256_of, verified_files

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

FOLDER = "encoders"
EXPORT_FORMAT = 1
GRAPH = "model.onnx"
WEIGHTS = "model.onnx.data"
TOKENIZER = "tokenizer.json"
FILES = (GRAPH, WEIGHTS, TOKENIZER)
CHOICE_VARIABLE = "B12QA_ENCODER"
_LOG_ERRORS_ONLY = 3


class EncoderChoice(StrEnum):
    """What embeds questions."""

    AUTO = "auto"  # the exported encoder where there is one, otherwise the model itself
    ONNX = "onnx"  # the exported encoder, and nothing else
    TORCH = "torch"  # the model itself; none is exported


def encoder_choice() -> EncoderChoice:
    """What the environment variable B12QA_ENCODER says; by default, auto.

    Raises:
        ModelError: it says something else.
    """
    value = os.environ.get(CHOICE_VARIABLE, "").strip().lower()
    try:
        return EncoderChoice(value or EncoderChoice.AUTO)
    except ValueError:
        raise ModelError(
            f"Expected {', '.join(EncoderChoice)} in the variable {CHOICE_VARIABLE}, got {value!r}. "
            "Set it to one of them, or to nothing."
        ) from None


def export_folder(index_dir: Path, fingerprint: str) -> Path:
    """Where the export of a model stands."""
    return index_dir / FOLDER / fingerprint[:16]


class OnnxEncoder:
    """An exported model: onnxruntime and tokenizers, one thread, any number of callers at once."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Load an export whose bytes have been verified.

        Raises:
            DamagedIndexError: it is not what its manifest says.
        """
        try:
            self.name, self.fingerprint = str(manifest["model_name"]), str(manifest["fingerprint"])
            self.dimension, self.max_tokens = int(manifest["dimension"]), int(manifest["max_tokens"])
            self._description = (folder / TOKENIZER).read_text("utf-8")
            self._tokenizer = _tokenizer(self._description)
            # Set once and never again: a tokenizer keeps as its own state how it cuts, for all threads.
            self._tokenizer.enable_truncation(self.max_tokens)
            self._session = _session(folder / GRAPH)
        except Exception as error:  # both libraries raise kinds of their own
            raise DamagedIndexError(
                f"{folder} holds no encoder that can be loaded ({error}). Run: b12qa build"
            ) from error

    def count_tokens(self, text: str) -> int:
        return len(self._counting.encode(text).ids)

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        # One at a time: nothing is padded, and a vector has the same bits alone and in any company.
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
            found = self._session.run(None, {"input_ids": ids})[0]
            vectors[row] = check_embeddings(np.asarray(found), 1, self.dimension)[0]
        return vectors

    @cached_property
    def _counting(self) -> Tokenizer:
        """Reads texts to their end; building needs it, answering does not."""
        return _tokenizer(self._description)


def exported_encoder(
    index_dir: Path, fingerprint: str, model: str | Path | None = None
) -> OnnxEncoder | None:
    """The exported encoder of an index, if it is to be used and is of the model that is asked for.

    Args:
        fingerprint: of the model that the index was built with.
        model: see `b12qa.embedding.find_model`.

    Returns:
        Nothing if the model itself must embed questions.

    Raises:
        MissingIndexError: B12QA_ENCODER asks for an export, and there is none.
        DamagedIndexError, StaleIndexError: the export must not be used.
        ModelError: the model is not there, is not what its name promises, or B12QA_ENCODER is wrong.
    """
    choice = encoder_choice()
    if choice is EncoderChoice.TORCH:
        return None
    if choice is EncoderChoice.AUTO and not export_folder(index_dir, fingerprint).is_dir():
        return None
    default = model in (None, "", DEFAULT_MODEL) and fingerprint == DEFAULT_FINGERPRINT
    if not default and find_model(model).fingerprint != fingerprint:
        return None
    return open_exported(index_dir, fingerprint)


def open_exported(index_dir: Path, fingerprint: str) -> OnnxEncoder:
    """Open the export of a model after comparing all of it with its manifest.

    Raises:
        MissingIndexError: the model has not been exported there.
        DamagedIndexError: a file is missing, surplus, or not what was written.
        StaleIndexError: it has another format.
    """
    folder = export_folder(index_dir, fingerprint)
    return OnnxEncoder(folder, verified_manifest(folder, fingerprint))


def verified_manifest(folder: Path, fingerprint: str) -> dict[str, Any]:
    """What an export says of itself, after every byte of it has been verified. Errors as above."""
    if not folder.is_dir():
        raise MissingIndexError(
            f"{folder.parent.parent} holds no exported encoder for the model {fingerprint[:8]}. "
            f"Run: b12qa build (or set {CHOICE_VARIABLE}=auto)"
        )
    with manifest_of(folder) as manifest:
        check_format(folder, manifest["format"], EXPORT_FORMAT)
        if manifest["fingerprint"] != fingerprint:
            raise DamagedIndexError(
                f"{folder} holds the export of another model ({str(manifest['fingerprint'])[:8]}, "
                f"expected {fingerprint[:8]}). Run: b12qa build"
            )
        verified_files(folder, {file: manifest["files"][file] for file in FILES}, _verify)
    return manifest


def _verify(path: Path, size: int, sha256: str) -> None:
    """Compare a file with what was written, without holding all of it: weights are large."""
    try:
        same = path.stat().st_size == size and sha256_of(path) == sha256
    except OSError as error:
        raise DamagedIndexError(f"{path} cannot be read ({error.strerror}). Run: b12qa build") from error
    if not same:
        raise DamagedIndexError(f"{path} is damaged: it is not what was written. Run: b12qa build")


def _tokenizer(description: str) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(description)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _session(graph: Path) -> onnxruntime.InferenceSession:
    # Without it the library, once imported, keeps a database of events about this machine to send away.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    # A question is too short to share out, and threads that wait by spinning slow everybody else.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Fusing more operators gained no time, and took the vectors further from those of the model.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    for threads in ("intra_op", "inter_op"):
        options.add_session_config_entry(f"session.{threads}.allow_spinning", "0")
    # By its path, so that the weights stay in the file and only what is read of them takes memory.
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
