"""A large corpus is embedded by many machines: the workers of a Dask scheduler, with the same command.

The build stays one process, which sends batches of texts and writes their vectors into parts as they come;
so it goes on after a kill as it always does, and gives the same bytes as on one machine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from b12qa.building import versions_that_compute
from b12qa.embedding import Encoder, FloatMatrix, load_encoder
from b12qa.errors import B12qaError, ModelMismatchError

TIMEOUT_SECONDS = 30.0
TRIES = 3  # of a batch whose worker is lost


class SpreadEncoder:
    """An encoder whose batches are embedded by workers; what is not a batch, it embeds itself."""

    def __init__(self, encoder: Encoder, model: str | None, address: str) -> None:
        """Connect.

        Args:
            encoder: the model, as it is here.
            model: how the workers find the same one, see `embedding.find_model`.
            address: of the scheduler, such as tcp://10.0.0.5:8786.

        Raises:
            B12qaError: the package is not installed, or there is no scheduler, or no worker.
        """
        self._encoder = encoder
        self._model = model
        self._client = _connected(address)

    @property
    def name(self) -> str:
        return self._encoder.name

    @property
    def fingerprint(self) -> str:
        return self._encoder.fingerprint

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    @property
    def max_tokens(self) -> int:
        return self._encoder.max_tokens

    def count_tokens(self, text: str) -> int:
        return self._encoder.count_tokens(text)

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        return self._encoder.encode(texts)

    def encode_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[FloatMatrix]:
        """The vectors of batches of texts, in their order.

        Raises:
            ModelMismatchError: a worker has another model, or other versions of what computes.
            B12qaError: a worker ended, or could not embed.
        """
        there: dict[str, Any] = {
            "model": self._model,
            "fingerprint": self.fingerprint,
            "versions": versions_that_compute(),
        }
        sent = self._client.map(embed_there, list(batches), pure=False, retries=TRIES, **there)
        for future in sent:
            try:
                embedded = future.result()
            except B12qaError:
                raise
            except Exception as error:  # Dask has errors of its own for workers that end
                raise B12qaError(
                    f"A worker could not embed some texts ({type(error).__name__}: {error}). "
                    "See what the worker printed, then run: b12qa build"
                ) from error
            yield embedded


def embed_there(
    texts: Sequence[str], model: str | None, fingerprint: str, versions: Mapping[str, str]
) -> FloatMatrix:
    """Embed texts on a worker, with the model and the libraries of the build and no others.

    Raises:
        ModelMismatchError: they are others.
    """
    if versions != versions_that_compute():
        raise ModelMismatchError(
            f"A worker has other libraries ({versions_that_compute()}) than the build ({dict(versions)}). "
            "Install both with --constraint constraints.txt"
        )
    encoder = _loaded(model)
    if encoder.fingerprint != fingerprint:
        raise ModelMismatchError(
            f"A worker has the model {encoder.name} ({encoder.fingerprint[:8]}), and the build needs "
            f"{fingerprint[:8]}. Put the same model on all machines"
        )
    return encoder.encode(texts)


@cache
def _loaded(model: str | None) -> Encoder:
    return load_encoder(model)


def _connected(address: str) -> Any:
    try:
        import distributed
    except ImportError as error:
        raise B12qaError(
            "The package that speaks to Dask is missing. Run: pip install 'b12qa[dask]'"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it raises what it logs
    untyped: Any = distributed  # its annotations come and go with versions
    try:
        client = untyped.Client(address, timeout=TIMEOUT_SECONDS)
        client.wait_for_workers(1, timeout=TIMEOUT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise B12qaError(
            f"Expected a Dask scheduler with workers at {address}, got none within {TIMEOUT_SECONDS:g} s. "
            f"Start: dask scheduler; dask worker --nthreads 1 {address}"
        ) from error
    return client
