"""What can go wrong, as a small tree.

B12qaError
├── CorpusError            a file of the corpus cannot be used
│   ├── EmptyCorpusError   the corpus holds no text
│   └── YamlError          YAML is broken, or not of the form expected
├── ConversionError        a file cannot be turned into Markdown
├── ModelError             the embedding model is missing, changed or unusable
├── IndexTypeError         no index of the type wanted can be built
├── IndexUnusableError     the index must not be served
│   ├── MissingIndexError  nothing has been built yet
│   ├── StaleIndexError    built from another text or with other settings
│   ├── ModelMismatchError built with another model
│   └── DamagedIndexError  a file is not what was written
├── EngineError            the engine that keeps the vectors cannot be used
│   ├── EngineUnreachableError  it does not answer
│   └── EngineAccessError  it does not let us in, or not far enough
├── BuildLockedError       another build is writing the same index
├── SettingsError          a setting of the server is not of its form
└── QueryError             the caller asked for something impossible (also a ValueError)

Every message says what was expected, what came, and what to do.
"""

from __future__ import annotations


class B12qaError(Exception):
    """Base of every error that b12qa raises on purpose."""


class CorpusError(B12qaError):
    """A file of the corpus cannot be used."""


class EmptyCorpusError(CorpusError):
    """The corpus folder is missing or holds no text that could be quoted."""


class YamlError(CorpusError):
    """A file in YAML, or the front matter of a document, is broken or not of the form expected."""

    def __init__(self, file: str, line: int, found: str, remedy: str = "Mend the file.") -> None:
        super().__init__(f"{file}:{line}: {found}. {remedy}")
        self.file = file
        self.line = line
        self.found = found
        self.remedy = remedy


class ConversionError(B12qaError):
    """A file cannot be turned into Markdown."""


class ModelError(B12qaError):
    """The embedding model is missing, is not the one expected, or gave unusable vectors."""


class IndexTypeError(B12qaError):
    """No index of the type wanted can be built."""


class IndexUnusableError(B12qaError):
    """The index must not be served."""


class MissingIndexError(IndexUnusableError):
    """Nothing has been built yet."""


class StaleIndexError(IndexUnusableError):
    """The index was built from another text or with other settings."""


class ModelMismatchError(IndexUnusableError):
    """The index was built with another model than the one at hand."""


class DamagedIndexError(IndexUnusableError):
    """A file of the index is missing, or is not what was written."""


class EngineError(B12qaError):
    """The engine that keeps the vectors cannot be used: not installed, or it refused."""


class EngineUnreachableError(EngineError):
    """The engine does not answer."""


class EngineAccessError(EngineError):
    """The engine does not know who asks, or does not allow it."""


class BuildLockedError(B12qaError):
    """Another build is writing the same index."""


class SettingsError(B12qaError):
    """A setting of the server is not of its form."""


class QueryError(B12qaError, ValueError):
    """The caller asked for something impossible, such as ``top_k=0``."""
