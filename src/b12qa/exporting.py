"""The model of an index → an ONNX graph beside the generations, if it gives the same vectors."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from b12qa.embedding import Encoder, SentenceTransformerEncoder
from b12qa.errors import IndexUnusableError, ModelError
from b12qa.exported import (
    EXPORT_FORMAT,
    FILES,
    FOLDER,
    GRAPH,
    TOKENIZER,
    WEIGHTS,
    EncoderChoice,
    OnnxEncoder,
    encoder_choice,
    export_folder,
    verified_manifest,
)
from b12qa.generations import CURRENT, PREVIOUS, named_in
from b12qa.sealed import MANIFEST, seal, sha256_of
from b12qa.storage import DISK_FULL, locked, remove_folder, sync_folder, unfinished_folder, write

LEAST_COSINE = 0.99999
# Another version may make another graph.
_LIBRARIES_THAT_EXPORT = (
    "onnx",
    "onnxscript",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)
_LARGE_FROM_BYTES = 1024
# Lengths from nothing to more than any model reads, and what tokenizers disagree about.
PROBES = (
    "",
    "b12",
    "Vitamin B12",
    "how much b12 in clams?",
    "HOW MUCH B12 IN CLAMS",
    "my toes are numb and it is getting worse",
    "Is 2.4 mcg/day (0.0024 mg) enough at 75+?",
    "methylcobalamin, hydroxocobalamin or cyanocobalamin",
    "naïve café, Straße, ﬁancé",
    "¿Cuánta vitamina B12 hay en las almejas?",
    "ビタミンB12と手足のしびれ",
    "витамин B12",
    "😀 numb 🦶",
    "a\u0000b\u200bc\ufffdd",
    "tab\tline\nbreak\r\nand  blanks",
    "[CLS] [MASK] <s> </s> ##12",
    "don't / it's / I'm — “quoted” … 50 %",
    "x" * 300,
    "pins and needles in both feet after metformin " * 4,
    "pins and needles in both feet after metformin " * 20,
    "The nerve is fed by small vessels. When they narrow, it starves; the longest suffer first. " * 200,
)


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What became of the export of a model."""

    used: bool  # whether answers can come from an export
    made: bool  # whether it was made now; otherwise it was there already, or could not be made
    reason: str  # why it is not used; empty if it is, or if nobody wanted it
    least_cosine: float  # between its vectors and those of the model; 0 where none were made
    seconds: float


def export_encoder(encoder: Encoder, index_dir: Path) -> ExportReport:
    """Keep an export of the model beside the generations, and remove those that none of them needs.

    Nothing depends on it: where it cannot be made, the model itself embeds questions as before.

    Raises:
        BuildLockedError: a build is writing there.
        ModelError: the variable B12QA_ENCODER says nothing known.
        OSError: the folder cannot be written.
    """
    started = time.perf_counter()
    choice = encoder_choice()
    with locked(index_dir):
        if choice is EncoderChoice.TORCH:
            used, made, reason, cosine = False, False, "", 0.0
        else:
            used, made, reason, cosine = _kept(encoder, index_dir)
        _remove_others(index_dir, keep=encoder.fingerprint if used else None)
    return ExportReport(used, made, reason, cosine, time.perf_counter() - started)


def _kept(encoder: Encoder, index_dir: Path) -> tuple[bool, bool, str, float]:
    """Find the export of a model, or make it."""
    found = _sound_manifest(index_dir, encoder.fingerprint)
    if found and found.get("made_with") == _made_with():
        return True, False, "", float(found["least_cosine"])
    if not isinstance(encoder, SentenceTransformerEncoder):
        return False, False, f"{encoder.name} is no sentence-transformers model", 0.0
    with unfinished_folder(index_dir) as folder:
        try:
            cosine = _export(encoder, folder)
        except ImportError as error:
            return False, False, f"{error.name or error} is not installed", 0.0
        except ModelError as error:
            return False, False, str(error), 0.0
        except Exception as error:  # the exporter raises whatever a model of an unknown kind makes it raise
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                reason = f"{index_dir} has no room ({error.strerror}). Make some, then run: b12qa build"
            else:
                reason = f"{type(error).__name__}: {_first_line(error)}"
            return False, False, reason, 0.0
        place = export_folder(index_dir, encoder.fingerprint)
        place.parent.mkdir(exist_ok=True)
        if place.exists():
            remove_folder(place)
        folder.rename(place)
        sync_folder(place.parent)
    return True, True, "", cosine


def _export(encoder: SentenceTransformerEncoder, folder: Path) -> float:
    """Write an export and compare it with its model.

    Returns:
        The least cosine between a vector of the one and the same vector of the other.

    Raises:
        ModelError: they differ.
    """
    tokenizer = getattr(encoder.model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise ModelError("its tokenizer cannot be written down")
    description = json.loads(tokenizer.to_str())
    description |= {"padding": None, "truncation": None}
    write(folder / TOKENIZER, json.dumps(description, ensure_ascii=False).encode("utf-8"))
    _write_graph(encoder, folder)
    facts = {
        "format": EXPORT_FORMAT,
        "fingerprint": encoder.fingerprint,
        "model_name": encoder.name,
        "dimension": encoder.dimension,
        "max_tokens": encoder.max_tokens,
        "made_with": _made_with(),
    }
    cosine = _least_cosine(encoder, OnnxEncoder(folder, facts))
    files = {
        file: {"bytes": (folder / file).stat().st_size, "sha256": sha256_of(folder / file)} for file in FILES
    }
    seal(folder, {**facts, "least_cosine": cosine}, files)
    return cosine


def _write_graph(encoder: SentenceTransformerEncoder, folder: Path) -> None:
    """Write all stages of a model, the scaling to length 1 among them, as one graph.

    It takes token numbers of texts of equal length, int64, shape (n_texts, n_tokens).
    """
    import onnx
    import torch

    stages = torch.nn.ModuleList(list(encoder.model))
    reads = set(encoder.model.tokenizer.model_input_names)

    class Embedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages = stages

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            features: dict[str, Any] = {
                "input_ids": input_ids,
                "attention_mask": torch.ones_like(input_ids),
            }
            if "token_type_ids" in reads:
                features["token_type_ids"] = torch.zeros_like(input_ids)
            for stage in self.stages:
                features = stage(features)
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)

    sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=encoder.max_tokens)}
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            Embedding().eval(),
            (torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 6, 5]]),),
            dynamo=True,
            input_names=["input_ids"],
            output_names=["embeddings"],
            dynamic_shapes=(sizes,),
            verbose=False,
        )
    if program is None:
        raise ModelError("the exporter made nothing")
    model = program.model_proto
    for node in model.graph.node:  # where in the libraries each came from, with folders of this machine
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:]
    onnx.save_model(
        model,
        folder / GRAPH,
        save_as_external_data=True,
        location=WEIGHTS,
        size_threshold=_LARGE_FROM_BYTES,
        convert_attribute=False,
    )
    for file in (GRAPH, WEIGHTS):
        (folder / file).chmod(0o644)
        with (folder / file).open("rb+") as written:
            os.fsync(written.fileno())


def _least_cosine(encoder: Encoder, exported: OnnxEncoder) -> float:
    """Compare an export with its model.

    Raises:
        ModelError: a vector is another one, or a text has another number of tokens.
    """
    for text in PROBES:
        mine, its = exported.count_tokens(text), encoder.count_tokens(text)
        if mine != its:
            raise ModelError(f"it makes {mine} tokens of a text of which the model makes {its}")
    cosines = np.sum(encoder.encode(PROBES).astype(np.float64) * exported.encode(PROBES), axis=1)
    least = float(min(cosines.min(), 1.0))
    if not least >= LEAST_COSINE:
        raise ModelError(f"expected a cosine of at least {LEAST_COSINE} to the model, got {least:.6f}")
    return least


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter talks of libraries that are not here and of changes to come."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _sound_manifest(index_dir: Path, fingerprint: str) -> Mapping[str, Any] | None:
    try:
        return verified_manifest(export_folder(index_dir, fingerprint), fingerprint)
    except IndexUnusableError:
        return None


def _remove_others(index_dir: Path, keep: str | None) -> None:
    """Remove the exports of models that neither the current generation nor the one before was built with."""
    if not (index_dir / FOLDER).is_dir():
        return
    kept = {_model_of(index_dir, named_in(index_dir / file)) for file in (CURRENT, PREVIOUS)} | {keep}
    names = {export_folder(index_dir, fingerprint).name for fingerprint in kept if fingerprint}
    for path in (index_dir / FOLDER).iterdir():
        if path.name not in names:
            with suppress(OSError):  # the next build tries again
                remove_folder(path)


def _model_of(index_dir: Path, generation: str | None) -> str | None:
    """The fingerprint of the model that a generation was built with."""
    if generation is None:
        return None
    try:
        manifest = json.loads((index_dir / generation / MANIFEST).read_bytes())
        return str(manifest["inputs"]["model"]["fingerprint"])
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _made_with() -> dict[str, str]:
    return {name: _version(name) for name in _LIBRARIES_THAT_EXPORT}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")
