"""What `b12qa check` looks at: the corpus as an editor left it, the index as the disk kept it."""

from __future__ import annotations

from pathlib import Path

from b12qa.chunking import long_blocks
from b12qa.corpus import (
    Problem,
    Severity,
    check_file,
    document_files,
    read_corpus,
    read_document,
)
from b12qa.embedding import find_model, token_counter
from b12qa.index import Index, check_fresh, open_index
from b12qa.markdown import line_number


def check_corpus(corpus_dir: Path, model: str | None = None) -> list[Problem]:
    """Everything an editor should know about the corpus, by file and line.

    Raises:
        EmptyCorpusError: there is no document.
    """
    problems: list[Problem] = []
    count_tokens, max_tokens = token_counter(find_model(model))
    for path in document_files(corpus_dir):
        found = check_file(path)
        if not any(problem.severity is Severity.ERROR for problem in found):
            document = read_document(path)
            for block, tokens in long_blocks(document, count_tokens, max_tokens):
                line = line_number(document.text, block.start)
                message = f"block of {tokens} tokens, more than the {max_tokens} the model reads: it is split"
                found.append(Problem(Severity.WARNING, path.name, line, message))
        problems += sorted(found, key=lambda problem: (problem.line, problem.message))
    return problems


def check_index(index_dir: Path, corpus_dir: Path, model: str | None = None) -> Index:
    """Verify every byte of the index, and that it was built from what is at hand.

    Raises:
        MissingIndexError, StaleIndexError, ModelMismatchError, DamagedIndexError, CorpusError, ModelError
    """
    opened = open_index(index_dir)
    check_fresh(opened, read_corpus(corpus_dir), find_model(model))
    return opened
