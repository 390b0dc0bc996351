"""Misspelt words → known ones: as comparing with every known word would find them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from b12qa.flag_rules import load_flag_rules
from b12qa.lexical import english_ranks
from b12qa.misspelt import EditDistanceSpeller, Speller, _letters_apart, may_be_meant

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def misspelt(word: str, chance: random.Random) -> str:
    """A word with one or two typing errors."""
    for _ in range(chance.choice((1, 1, 2))):
        place = chance.randrange(len(word) - 1)
        letter, rest = chance.choice(ALPHABET), word[place + 1 :]
        swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        word = chance.choice((word[:place] + letter + rest, word[:place] + rest, swapped, word + letter))
    return word


def shortened(word: str) -> Iterator[str]:
    """A word, and what is left of it without one letter; without two if it is long."""
    yield word
    for i in range(len(word)):
        left = word[:i] + word[i + 1 :]
        yield left
        if len(word) >= 9:
            yield from (left[:k] + left[k + 1 :] for k in range(len(left)))


def by_comparing_all(typed: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Known words that the fewest edits lead to; none if more would be needed than are allowed."""
    left = set(shortened(typed))
    alike = [word for word in words if may_be_meant(typed, word) and not left.isdisjoint(shortened(word))]
    edits = {word: _letters_apart(typed, word) for word in alike}
    fewest = min(edits.values(), default=9)
    return tuple(word for word in alike if edits[word] == fewest <= (2 if len(typed) >= 9 else 1))


def test_the_nearest_words_are_those_that_comparing_with_all_finds() -> None:
    chance = random.Random(12)
    words = tuple(sorted(chance.sample(load_flag_rules().known.speller.words, 400)))
    speller = Speller.of(words)
    found = 0
    for word in words:
        typed = misspelt(word, chance)
        if len(typed) >= 4 and (expected := by_comparing_all(typed, words)):
            assert speller.nearest(typed) == expected, typed
            found += 1
    assert found > 200


def test_words_are_found_by_an_edit_before_they_are_found_by_their_sound() -> None:
    speller = Speller.of(["stroke", "breathing", "stomach", "chest", "weak", "légère"])
    assert speller.nearest("strok") == ("stroke",)
    assert speller.nearest("tsroke") == ("stroke",)
    assert speller.nearest("braething") == ("breathing",)
    assert speller.nearest("stumick") == ("stomach",)
    assert speller.nearest("weka") == ("weak",)
    assert speller.nearest("wear") == ()  # in so short a word, letters only change places
    assert speller.nearest("legere") == ()
    assert speller.nearest("légere") == ("légère",)
    assert speller.nearest("x" * 30) == ()


def test_letters_apart_are_counted_on_the_side_that_has_more_of_them() -> None:
    assert _letters_apart("chest", "chest") == 1  # a letter moved is an edit too
    assert _letters_apart("chets", "chest") == 1
    assert _letters_apart("chesst", "chest") == 1
    assert _letters_apart("breeeth", "breath") == 2
    assert _letters_apart("ab", "cdef") == 4


def test_the_nearest_words_are_those_that_symspell_finds() -> None:
    from symspellpy import SymSpell, Verbosity

    draw = random.Random(11)
    known = list(english_ranks())[2000:40000:40]
    counts = {word: draw.randint(1, 9) for word in known if word.isalpha()}
    speller, oracle = EditDistanceSpeller(counts), SymSpell(max_dictionary_edit_distance=2)
    for word, count in counts.items():
        oracle.create_dictionary_entry(word, count)
    found = 0
    for _ in range(300):
        letters = list(draw.choice(known))
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(len(letters) + 1)
            kinds: tuple[list[str], ...] = (
                [],
                [draw.choice("aeionrst")],
                letters[place : place + 1] * 2,
                letters[place : place + 2][::-1],
            )
            kind = draw.choice(kinds)
            letters[place : place + max(1, len(kind))] = kind
        typed, edits = "".join(letters), draw.choice((1, 2))
        if not typed or typed in counts:
            continue
        expected = oracle.lookup(typed, Verbosity.CLOSEST, max_edit_distance=edits)
        nearest = speller.nearest(typed, edits)
        assert set(nearest) == {suggestion.term for suggestion in expected}, typed
        assert [counts[word] for word in nearest] == [suggestion.count for suggestion in expected]
        found += bool(nearest)
    assert found > 100
    assert EditDistanceSpeller({}).nearest("tea", 2) == []
