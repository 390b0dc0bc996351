"""The quotes that answer → what is shown: with the notes on them, and in company where they need it.

Which sentences need what stands in the notes (`notes.py`). Nothing here changes what a search ranks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from b12qa.fairness import leaned_on, quote_sentences, rows_in
from b12qa.index import Index
from b12qa.records import EditorNote, NotedSentence, Passage, Quote, QuoteRole, SearchResults, Span


@dataclass(frozen=True, slots=True)
class Composition:
    """What to show for a question."""

    quotes: tuple[Quote, ...]
    held_back: bool = False  # what answers best must not stand first or alone, and no answer could


class Company:
    """Who must stand with whom: the notes of one generation."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._noted = {noted.sentence: noted for noted in index.notes}

    def compose(
        self, answers: Sequence[Quote], warnings: Sequence[Quote] = (), spare: Iterable[Quote] = ()
    ) -> Composition:
        """Put quotes in company: every noted sentence with its note and its partners, none barred first.

        A barred quote is preceded, in this order of preference, by its partners, by warnings, by another
        quote that answers, by one of the spare ones. In the last case it is held back: it is shown, as
        something that is related; if there is no spare one either, nothing is shown.

        Args:
            answers: best first.
            warnings: what belongs to the first of them, and stands right after it.
            spare: other passages, best first, of which one may come to stand before a barred quote.
        """
        first_ones: list[Quote] = []
        held_back = False
        if answers and self._is_barred(answers[0]):
            first_ones, answers = self._before_a_barred(answers, warnings)
            if self._is_barred((*first_ones, *answers)[0]):
                stand_in = next((quote for quote in spare if not self._is_barred(quote)), None)
                if stand_in is None:
                    return Composition((), held_back=True)
                first_ones, answers = [replace(stand_in, role=QuoteRole.PARTNER)], answers[:1]
                held_back = True
        left = [warning for warning in warnings if warning not in first_ones]
        return Composition(self._complete([*first_ones, *answers[:1], *left, *answers[1:]]), held_back)

    def with_notes(self, results: SearchResults) -> SearchResults:
        """Search results, each with the notes on the sentences that it shows."""
        return SearchResults(replace(result, notes=self._notes_on(result)) for result in results)

    def wants_warnings(self, quotes: Iterable[Quote]) -> bool:
        """Whether quotes show a sentence that may only be shown together with warnings, and none of these."""
        shown = [row for quote in quotes for row in self._shown(quote)]
        if not any(self._noted[row].warnings for row in shown if row in self._noted):
            return False
        chunks = (self._index.chunks[self._index.sentences[row].chunk] for row in shown)
        return {(chunk.document, chunk.section) for chunk in chunks}.isdisjoint(self._index.warning_sections)

    def _highlighted(self, quote: Quote) -> list[NotedSentence]:
        """The noted ones among the highlighted sentences."""
        return [self._noted[row] for row in self._rows(quote, quote.highlights) if row in self._noted]

    def _shown(self, passage: Passage) -> list[int]:
        """The sentences that a passage shows, at least in part, those above it included."""
        return self._rows(passage, [Span(part.start, part.end) for part in (*passage.context, passage)])

    def _is_barred(self, quote: Quote) -> bool:
        return any(noted.barred for noted in self._highlighted(quote))

    def _before_a_barred(
        self, answers: Sequence[Quote], warnings: Sequence[Quote]
    ) -> tuple[list[Quote], Sequence[Quote]]:
        """What may stand before the first quote, and the quotes after that, the same or in another order."""
        barred, *others = answers
        fit = [quote for quote in others if not self._is_barred(quote)]
        partners = [row for noted in self._highlighted(barred) for row in noted.partners]
        already = next((quote for quote in fit if set(self._shown(quote)) & set(partners)), None)
        cut = [quote for quote in self._cut(partners) if not self._is_barred(quote)]
        safe = [quote for quote in warnings if not self._is_barred(quote)]
        if already is None and (cut or safe):
            return (cut or safe[:1]), answers
        first = already or next(iter(fit), None)
        if first is None:
            return [], answers
        return [], [first, *(quote for quote in answers if quote is not first)]

    def _complete(self, quotes: Sequence[Quote]) -> tuple[Quote, ...]:
        """The quotes, each followed by the partners that none of them shows, all with their notes."""
        seen = {row for quote in quotes for row in self._shown(quote)}
        complete: list[Quote] = []
        for quote in quotes:
            complete.append(quote)
            brought = self._cut(self._missing(self._shown(quote), seen))
            while brought:
                complete += brought
                rows = [row for partner in brought for row in self._shown(partner)]
                seen.update(rows)
                brought = self._cut(self._missing(rows, seen))
        return tuple(replace(quote, notes=self._notes_on(quote)) for quote in complete)

    def _missing(self, rows: Sequence[int], seen: set[int]) -> list[int]:
        """The partners of some sentences, and their partners in turn, as far as they have not been seen."""
        missing: list[int] = []
        waiting = list(rows)
        while waiting:
            noted = self._noted.get(waiting.pop(0))
            for partner in noted.partners if noted else ():
                if partner not in seen:
                    brought = (*leaned_on(self._index, partner), partner)
                    seen.update(brought)
                    missing.append(partner)
                    waiting += brought
        return missing

    def _cut(self, rows: Iterable[int]) -> list[Quote]:
        """Sentences as quotes, one for all neighbours in a passage, in the order in which they are given."""
        order = list(dict.fromkeys(rows))
        runs: list[list[int]] = []
        for row in sorted(order):
            before = {*leaned_on(self._index, row), row - 1}
            same = runs and self._index.sentences[row].chunk == self._index.sentences[runs[-1][-1]].chunk
            if same and runs[-1][-1] in before:
                runs[-1].append(row)
            else:
                runs.append([row])
        runs.sort(key=lambda run: min(order.index(row) for row in run))
        return [quote_sentences(self._index, run, QuoteRole.PARTNER) for run in runs]

    def _notes_on(self, passage: Passage) -> tuple[EditorNote, ...]:
        return tuple(self._noted[row].note for row in self._shown(passage) if row in self._noted)

    def _rows(self, passage: Passage, spans: Iterable[Span]) -> list[int]:
        number = self._index.position_of(passage.document)
        return sorted({row for start, end in spans for row in rows_in(self._index, number, start, end)})


def rows_of_warnings(index: Index, document: int) -> list[int]:
    """The sentences of a document's sections of warnings, but for those that need warnings beside them."""
    sections = (index.documents[document].sections[s] for d, s in index.warning_sections if d == document)
    soothing = {noted.sentence for noted in index.notes if noted.warnings}
    rows = (row for section in sections for row in rows_in(index, document, section.start, section.end))
    return [row for row in rows if row not in soothing]
