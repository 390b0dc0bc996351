"""Everything above → `Answer`: `Assistant`, which every surface calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import numpy as np

from b12qa import caution, safety
from b12qa.companions import Company, Composition, rows_of_warnings
from b12qa.conversation import (
    IN_A_LONG_MESSAGE,
    Query,
    asked_at_length,
    asks_for_more,
    naming_the_subject,
    to_query,
)
from b12qa.corpus import Corpus, read_corpus, unread_corpus
from b12qa.courtesy import load_courtesies
from b12qa.elsewhere import load_elsewhere
from b12qa.embedding import (
    Encoder,
    ModelFiles,
    RememberingEncoder,
    SentenceTransformerEncoder,
    find_model,
    load_encoder,
)
from b12qa.engines import Milvus, configured_store
from b12qa.errors import IndexUnusableError, ModelMismatchError, QueryError
from b12qa.exported import exported_encoder
from b12qa.fairness import quote_around, quote_passage
from b12qa.folders import DEFAULT_INDEX, corpus_folder, index_folder
from b12qa.index import Index, check_servable, open_index
from b12qa.lexical import terms, words
from b12qa.plain import advice_to_build, short, writable
from b12qa.progress import Progress, no_progress
from b12qa.records import (
    Answer,
    CareCard,
    Document,
    Notice,
    NoticeKind,
    OpenQuestion,
    Outcome,
    Quote,
    QuoteRole,
    ScoredChunk,
    SearchResults,
    SectionReference,
)
from b12qa.retrieval import Ranking, Retriever, as_embedded
from b12qa.treatment import Asked, load_rules

MAX_QUOTES = 3
# A reason that begins so is a statement on the words of the document.
NOT_MENTIONED = "does not mention"
# So many earlier messages are looked at for what a question goes on from.
MAX_HUNG_ON = 4
# Chosen on the development questions, see evals/README.md.
ANSWERED_FROM = 0.45
RELATED_FROM = 0.2
# A further quote must score at least this share of the first.
QUOTE_SHARE = 0.35
# An open question of the bank says what is missing only if it is about the same thing.
SAME_QUESTION_COSINE = 0.8
# Whatever its reason names, it is given to who asks the same in nearly the same words.
NEARLY_THE_SAME_COSINE = 0.9
# Or, if its reason names nothing but what was asked, at least near it.
SIMILAR_QUESTION_COSINE = 0.5
MAX_MISSING_WORDS = 2
# Between them another reading of a question may decide whether it is answered; elsewhere it hardly ever did.
DOUBTFUL_FROM = 0.02
DOUBTFUL_BELOW = 0.7
# How much a message counts as a whole, beside the questions in it.
WHOLE_WEIGHT = 0.5
MAX_NEAREST_SECTIONS = 3
# So many passages say which sections are near.
NEAREST_AMONG = 10
ANSWERED_BEFORE = "it asks of the answer before"
SEARCHED_AS_TYPED = "Searched exactly what you typed."
# So many of the best passages of a large index are looked through for what follows one.
READS_ON_AMONG = 1000
# So many further passages may be tried for one to stand before a sentence that is barred from being first.
SPARE_PASSAGES = 10
ASK_IN_ENGLISH = "Please ask in English: the article is in English."
# Without questions of a bank a near miss is hardly told from what is answered (evals/README.md).
NEAREST_WORDS = "These words are the nearest in the article. They may not answer your question."
NO_MORE = "That is all that was found in the article on this."
HELD_BACK = "The words that fit best must not be read alone. An editor's note says why."


@dataclass(frozen=True)
class Assistant:
    """Answers questions with quotes, or says that the article does not."""

    retriever: Retriever

    @classmethod
    def load(
        cls,
        index: str | Path = DEFAULT_INDEX,
        *,
        corpus: str | Path | None = None,
        model: str | Path | None = None,
        build: bool = False,
        on_progress: Progress | None = None,
    ) -> Assistant:
        """Open an index, after making sure that it was built from what is at hand.

        Args:
            index: the folder that `b12qa build` writes. Here as below an empty text stands for the default.
            corpus: the folder of documents; by default the folder `corpus` beside the index, or else the one
                here, if it holds a document of the index or there is no index yet.
            model: see `b12qa.embedding.find_model`.
            build: build the index first when it is missing, stale or damaged, instead of refusing.
            on_progress: see `b12qa.building.build_index`.

        If the variable B12QA_ENGINE names an engine, the vectors come from there; see docs/serving.md.

        Raises:
            MissingIndexError, DamagedIndexError, StaleIndexError, ModelMismatchError,
            CorpusError, ModelError, EngineError, SettingsError
            QueryError: index or corpus is no path, or index is a file.
        """
        index_dir = index_folder(index)
        store = configured_store()
        folder = corpus_folder(index_dir, corpus)
        try:
            opened, found = _opened(index_dir, folder, model, store, _given(index_dir, corpus, model))
        except IndexUnusableError as error:
            sources = read_corpus(folder)  # what is wrong with the corpus comes first
            if not build:
                find_model(model)  # and what is wrong with the model next
                error.args = (_advice(error, index_dir, corpus, model),)
                raise
            built_with = _build(sources, index_dir, model, store, on_progress or no_progress)
            opened = open_index(index_dir, store)
            found = exported_encoder(index_dir, opened.model_fingerprint, model) or built_with
        encoder = SentenceTransformerEncoder(found) if isinstance(found, ModelFiles) else found
        return cls(Retriever(opened, encoder))

    def _repr_html_(self) -> str:
        from b12qa import rendering

        return rendering.introduction_html(self.documents)

    def __str__(self) -> str:
        from b12qa import rendering

        return f"{rendering.introduction(self.documents)}\n\n{safety.DISCLAIMER}"

    @cached_property
    def _company(self) -> Company:
        return Company(self.retriever.index)

    @property
    def documents(self) -> tuple[Document, ...]:
        """The texts that may be quoted."""
        return self.retriever.index.documents

    def search(self, question: str, history: Sequence[str] = (), top_k: int | None = None) -> SearchResults:
        """What `ask` ranks, before it decides the outcome, with the notes on it.

        Nothing is found for a question without a letter or a digit, which `ask` asks to type in words.

        Args:
            question, history: as in `ask`.
            top_k: as in `Retriever.search`.

        Raises:
            QueryError: as there, or the question is no text, or the history no list of texts.
        """
        question, history = _typed(question, history)
        if not _has_words(question):
            self.retriever.passages_wanted(top_k)  # what is wrong with it is said all the same
            return SearchResults()
        ranking, _ = self._rank(*self._understood(question, history))
        return self._company.with_notes(self.retriever.results(ranking, top_k))

    def ask(
        self,
        question: str,
        history: Sequence[str] = (),
        max_quotes: int = MAX_QUOTES,
        *,
        literal: bool = False,
    ) -> Answer:
        """Answer a question with the document's own words, or say that it does not answer.

        Red flags come first: with an emergency or urgent one, nothing is searched and nothing quoted.

        Args:
            question: as typed, of any length.
            history: the user's earlier questions, oldest first.
            max_quotes: at most so many quotes that were found, from 1; warnings and partners come on top.
            literal: search the question as it was typed, without the conversation and without mending
                its spelling. Red flags are met all the same, in the whole conversation.

        Raises:
            QueryError: max_quotes is below 1, the question is no text, the history no list of texts, or
                literal neither True nor False.
            DamagedIndexError: a passage is no longer a slice of its document.
        """
        return self.ask_with_more(question, history, max_quotes, literal=literal)[0]

    def ask_with_more(
        self,
        question: str,
        history: Sequence[str] = (),
        max_quotes: int = MAX_QUOTES,
        further: int = 0,
        *,
        literal: bool = False,
    ) -> tuple[Answer, tuple[Quote, ...]]:
        """An answer, and what else answers: the quotes that `further` more would add to it.

        There are none unless the answer has as many as it may. Arguments and errors as in `ask`.
        """
        if not isinstance(max_quotes, Integral) or isinstance(max_quotes, bool) or max_quotes < 1:
            raise QueryError(f"Expected a whole number of at least 1 as max_quotes, got {max_quotes!r}.")
        max_quotes = int(max_quotes)
        if not isinstance(literal, bool):
            raise QueryError(f"Expected True or False as literal, got {short(repr(literal))}.")
        question, history = _typed(question, history)
        card, ours = self._said_first(question, history, literal=literal)
        care = [] if card is None else [safety.care_notice(card)]
        if safety.stands_alone(card):
            return _unsearched(question, card, care, outcome=Outcome.URGENT), ()
        care += ours
        again = self._answered_before(ours, history)
        if ours and again is None:
            return _unsearched(question, card, care), ()
        if again is None:
            query, asked = self._understood(question, history, literal=literal)
        else:
            query, asked = self._understood(history[again], history[:again])
            query = replace(query, reason=ANSWERED_BEFORE)
        ranking, parts = self._rank(query, asked, as_typed=literal)
        found = _Found(
            question=question,
            query=query,
            searched=query.text if literal else self.retriever.vocabulary.bring_to(query.text),
            literal=literal,
            card=card,
            care=care,
            asked=asked,
            ranking=ranking,
            parts=parts,
            max_quotes=min(max_quotes, self.retriever.most_passages),
        )
        more = query.more
        answer = self._answered(found, more)
        if more and not (answer.outcome is Outcome.ANSWERED and answer.found):
            more, answer = 0, self._answered(found)
            if answer.outcome is Outcome.ANSWERED:
                answer = replace(answer, notices=(Notice(NoticeKind.ABOUT, NO_MORE), *answer.notices))
        if not further or answer.outcome is not Outcome.ANSWERED or len(answer.found) < max_quotes:
            return answer, ()
        shown = {(quote.document, quote.start, quote.end) for quote in answer.quotes}
        wider = self._answered(found, more, further).quotes
        return answer, tuple(q for q in wider if (q.document, q.start, q.end) not in shown)

    def _answered(self, found: _Found, more: int = 0, further: int = 0) -> Answer:
        """What is shown of what was found.

        Args:
            more: how often more was asked for: what was shown until then is left out.
            further: so many quotes more than may be shown.
        """
        index, rules, ranking = self.retriever.index, load_rules(), found.ranking
        wanted = max(MAX_QUOTES, (more + 1) * found.max_quotes + further)
        wanted = min(wanted, self.retriever.most_passages)
        ranked = self.retriever.results(ranking, wanted)
        outcome = _outcome(ranking.confidence)
        if self._is_of_another_nutrient(found.query, found.asked, ranking):
            outcome = Outcome.NOT_COVERED
        passages = self._passages(outcome, ranking, ranked, found.max_quotes, more)
        quotes = [quote_passage(index, passage) for passage in islice(passages, found.max_quotes + further)]
        decision = caution.decide(found.asked, outcome, quotes, index, rules)
        query, asked, outcome, answers = found.query, decision.asked, decision.outcome, decision.answers
        warnings: list[Quote] = []
        if asked.treatment and (answers or self._may_be_of_the_subject(query, asked)):
            document = (answers or ranked)[0].document
            answers, warnings = caution.with_warnings(index, answers, ranking.scores, document)
            if not answers or (asked.personal and outcome is not Outcome.ANSWERED):
                answers, warnings = [*warnings, *answers], []
        shown = self._composed(answers, warnings, ranking, wanted)
        partners = [quote for quote in shown.quotes if quote.role is QuoteRole.PARTNER]
        if decision.without_doses and caution.names_dose_to_take(partners, rules):
            return self._answered(found._replace(asked=found.asked.of_a_person()), more, further)
        notices = self._outcome_notices(outcome, query, ranking, asked)
        if shown.held_back:
            outcome = Outcome.RELATED if shown.quotes else Outcome.NOT_COVERED
            notices = [Notice(NoticeKind.OUTCOME, HELD_BACK)]
        elif shown.quotes and outcome is Outcome.NOT_COVERED:
            outcome = Outcome.RELATED  # with its warnings only
        return Answer(
            question=found.question,
            query=found.searched,
            outcome=outcome,
            confidence=ranking.confidence,
            quotes=shown.quotes,
            notices=(
                *found.care,
                *caution.cautions(asked, outcome),
                *notices,
                *_absent_parts(outcome, query, found.parts),
                *_searched_for(query, found.searched, found.literal),
                *([] if asked.personal else self._nearest_sections(outcome, ranking)),
                safety.disclaimer(),
            ),
            care_card=found.card,
        )

    def embedding_ahead(self, questions: Iterable[tuple[str, Sequence[str]]]) -> Assistant:
        """An assistant that gives the same answers, and has embedded these questions, each with its history.

        Many texts at once are embedded faster than one by one. The second reading of a question in doubt is
        embedded when it is asked. For evaluations: it remembers every question.
        """
        encoder = RememberingEncoder(self.retriever.encoder)
        ahead = Assistant(replace(self.retriever, encoder=encoder))
        queries = [ahead._understood(question, history)[0] for question, history in questions]
        readings = [r for query in queries for part in (query, *query.parts) for r in part.readings]
        searched = (ahead.retriever.vocabulary.bring_to(reading.text) for reading in readings)
        encoder.encode([as_embedded(text, ahead.retriever.index) for text in searched])
        return ahead

    def _understood(
        self, question: str, history: Sequence[str], *, literal: bool = False
    ) -> tuple[Query, Asked]:
        """What is searched for a question, and what it asks about taking something."""
        topics = self.retriever.topics
        at_length = None if literal else asked_at_length(question)
        if at_length is not None and at_length.must_be_cut:
            query = to_query(at_length.asked, [*self._searched_before(history), at_length.told], topics)
            if not query.reason:
                query = replace(query, reason=IN_A_LONG_MESSAGE)
            # What is told of a person holds as if it had been said before.
            return query, load_rules().asked(at_length.asked, query.text, [*history, question])
        query = to_query(question, () if literal else history, topics)
        if query.reason:
            query = to_query(question, self._searched_before(history), topics)
        return query, load_rules().asked(question, query.text if query.reason else "", history)

    def _searched_before(self, history: Sequence[str]) -> list[str]:
        """The newest earlier messages that were searched, which leaves out what we replied to ourselves.

        What comes after a red flag may take it back ("that was on TV"), and must not be searched together
        with it; "are you a doctor?" is no topic.
        """
        first, topics = len(history), 0
        while first and topics < MAX_HUNG_ON:
            first -= 1
            topics += not asks_for_more(history[first])  # "more" is none, however often it is said
        newest = range(first, len(history))
        return [history[number] for number in newest if self._was_searched(history, number)]

    def _was_searched(self, history: Sequence[str], number: int) -> bool:
        card, ours = self._said_first(history[number], history[:number])
        return not ours and not safety.stands_alone(card)

    def _answered_before(self, ours: Sequence[Notice], history: Sequence[str]) -> int | None:
        """Which earlier message is answered once more below a reply of ours, as after "are you sure?"."""
        if load_courtesies().with_answer.isdisjoint(notice.text for notice in ours):
            return None
        newest = range(len(history) - 1, max(-1, len(history) - 1 - MAX_HUNG_ON), -1)
        return next((number for number in newest if self._was_searched(history, number)), None)

    def _rank(self, query: Query, asked: Asked, *, as_typed: bool = False) -> tuple[Ranking, list[Ranking]]:
        """The ranking of a message, and of each question in it if there are several.

        Several questions are searched one by one, so that each brings its own passage to the top.
        """
        readings = [query.readings, *(part.readings for part in query.parts)]
        whole, *parts = self.retriever.rank_all(readings, as_typed=as_typed)
        if not parts:
            return whole if as_typed else self._read_as_of_the_subject(query, asked, whole), []
        best = np.maximum.reduce([part.scores for part in parts])
        scores = (best + WHOLE_WEIGHT * whole.scores) / (1 + WHOLE_WEIGHT)
        # One answered part is worth showing, even if the other is not.
        confidence = (whole.confidence + max(part.confidence for part in parts)) / 2
        beside: dict[str, float] = {}
        for one in (whole, *parts):
            first = self.documents[self._led_to(one)].name
            for name, sure in ((first, one.confidence), *one.beside.items()):
                beside[name] = max(sure, beside.get(name, 0.0))
        return replace(whole, scores=scores, confidence=confidence, beside=beside), parts

    def _read_as_of_the_subject(self, query: Query, asked: Asked, ranking: Ranking) -> Ranking:
        """The ranking of a question on treatment, read as one on the subject too where it is in doubt."""
        in_doubt = DOUBTFUL_FROM <= ranking.confidence < DOUBTFUL_BELOW
        if not in_doubt or not asked.treatment or asked.names_another or not asked.of_nothing_else:
            return ranking
        reading = naming_the_subject(query, self.retriever.topics_of(self._led_to(ranking)))
        return ranking if reading is None else self.retriever.rank_also(ranking, reading)

    def _led_to(self, ranking: Ranking) -> int:
        """The position of the document that a ranking leads to."""
        return self.retriever.index.sentences[ranking.best].document

    def _passages(
        self,
        outcome: Outcome,
        ranking: Ranking,
        best: Sequence[ScoredChunk],
        at_once: int,
        more: int,
    ) -> Iterable[ScoredChunk]:
        """The passages that may be quoted for the question, best first; the rest is cut when asked for.

        Who asks for more gets what was not among so many at once, then reads on in the section of the best.
        """
        if outcome is Outcome.NOT_COVERED:
            return ()
        answering = {name for name, sure in ranking.beside.items() if sure >= ANSWERED_FROM}
        others = ranking.beside.keys() - answering - {best[0].document}
        found = [
            passage
            for passage in best
            if passage.score >= QUOTE_SHARE * best[0].score and passage.document not in others
        ]
        if outcome is Outcome.RELATED:
            return found[:1]  # enough to show what is close; more would look like an answer
        if not more:
            return found
        shown = min(at_once, len(found)) + (more - 1) * at_once
        return islice(chain(found, self._after(best[0], ranking, found)), shown, None)

    def _after(
        self, passage: ScoredChunk, ranking: Ranking, but: Sequence[ScoredChunk]
    ) -> Iterator[ScoredChunk]:
        """What follows a passage in its section, in reading order, but for some."""
        known = {(other.document, other.start) for other in but}
        among = min(READS_ON_AMONG, self.retriever.most_passages)
        following = self.retriever.following(passage, ranking, among)
        return (other for other in following if (other.document, other.start) not in known)

    def _composed(
        self,
        answers: Sequence[Quote],
        warnings: Sequence[Quote],
        ranking: Ranking,
        wanted: int,
    ) -> Composition:
        """The quotes with their notes, and with what must be read with them."""
        index = self.retriever.index

        def composed(with_these: Sequence[Quote]) -> Composition:
            return self._company.compose(answers, with_these, self._spare(ranking, wanted))

        without = composed(warnings)
        if not self._company.wants_warnings(without.quotes or answers):
            return without
        rows = rows_of_warnings(index, index.position_of(answers[0].document))
        if not rows:
            return without
        nearest = max(rows, key=lambda row: ranking.scores[row])
        return composed([quote_around(index, nearest, QuoteRole.WARNING)])

    def _spare(self, ranking: Ranking, wanted: int) -> Iterator[Quote]:
        """What else may be quoted, best first; few questions need one, so they are cut when asked for."""
        most = min(wanted + SPARE_PASSAGES, self.retriever.most_passages)
        for result in self.retriever.results(ranking, most):
            yield quote_passage(self.retriever.index, result)

    def _said_first(
        self, question: str, history: Sequence[str], *, literal: bool = False
    ) -> tuple[CareCard | None, list[Notice]]:
        """The card for a message, and what we reply ourselves, instead of searching it."""
        card, about = safety.care_card_and_about(question, history)
        if safety.stands_alone(card):
            return card, []
        ours = [about] if about else []
        if not ours and not literal:
            ours = self._our_reply(question)
        if not ours and not _has_words(question):
            ours = [Notice(NoticeKind.OUTCOME, "Please type a question in words.")]
        return card, ours

    def _our_reply(self, question: str) -> list[Notice]:
        """What we say ourselves to a message that nothing can be searched for."""
        elsewhere = load_elsewhere()
        if self._all_english:
            if tag := elsewhere.language_of(question):
                known = elsewhere.languages[tag]
                return [Notice(NoticeKind.ABOUT, t, language=tag) for t in (known.emergency, known.ask)]
            if elsewhere.is_another(question):
                return [Notice(NoticeKind.ABOUT, t) for t in (safety.in_emergency(), ASK_IN_ENGLISH)]
        courtesies = load_courtesies()
        reply = courtesies.reply(question)
        more = [safety.whom_to_call()] if reply in courtesies.of_fear else []
        return [Notice(NoticeKind.ABOUT, text) for text in (reply, *more) if text]

    def _may_be_of_the_subject(self, query: Query, asked: Asked) -> bool:
        """Whether a question on treatment that is not answered may be one on what all documents are about."""
        topics = self.retriever.topics
        names_it = not topics.subjects.isdisjoint(terms(query.text))
        return names_it or (asked.of_nothing_else and topics.know(query.text))

    def _is_of_another_nutrient(self, query: Query, asked: Asked, ranking: Ranking) -> bool:
        """Whether a question names vitamins or minerals, none of which a document names, and not the subject.

        To a model "vitamin D for nerves" and "vitamin B12 for nerves" are nearly the same.
        """
        known = self.retriever.vocabulary.document_words
        if not asked.nutrients or any(known.issuperset(words(name)) for name in asked.nutrients):
            return False
        others = set(terms(query.text)).difference(*map(terms, asked.nutrients))
        topics = self.retriever.topics_of(self._led_to(ranking))
        return (topics.subjects.intersection(terms(topics.name)) or topics.subjects).isdisjoint(others)

    @cached_property
    def _all_english(self) -> bool:
        return all(document.about.is_english for document in self.documents)

    def _outcome_notices(
        self, outcome: Outcome, query: Query, ranking: Ranking, asked: Asked
    ) -> list[Notice]:
        if outcome is Outcome.ANSWERED:
            index = self.retriever.index
            has_bank = self._led_to(ranking) in index.bank_models
            return [] if has_bank else [Notice(NoticeKind.OUTCOME, NEAREST_WORDS)]
        if outcome is Outcome.RELATED and (asked.personal or asked.cannot):  # our words on that say enough
            return [] if _outcome(ranking.confidence) is Outcome.ANSWERED else self._missing(query, ranking)
        said = (
            "The article does not say."
            if outcome is Outcome.NOT_COVERED
            else "This is close, but may not answer your question."
        )
        return [Notice(NoticeKind.OUTCOME, said), *self._missing(query, ranking)]

    def _missing(self, query: Query, ranking: Ranking) -> list[Notice]:
        """What the article lacks, where the bank or the words of the question tell."""
        named = self.retriever.vocabulary.document_stems
        reason = reason_for(set(terms(query.question)), ranking.open_questions, named)
        if reason:
            return [Notice(NoticeKind.MISSING, f"The article {reason}.")]
        missing = self.retriever.vocabulary.missing_words(query.question)[:MAX_MISSING_WORDS]
        if not missing:
            return []
        return [Notice(NoticeKind.MISSING, f"The article does not mention {' or '.join(missing)}.")]

    def _nearest_sections(self, outcome: Outcome, ranking: Ranking) -> list[Notice]:
        if outcome is Outcome.ANSWERED:
            return []
        results = self.retriever.results(ranking, min(NEAREST_AMONG, self.retriever.most_passages))
        sections = dict.fromkeys(self.retriever.section_of(result) for result in results)
        nearest: tuple[SectionReference, ...] = tuple(sections)[:MAX_NEAREST_SECTIONS]
        return [Notice(NoticeKind.NEAREST_SECTIONS, "The nearest sections are:", nearest)]


load = Assistant.load


def _opened(
    index_dir: Path,
    folder: Path,
    model: str | Path | None,
    store: Milvus | None,
    given: Mapping[str, object],
) -> tuple[Index, Encoder | ModelFiles]:
    """An index and what embeds questions to it, once both are known to fit the corpus in a folder."""
    unread = unread_corpus(folder)
    index = open_index(index_dir, store)
    found = exported_encoder(index_dir, index.model_fingerprint, model) or find_model(model)
    # Files that are those of the index byte for byte need not be parsed to know that they are sound,
    # and an index that was rolled back to is served whatever they are.
    trusted = index.rolled_back or unread.hashes() == index.inputs["corpus"]
    check_servable(index, unread if trusted else read_corpus(folder), found, given)
    return index, found


def _advice(
    error: IndexUnusableError, index_dir: Path, corpus: str | Path | None, model: str | Path | None
) -> str:
    """The words of an error, with the command that builds what was asked for."""
    # To build with the model that does not fit is no advice.
    fits = None if isinstance(error, ModelMismatchError) else model
    return advice_to_build(str(error), _given(index_dir, corpus, fits))


def _given(index_dir: Path, corpus: str | Path | None, model: str | Path | None) -> Mapping[str, object]:
    """What was asked for, as options of `b12qa build`."""
    index = None if str(index_dir) == DEFAULT_INDEX else index_dir
    return {"index": index, "corpus": corpus or None, "model": model or None}


def _build(
    corpus: Corpus, index_dir: Path, model: str | Path | None, store: Milvus | None, on_progress: Progress
) -> Encoder:
    """Build an index and export its model, which is returned as it was loaded."""
    # Who only opens an index does not wait for these to be imported.
    from b12qa.building import build_index
    from b12qa.exporting import export_encoder
    from b12qa.publishing import publisher
    from b12qa.storage import locked

    with locked(index_dir):  # before the model is loaded, which takes seconds
        encoder = load_encoder(model)
        build_index(corpus, encoder, index_dir, on_progress, publish=publisher(store, on_progress))
        export_encoder(encoder, index_dir)
    return encoder


def _unsearched(
    question: str,
    card: CareCard | None,
    notices: Sequence[Notice],
    outcome: Outcome = Outcome.NOT_COVERED,
) -> Answer:
    """An answer for which nothing is searched."""
    return Answer(question, "", outcome, 0.0, (), (*notices, safety.disclaimer()), card)


def _typed(question: str, history: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """A question and what was said before, as texts that can be written out.

    Raises:
        QueryError: they are something else. A text as history would be read letter by letter, and a red
            flag in it missed; a set has no order.
    """
    if not isinstance(question, str):
        raise QueryError(f"Expected a text as question, got {type(question).__name__}.")
    no_list = (str, bytes, bytearray, Mapping, set, frozenset)
    if isinstance(history, no_list) or not isinstance(history, Iterable):
        got = "one text" if isinstance(history, str) else type(history).__name__
        raise QueryError(f"Expected a list of earlier questions as history, got {got}. Write history=[...].")
    earlier = tuple(history)
    for text in earlier:
        if not isinstance(text, str):
            raise QueryError(f"Expected texts in the history, got {type(text).__name__}.")
    return writable(question), tuple(map(writable, earlier))


def _has_words(question: str) -> bool:
    """Whether a message holds a letter or a digit, and so anything to search for."""
    return any(character.isalnum() for character in question)


class _Found(NamedTuple):
    """What was asked, and what a search found."""

    question: str
    query: Query
    searched: str  # as it was searched
    literal: bool
    card: CareCard | None
    care: Sequence[Notice]  # the card in words
    asked: Asked
    ranking: Ranking
    parts: Sequence[Ranking]  # of the questions in a message, if there are several
    max_quotes: int  # at once


def _outcome(confidence: float) -> Outcome:
    if confidence >= ANSWERED_FROM:
        return Outcome.ANSWERED
    return Outcome.RELATED if confidence >= RELATED_FROM else Outcome.NOT_COVERED


# Stems with which a reason says that something is missing, rather than what.
_SAYS = frozenset(
    terms("mention give say name describe explain compare list make report state amount figure")
)


def reason_for(
    asked: AbstractSet[str],
    open_questions: Iterable[tuple[OpenQuestion, float]],
    known: AbstractSet[str],
) -> str:
    """What is missing, as the bank says it of an open question that asks for the same; or nothing.

    "does not mention children's overdose" is beside the point of "can children take it?": what an open
    question and its reason both name must have been asked, unless it is nearly the same question. A reason
    comes first that names only what was asked, and something that no document names: "does not mention
    children". One that says so of what a document names by now is not true any more, and is left out, as is
    one that names nothing.

    Args:
        asked: the stems of the question.
        open_questions: with their cosines, the nearest first.
        known: the stems of what documents name.
    """
    close = ""
    for found, cosine in open_questions:
        names = set(terms(found.reason)) - _SAYS
        beyond = names - asked
        if not names or (found.reason.startswith(NOT_MENTIONED) and names <= known):
            continue
        if cosine >= NEARLY_THE_SAME_COSINE:
            return found.reason
        if not beyond and not names <= known and cosine >= SIMILAR_QUESTION_COSINE:
            return found.reason
        same = cosine >= SAME_QUESTION_COSINE and names & asked and beyond.isdisjoint(terms(found.text))
        if same and not close:
            close = found.reason
    return close


def _absent_parts(outcome: Outcome, query: Query, parts: Sequence[Ranking]) -> list[Notice]:
    """Name the questions of a message that are not answered while another one is."""
    if outcome is not Outcome.ANSWERED or all(part.confidence < ANSWERED_FROM for part in parts):
        return []
    return [
        Notice(NoticeKind.MISSING, f"The article does not say: {part.question}")
        for part, ranking in zip(query.parts, parts, strict=True)
        if ranking.confidence < RELATED_FROM
    ]


def _searched_for(query: Query, searched: str, literal: bool) -> list[Notice]:
    """Say what was searched where it is not what was typed, or that it is, where that was wished."""
    if literal:
        return [Notice(NoticeKind.SEARCHED_FOR, SEARCHED_AS_TYPED)]
    if not query.reason and words(searched) == words(query.question):
        return []
    return [Notice(NoticeKind.SEARCHED_FOR, f"Searched for: {searched}")]
