"""Compare b12qa without a question bank with plain hybrid search, on documents that nobody prepared.

python evals/other_documents.py squad dev-v2.0.json --sample 800
python evals/other_documents.py policyqa test.json
python evals/other_documents.py inscit dev.json --half second
python evals/other_documents.py doc2dial documents.json dialogues.json [more dialogues ...]
python evals/other_documents.py multidoc2dial test.csv
python evals/other_documents.py article evals/dev.jsonl

None of the data sets is part of this repository: SQuAD 2.0 (Rajpurkar, Jia and Liang, 2018,
arXiv:1806.03822), PolicyQA (Ahmad, Chi, Tian and Chang, 2020, arXiv:2010.02557), INSCIT (Wu and others, 2023,
arXiv:2207.00746), Doc2Dial (Feng and others, 2020, arXiv:2011.06623), MultiDoc2Dial (Feng and others, 2021,
arXiv:2109.12595). `article` is our own article with the
development questions that one place answers, its bank left out.

Plain hybrid search is the cosine of a question to headings and paragraph plus 0.7 times BM25 over the
paragraphs, both standardized over all paragraphs; of a follow-up as typed, and joined to the last turn of
the user. Both sides read the same texts with the same model.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from b12qa.building import build_index
from b12qa.conversation import to_query
from b12qa.corpus import read_corpus
from b12qa.embedding import Encoder, RememberingEncoder, load_encoder
from b12qa.evaluation import auroc, mean
from b12qa.index import open_index
from b12qa.lexical import LexicalIndex
from b12qa.records import Block, Document
from b12qa.retrieval import Retriever

HERE = Path(__file__).parent
WORDS_WEIGHT = 0.7
RANKS = (1, 3, 5)
TYPED, JOINED, OURS = "plain hybrid", "plain hybrid, last turn joined", "b12qa"
_MARKS = re.compile(r"[\\`*_\[\]<>#|~&]")

Array = npt.NDArray[Any]
Paragraph = tuple[str, int]  # a document's name, and where the paragraph begins in it


class Asked(NamedTuple):
    """A question, and the paragraphs that answer it or, if it has no answer, seem to."""

    question: str
    history: tuple[str, ...]  # the user's earlier questions, oldest first
    right: frozenset[Paragraph]
    answerable: bool = True


@dataclass
class Page:
    """A Markdown document in the making."""

    name: str
    text: str

    @classmethod
    def titled(cls, title: str) -> Page:
        return cls(re.sub(r"\W+", "-", title).strip("-").lower(), f"# {_plain(title)}\n")

    def head(self, headings: Sequence[str]) -> None:
        """Begin a section."""
        for level, heading in enumerate(headings, start=2):
            self.text += f"\n{'#' * level} {_plain(heading)}\n"

    def add(self, words: str) -> Paragraph:
        """Add a paragraph, and say where it is."""
        self.text += "\n"
        where = (self.name, len(self.text))
        self.text += re.sub(r"^(\d+)[.)]|^[-+=]", r"\1", _plain(words)).strip() + "\n"
        return where


@dataclass
class Collection:
    """Documents that are searched together, and what is asked of them."""

    pages: list[Page] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


def _plain(words: str) -> str:
    return " ".join(_MARKS.sub(" ", words).split())


def squad(file: str) -> Iterator[Collection]:
    """All articles together."""
    together = Collection()
    for collection in policyqa(file):
        together.pages += collection.pages
        together.asked += collection.asked
    yield together


def policyqa(file: str) -> Iterator[Collection]:
    """Each article on its own: all are asked the same things, and several paragraphs may answer."""
    for article in _json(file)["data"]:
        page = Page.titled(article["title"].replace("_", " "))
        right: dict[tuple[str, bool], set[Paragraph]] = defaultdict(set)
        for paragraph in article["paragraphs"]:
            where = page.add(paragraph["context"])
            for question in paragraph["qas"]:
                right[question["question"], not question.get("is_impossible")].add(where)
        asked = [Asked(question, (), frozenset(places), able) for (question, able), places in right.items()]
        yield Collection([page], asked)


def inscit(file: str) -> Iterator[Collection]:
    """All passages that any answer rests on; the turns that are answered from them."""
    conversations = list(_json(file).values())
    passages: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for conversation in conversations:
        for turn in conversation["turns"]:
            groups = [*turn["prevEvidence"], *(label["evidence"] for label in turn["labels"])]
            for evidence in (e for group in groups for e in group):
                title, number = evidence["passage_id"].rsplit(":", 1)
                passages[title][int(number)] = evidence
    collection, where = Collection(), {}
    for title, numbered in sorted(passages.items()):
        page = Page.titled(title)
        headings: list[str] = []
        for number, evidence in sorted(numbered.items()):
            if evidence["passage_titles"][1:] != headings:
                headings = evidence["passage_titles"][1:]
                page.head(headings)
            where[f"{title}:{number}"] = page.add(evidence["passage_text"])
        collection.pages.append(page)
    for conversation in conversations:
        for turn in conversation["turns"]:
            *history, question = turn["context"][::2]
            answers = [label for label in turn["labels"] if label["responseType"] == "directAnswer"]
            right = {where[e["passage_id"]] for label in answers for e in label["evidence"]}
            if right:
                collection.asked.append(Asked(question, tuple(history), frozenset(right)))
    yield collection


def doc2dial(documents: str, *dialogues: str) -> Iterator[Collection]:
    """Each document on its own; a question is answered by the sections that the agent's reply rests on."""
    collections: dict[str, Collection] = {}
    places: dict[tuple[str, str], Paragraph] = {}
    for known in _json(documents)["doc_data"].values():
        for key, document in known.items():
            page, sections = Page.titled(key), {}
            for number, span in document["spans"].items():
                if span["tag"].startswith("h") and span["title"] != document["title"].split("#")[0]:
                    page.head([span["text_sp"]])
                elif span["id_sec"] not in sections:
                    sections[span["id_sec"]] = page.add(span["text_sec"])
                if span["id_sec"] in sections:
                    places[key, number] = sections[span["id_sec"]]
            collections[key] = Collection([page])
    seen = set()
    for dialogue in (d for file in dialogues for d in _dialogues(_json(file))):
        history: list[str] = []
        for turn, reply in zip(dialogue["turns"], dialogue["turns"][1:], strict=False):
            if turn["role"] != "user":
                continue
            spans = [
                (r.get("doc_id") or dialogue["doc_id"], str(r["id_sp" if "id_sp" in r else "sp_id"]))
                for r in reply["references"]
            ]
            right = frozenset(places[span] for span in spans if span in places)
            asked = Asked(turn["utterance"], tuple(history), right)
            history.append(turn["utterance"])
            if right and reply["role"] == "agent" and asked not in seen and turn["da"].startswith("query"):
                seen.add(asked)
                collections[spans[0][0]].asked.append(asked)
    yield from collections.values()


def multidoc2dial(file: str) -> Iterator[Collection]:
    """What the agents' replies rest on, parts that ever stood together as one paragraph.

    The file (tab-separated: questions, contexts, answers) is one conversation after another and does not say
    where one begins, so the history of the first questions of each is a stranger's in whole or in part.
    """
    with Path(file).open(encoding="utf-8", newline="") as lines:
        rows = [(row["questions"], _parts(row["contexts"])) for row in csv.DictReader(lines, delimiter="\t")]
    paragraphs: dict[str, list[str]] = {}
    for _, parts in rows:
        known = {id(old): old for part in parts if (old := paragraphs.get(part))}
        together = list(dict.fromkeys([*chain(*known.values()), *parts]))
        paragraphs.update(dict.fromkeys(together, together))
    page = Page.titled("Public services")
    where = {id(paragraph): page.add(" ".join(paragraph)) for paragraph in _unique(paragraphs.values())}
    asked: dict[Asked, None] = {}
    for number, (question, parts) in enumerate(rows):
        if parts and "?" in question:
            history = tuple(earlier for earlier, _ in rows[max(0, number - 3) : number])
            right = frozenset(where[id(paragraphs[part])] for part in parts)
            asked[Asked(question, history, right)] = None
    yield Collection([page], list(asked))


def _parts(context: str) -> list[str]:
    """The spans of a document that a reply rests on; very short ones are headings and numbers."""
    return [part.strip() for part in re.split(r"\s{2,}|\n", context) if len(part.strip()) > 20]


def _unique(paragraphs: Iterable[list[str]]) -> list[list[str]]:
    """Each once, in order."""
    return list({id(paragraph): paragraph for paragraph in paragraphs}.values())


def _dialogues(file: Any) -> Iterator[dict[str, Any]]:
    for domain in file["dial_data"].values():
        groups = domain.values() if isinstance(domain, Mapping) else [domain]
        yield from (dialogue for group in groups for dialogue in group)


def article(file: str) -> Iterator[Collection]:
    """Our own article, and the questions that one place answers."""
    name = "vitamin-b12"
    text = (HERE.parent / "corpus" / f"{name}.md").read_text("utf-8")
    rows = [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]
    asked = []
    for row in rows:
        if row["kind"] == "answerable" and len(row["gold"]) == 1:
            right = frozenset((name, text.index(sentence)) for sentence in row["gold"][0])
            asked.append(Asked(row["question"], tuple(row["history"]), right))
    yield Collection([Page(name, text)], asked)


def _json(file: str) -> Any:
    return json.loads(Path(file).read_text("utf-8"))


def standardized(scores: Array) -> Array:
    """Mean 0 and standard deviation 1."""
    centred: Array = scores - scores.mean()
    return centred / (scores.std() or 1.0)


@dataclass(frozen=True)
class Sides:
    """Both ways to search a collection."""

    retriever: Retriever
    blocks: Sequence[tuple[Document, Block]]  # the paragraphs, in the order of the scores
    vectors: Array
    words: LexicalIndex
    block_of_sentence: Array

    @classmethod
    def of(cls, collection: Collection, encoder: Encoder) -> Sides:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "corpus"
            folder.mkdir()
            for page in collection.pages:
                (folder / f"{page.name}.md").write_text(page.text, "utf-8", newline="")
            corpus = read_corpus(folder)
            build_index(corpus, encoder, Path(temporary) / "index")
            retriever = Retriever(open_index(Path(temporary) / "index"), encoder)
        documents, sentences = retriever.index.documents, retriever.index.sentences
        blocks = [(document, block) for document in documents for block in document.blocks]
        texts = [document.text[block.start : block.end] for document, block in blocks]
        headed = [
            "\n".join(dict.fromkeys([document.title, *document.sections[block.section].path, text]))
            for (document, block), text in zip(blocks, texts, strict=True)
        ]
        starts = [(document.name, block.start) for document, block in blocks]
        numbers = {start: number for number, start in enumerate(starts)}
        block_of = []
        for sentence in sentences:
            document = documents[sentence.document]
            start = max(b.start for b in document.blocks if b.start <= sentence.start)
            block_of.append(numbers[document.name, start])
        return cls(retriever, blocks, encoder.encode(headed), LexicalIndex(texts), np.array(block_of))

    def rows(self, places: frozenset[Paragraph]) -> list[int]:
        """The paragraphs that hold these places."""
        return [
            number
            for number, (document, block) in enumerate(self.blocks)
            if any(document.name == name and block.start <= at < block.end for name, at in places)
        ]

    def plain(self, question: str) -> tuple[Array, float]:
        """Scores of plain hybrid search, and the best cosine."""
        cosines = self.vectors @ self.retriever.encoder.encode([question])[0]
        scores = standardized(cosines) + WORDS_WEIGHT * standardized(self.words.scores(question))
        return scores, float(cosines.max())

    def ours(self, asked: Asked) -> tuple[Array, float]:
        """Scores of the paragraphs as `Assistant.search` ranks them, and the confidence."""
        query = to_query(asked.question, asked.history, self.retriever.topics)
        ranking = self.retriever.rank(query.readings)
        scores = np.full(len(self.blocks), -np.inf)
        np.maximum.at(scores, self.block_of_sentence, ranking.scores)
        return scores, ranking.confidence


class Found(NamedTuple):
    """How one side fared with one question."""

    rank: int  # of the first right paragraph
    told: float  # how sure it was


def search(sides: Sides, asked: Asked) -> dict[str, Found]:
    """Ask both sides."""
    right = sides.rows(asked.right)
    joined = " ".join([*asked.history[-1:], asked.question])
    results = {TYPED: sides.plain(asked.question), JOINED: sides.plain(joined), OURS: sides.ours(asked)}
    return {
        name: Found(1 + int((scores > scores[right].max()).sum()), told)
        for name, (scores, told) in results.items()
    }


def report(kind: str, asked: Sequence[Asked], found: Sequence[Mapping[str, Found]]) -> None:
    """Print success@k of each side, and how well each tells the answerable questions.

    And how much more b12qa finds than the plain search that finds most, question by question.
    """
    able = np.array([row.answerable for row in asked])
    print(f"{kind}: {able.sum()} answerable questions of {len(asked)}")
    plain = (TYPED, JOINED) if asked[0].history else (TYPED,)
    all_ranks = {name: np.array([row[name].rank for row in found])[able] for name in (*plain, OURS)}
    for name, ranks in all_ranks.items():
        told = np.array([row[name].told for row in found])
        success = " ".join(f"@{k} {(ranks <= k).mean():.3f}" for k in RANKS)
        tells = "" if able.all() else f" AUROC {auroc(told[able], told[~able]):.3f}"
        print(f"  {name:32} {success} RR {(1 / ranks).mean():.3f}{tells}")
    for k in RANKS:
        best = max(((all_ranks[name] <= k).astype(float) for name in plain), key=np.mean)
        print(f"  b12qa finds more @{k}: {mean((all_ranks[OURS] <= k) - best)}")


READERS = {reader.__name__: reader for reader in (squad, policyqa, inscit, doc2dial, multidoc2dial, article)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read a set, ask both sides, and print what they found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", choices=READERS)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--sample", type=int, help="ask only so many questions, drawn at random")
    parser.add_argument("--half", choices=("first", "second"), help="ask only half of the questions")
    options = parser.parse_args(arguments)
    encoder = RememberingEncoder(load_encoder())
    everything: list[tuple[Asked, Sides]] = []
    for collection in READERS[options.set](*options.files):
        sides = Sides.of(collection, encoder)
        everything += [(asked, sides) for asked in collection.asked]
    if options.half:
        middle = len(everything) // 2
        everything = everything[:middle] if options.half == "first" else everything[middle:]
    if options.sample:
        drawn = np.random.default_rng(0).permutation(len(everything))[: options.sample]
        everything = [everything[i] for i in drawn]
    # All at once is faster than one by one.
    encoder.encode([text for asked, _ in everything for text in (asked.question, *asked.history)])
    found = [search(sides, asked) for asked, sides in everything]
    paragraphs = sum(len(sides.blocks) for sides in {id(s): s for _, s in everything}.values())
    print(f"{options.set}: {paragraphs} paragraphs")
    for kind, wanted in (("stand-alone", False), ("follow-ups", True)):
        chosen = [i for i, (asked, _) in enumerate(everything) if bool(asked.history) is wanted]
        if chosen:
            report(kind, [everything[i][0] for i in chosen], [found[i] for i in chosen])


if __name__ == "__main__":
    main()
