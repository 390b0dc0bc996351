"""What was typed → the folder of an index, and of the corpus that belongs to it."""

from __future__ import annotations

from pathlib import Path

from b12qa.corpus import document_files, document_name
from b12qa.errors import CorpusError, DamagedIndexError, QueryError
from b12qa.generations import CURRENT, named_in
from b12qa.plain import short, some_of
from b12qa.sealed import manifest_of

DEFAULT_INDEX = "index"
# So many documents of each are named where an index and a corpus have none in common.
MAX_DOCUMENTS_NAMED = 3


def index_folder(index: str | Path = DEFAULT_INDEX) -> Path:
    """The folder of an index, which need not be there; an empty text stands for the default.

    Raises:
        QueryError: it is no path, or a file.
    """
    if index is None:
        raise QueryError("Expected a path as index, got None. Leave it out, or name a folder.")
    folder = _folder_named(index, "index") or Path(DEFAULT_INDEX)
    if _is_file(folder):
        raise QueryError(
            f"{folder} is a file: expected the folder of an index, such as {DEFAULT_INDEX}. Name that."
        )
    return folder


def corpus_folder(index_dir: str | Path, corpus: str | Path | None = None) -> Path:
    """The corpus that belongs to an index: the one named, or the folder `corpus` beside it, or here.

    An empty text names none. Where the command happens to be run, another corpus may lie: the one here is not
    taken for that of an index which holds none of its documents.

    Raises:
        QueryError: what was named is no path.
        CorpusError: the corpus here is another one than that of the index.
    """
    named = _folder_named(corpus, "corpus")
    if named is not None:
        return named
    beside = Path(index_dir).resolve().parent / "corpus"
    if beside.is_dir():
        return beside
    here = Path("corpus")
    _check_related(Path(index_dir), here)
    return here


def _folder_named(folder: str | Path | None, what: str) -> Path | None:
    """The folder that was named, if one was: a variable that is not set may come as an empty text."""
    if folder is None or folder == "":
        return None
    if not isinstance(folder, str | Path):
        raise QueryError(f"Expected a path as {what}, got {short(repr(folder))}. Name a folder.")
    if "\0" in str(folder):
        raise QueryError(f"Expected a path as {what}; no path holds a NUL: {str(folder)!r}. Name a folder.")
    return Path(folder)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long: whatever opens it says so
        return False


def _check_related(index_dir: Path, corpus_dir: Path) -> None:
    """Refuse a corpus that nobody named and that has no document of the index."""
    held, found = _documents_of(index_dir), _documents_in(corpus_dir)
    if held and found and held.isdisjoint(found):
        of_index, here = (some_of(sorted(names), MAX_DOCUMENTS_NAMED) for names in (held, found))
        raise CorpusError(
            f"The index {index_dir} holds {of_index}. No folder corpus lies beside it, and the one here "
            f"holds {here}, so it is that of another index. "
            "Name the right folder: --corpus DIR (load: corpus=...)"
        )


def _documents_of(index_dir: Path) -> set[str]:
    """Names of the documents of an index; none if there is no index, or it is too damaged to tell."""
    generation = named_in(index_dir / CURRENT)
    if generation is None:
        return set()
    try:
        with manifest_of(index_dir / generation) as manifest:
            return {Path(file).stem for file in manifest["inputs"]["corpus"] if file.endswith(".md")}
    except DamagedIndexError:
        return set()


def _documents_in(corpus_dir: Path) -> set[str]:
    """Names of the documents of a folder; none if it cannot be a corpus, as whoever reads it says."""
    try:
        return set(map(document_name, document_files(corpus_dir)))
    except CorpusError:
        return set()
