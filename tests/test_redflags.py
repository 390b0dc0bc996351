from __future__ import annotations

import json
import re
import time
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FIXTURES, PROPERTY

from b12qa.clauses import FRAMES
from b12qa.disguise import _made_latin, normalized
from b12qa.errors import YamlError
from b12qa.flag_rules import RED_FLAGS_FILE, Concept, Mention
from b12qa.mentions import counts, matches
from b12qa.records import CareLevel
from b12qa.redflags import flagged, load_red_flags, points_in, read_red_flags

FLAGS = load_red_flags()
CONCEPTS = {concept.id: concept for concept in FLAGS.concepts}
KEPT = FIXTURES.parent.parent / "evals"


def messages(name: str) -> list[str]:
    """The messages of two fixtures: by the hand that wrote the rules, and by others."""
    texts = [(FIXTURES / f"{name}{by}.txt").read_text("utf-8") for by in ("", "-others")]
    lines = [line for text in texts for line in text.split("\n")]
    return [line.replace("⏎", "\n") for line in lines if line and not line.startswith("#")]


def found(message: str) -> Concept | None:
    """The red flag of a message, with the earlier ones before it."""
    *history, last = message.split(" /// ")
    return FLAGS.find(last, history)


def found_id(message: str) -> str | None:
    concept = found(message)
    return None if concept is None else concept.id


# The examples beside the rules.


@pytest.mark.parametrize("concept", FLAGS.concepts, ids=lambda concept: concept.id)
def test_every_example_of_a_concept_does_what_the_file_says(concept: Concept) -> None:
    assert {text: found_id(text) for text in concept.match} == dict.fromkeys(concept.match, concept.id)
    assert {text: found_id(text) for text in concept.no_match} == dict.fromkeys(concept.no_match)


def test_a_question_for_who_is_speaking_is_told_from_one_about_doctors() -> None:
    assert [text for text in FLAGS.rules.about.match if not FLAGS.meet(text).asks_who] == []
    assert [text for text in FLAGS.rules.about.no_match if FLAGS.meet(text).asks_who] == []


def test_every_concept_of_the_contract_has_rules() -> None:
    wanted = (
        "self-harm overdose person-in-danger allergic-reaction chest-pain breathlessness stroke leg-clot "
        "cauda-equina fast-weakness severe-anaemia infected-wound bad-circulation"
    )
    assert set(wanted.split()) <= CONCEPTS.keys()
    assert all(len(concept.sources) >= 1 for concept in FLAGS.concepts)


def test_every_list_of_words_is_used() -> None:
    text = (files("b12qa") / "data" / RED_FLAGS_FILE).read_text("utf-8")
    words, rest = text.split("\npoints:\n")
    points, concepts = rest.split("\nconcepts:\n")
    used = {
        name
        for found in re.findall(r"(?:near|order|unless|unless usual|unless value): \[(.*?)\]", concepts)
        for name in found.split(", ")
    }
    used |= set(re.findall(r"<(\w+)>", words)) | FRAMES | set(re.findall(r"^  (\w+):", points, re.M))
    assert set(re.findall(r"^  (\w+): \[", words, re.MULTILINE)) - used == set()


# Phrasings.


def is_urgent(text: str) -> bool:
    concept = found(text)
    return concept is not None and concept.level is not CareLevel.SOON


def test_almost_no_red_flag_of_the_collection_is_missed() -> None:
    known = messages("red-flags")
    cards = {text: found(text) for text in known}
    missed = [text for text, concept in cards.items() if concept is None]
    assert len(missed) * 350 <= len(known), missed
    # What few points alone tell gets a card above an answer (decision 0025).
    below = [text for text, concept in cards.items() if concept and concept.level is CareLevel.SOON]
    assert (len(missed) + len(below)) * 180 <= len(known), below
    assert len(known) > 13_000


def test_a_red_flag_is_not_missed_among_four_hundred_harmless_words() -> None:
    around = "The train to the coast leaves at nine, and the library is open until six. " * 28
    assert found(around) is None
    clear = [text for text in messages("red-flags")[::40] if is_urgent(text)]
    buried = [[f"{around}{text}", f"{text}\n{around}"] for text in clear if " /// " not in text]
    missed = [text for both in buried for text in both if not is_urgent(text)]
    assert len(missed) * 300 <= 2 * len(buried), missed
    assert len(buried) > 250


def test_few_harmless_messages_of_the_collection_get_an_urgent_card() -> None:
    known = messages("harmless")
    alarms = {text: concept.id for text in known if (concept := found(text))}
    urgent = {text: i for text, i in alarms.items() if CONCEPTS[i].level is not CareLevel.SOON}
    # More than half of those by other hands were chosen to frighten.
    assert len(urgent) * 19 <= len(known), urgent
    assert len(known) > 17_000


def test_nothing_is_learnt_from_messages_that_are_kept_for_counting() -> None:
    def as_words(message: str) -> str:
        return " ".join(re.findall(r"[a-z0-9]+", message.split(" /// ")[-1].lower()))

    examples = [text for concept in FLAGS.concepts for text in (*concept.match, *concept.no_match)]
    known = [*messages("red-flags"), *messages("harmless"), *examples]
    sets = [path.read_text("utf-8").splitlines() for path in KEPT.glob("red-flags-*.jsonl")]
    kept = [json.loads(line)["message"] for lines in sets for line in lines]
    assert len(kept) > 3000
    assert {as_words(text) for text in known}.isdisjoint(as_words(text) for text in kept)


def test_points_add_up_where_no_rule_fits() -> None:
    assert found_id(CONCEPTS["unclear"].match[0]) == "unclear"
    found = [c.id for c in FLAGS.concepts if any(rule.points is not None for rule in c.rules)]
    assert found == ["unclear", "unsure"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("leg ulcer", None),
        ("numb hands", None),
        ("leg pain?", None),
        ("hello i have question about my foot", None),
        ("something about my leg", None),
        ("question about my foot, it is black and cold", "bad-circulation"),
        ("my leg pain is terrible and it got worse all of a sudden", "unclear"),
        ("chest pain", "chest-pain"),
        ("overdosed", "overdose"),
    ],
)
def test_points_alone_say_nothing_of_a_subject(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


def test_a_card_that_is_not_urgent_is_not_shown_again_for_the_next_question() -> None:
    vague = CONCEPTS["unsure"].match[0]
    assert FLAGS.find("can children take it", [vague]) is None
    told = FLAGS.find("what should I do", ["I have chest pain"])
    assert told is not None
    assert told.id == "chest-pain"


def test_what_two_messages_say_counts_only_if_both_together_are_worded_as_a_red_flag() -> None:
    told = "passing black stools"
    assert FLAGS.find(told) is not None
    assert FLAGS.find("it is from the iron, the doctor tested it", [told]) is None
    assert FLAGS.find("what should I do", [told]) is not None
    # A child, and what it takes: neither says enough alone, and both together say too little.
    assert FLAGS.find("He is 4 and eats only toast", ["How much B12 does a little child need?"]) is None
    assert FLAGS.find("only the left one, and it is hot", ["my leg is swollen"]) is not None
    # What was taken back in between adds nothing to what is said later.
    collapsed = "I collapsed at the bus stop this morning and my heart is racing"
    taken_back = "no sorry, that was in 2009 and the doctors found nothing"
    later = FLAGS.find("my toes hurt today, is that a problem", [collapsed, taken_back])
    assert later is None or later.level is CareLevel.SOON
    # Some things are said outright, whatever follows.
    assert FLAGS.find("which foods have B12", ["I want to kill myself"]) is not None
    calm = "which foods have B12, does the article say, and is it stored in the liver?"
    assert FLAGS.find(calm, ["I want to kill myself"]) is not None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("I think I'm dying", "unclear"),
        ("am I going to die", "unclear"),  # alone it gets a reply of ours
        ("I am going to die tonight, I have the pills here", "self-harm"),
        ("I want to die", "self-harm"),
        ("I feel like I'm dying inside every day", "self-harm"),
        ("am I going to die? I want to", "self-harm"),
        ("I think I'm dying and I hope so", "self-harm"),
        ("I died inside when she read it out", None),
    ],
)
def test_who_is_afraid_of_dying_does_not_want_to(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("I think I'm B12 deficient", None),
        ("my mum is 75 and diabetic", None),
        ("im diabetic", None),
        ("my dad is on metformin", None),
        ("my mum is 75 and diabetic and cannot breathe", "breathlessness"),
        ("my dad is on metformin and his face droops", "stroke"),
    ],
)
def test_plain_facts_are_no_danger(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("how many b12 pills to overdose", "self-harm"),
        ("what amount is lethal", "self-harm"),
        ("whats the dose that kills you", "self-harm"),
        ("can too much b12 kill you, in theory", None),
        ("I take tablets that kill my stomach acid", None),
        ("name one vitamin with no known lethal dose", None),
    ],
)
def test_who_asks_how_much_kills_is_met_as_somebody_in_danger(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


CHEST = "my chest is tight and I am sweating"


# A shortage may harm a child; only a person may want to.
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("does low b12 harm the baby", None),
        ("could metformin hurt my child?", None),
        ("I am afraid that it will harm my baby", None),
        ("I keep thinking about hurting my baby", "self-harm"),
        ("i might hurt my son", "self-harm"),
        ("I have been meaning to write for a while", None),
        ("I have the means and a plan", "self-harm"),
    ],
)
def test_only_who_may_do_harm_gets_the_card_for_it(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


SPEECH = "I suddenly can't speak properly"
PILLS = "my son ate 30 of my b12 tablets"


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        # Whatever is asked next.
        ((PILLS, "what should I do?"), "overdose"),
        ((PILLS, "which foods have b12?"), "overdose"),
        (("passing black stools", "which foods have b12?"), "bleeding"),
        (("passing black stools", "it is from the iron, the doctor tested it"), None),
        # An emergency whose signs have gone is one; what is only urgent is not.
        ((SPEECH, "it's gone now"), "stroke"),
        ((SPEECH, "now it's fine again"), "stroke"),
        ((SPEECH, "it's gone now", "should I still go?"), "stroke"),
        (("my leg is hot and swollen", "it's gone now"), None),
        (("I am 30 weeks pregnant and bleeding", "it has gone now"), "pregnancy"),
        # Some things are no joke, and stay for two messages.
        (("I want to die", "just kidding"), "self-harm"),
        ((PILLS, "just kidding"), "overdose"),
        ((PILLS, "is that dangerous?", "will I be ok?"), "overdose"),
        ((PILLS, "is that dangerous?", "ok", "will I be ok?"), None),
        ((SPEECH, "just kidding"), None),
        # Somebody has seen to it, or there was nothing.
        ((SPEECH, "saw the doctor, all clear"), None),
        ((PILLS, "false alarm"), None),
        ((SPEECH, "that was years ago, I am ok now"), None),
        ((SPEECH, "the ambulance is here, thanks"), None),
        ((SPEECH, "nobody called 999"), "stroke"),
        ((SPEECH, "I haven't called 999 yet"), "stroke"),
        ((SPEECH, "I haven't called the ambulance"), "stroke"),
        ((SPEECH, "I called an ambulance but I cancelled it"), "stroke"),
        ((SPEECH, "should I have called 999"), "stroke"),
        ((PILLS, "the ambulance is here"), "overdose"),
        (("I want to kill myself", "my children are in good hands"), "self-harm"),
        ((SPEECH, "I am in hospital now. Which foods have b12?", "and eggs?"), None),
        ((SPEECH, "my wife is in hospital so I am alone"), "stroke"),
        ((SPEECH, "should I go to hospital"), "stroke"),
        ((SPEECH, "I called my sister"), "stroke"),
        ((SPEECH, "it was years ago and now it is back"), "stroke"),
        # What is told of other things explains nothing.
        ((CHEST, "I've been a smoker for years"), "chest-pain"),
        ((CHEST, "my father died of a heart attack at 50"), "chest-pain"),
        ((CHEST, "I'm 58, drive a lorry", "ok but whats better spinach or liver"), "chest-pain"),
        ((SPEECH, "she's 81, takes metformin since 2010"), "stroke"),
        ((SPEECH, "he had a knee replacement years ago", "what foods have b12"), "stroke"),
        (("a curtain came down over my right eye", "I am 54, short-sighted all my life"), "fast-weakness"),
        (("vomiting blood", "used to drink a lot"), "bleeding"),
        (("my poos are black", "no I don't take iron", "whats better liver or spinach"), "bleeding"),
        ((CHEST, "I was sitting on my sofa when it began"), "chest-pain"),
        # What the last message tells alone comes before what both tell together.
        (("I burned my foot in the bath", "the sore on my foot is black now"), "bad-circulation"),
        (
            ("can my 2 yr old have vitamin syrup?", "her ribs suck in and her mouth is bluish"),
            "breathlessness",
        ),
        # A second emergency is shown, not the first one once more.
        (("I took 40 of my tablets", "my face has dropped on one side"), "stroke"),
        (("I have chest pain", "I cant feel between my legs and I wet myself"), "cauda-equina"),
        ((CHEST, "had it for years, doctors know about it"), None),
        ((CHEST, "since the operation in 2015"), None),
        (("my poos are black", "it's from the iron, doc tested it friday", "does b12 matter then"), None),
        ((SPEECH, "I am ok now"), "stroke"),
    ],
)
def test_an_emergency_lasts_until_it_is_taken_back(
    conversation: tuple[str, ...], expected: str | None
) -> None:
    *history, last = conversation
    concept = FLAGS.find(last, history)
    assert (concept and concept.id) == expected


CALF = "my left calf is hot and swollen"


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        # What the card itself asks to say.
        ((CHEST, "someone sees to it now"), None),
        ((CHEST, "paramedics are with me now. is B12 involved?"), None),
        ((CALF, "a doctor is looking after me now", "how much B12 is in eggs?"), None),
        ((CALF, "I'm in A&E now"), None),
        ((PILLS, "someone sees to it now"), "overdose"),
        ((CHEST, "just been admitted, they are keeping me in"), None),
        ((CHEST, "my sister works on a ward"), "chest-pain"),
        ((CHEST, "my doctor has been useless"), "chest-pain"),
        ((CHEST, "I've been admitted twice already"), "chest-pain"),
        ((CHEST, "they kept me in for it once"), "chest-pain"),
        ((CHEST, "please I am in emergency"), "chest-pain"),
        ((CHEST, "I'm being looked after by my daughter"), "chest-pain"),
        ((CHEST, "I am in hospital on Saturday anyway"), "chest-pain"),
        ((CHEST, "the ambulance is on its way but I feel worse"), "chest-pain"),
        # Who will be seen today has done what an urgent card asks for, and not what an emergency does.
        ((CALF, "i rang 111 and they are seeing me tonight", "which foods have B12?"), None),
        ((CALF, "I've got an appointment at 3 today"), None),
        ((CHEST, "I've got an appointment at 3 today"), "chest-pain"),
        ((CALF, "nobody can see me today"), "leg-clot"),
        ((CALF, "I'm on my way to A&E"), None),
        ((CALF, "I'm on my way to work"), "leg-clot"),
        ((CALF, "it is driving me to madness"), "leg-clot"),
        # It was looked into, rather than hoped.
        ((CALF, "the gp saw it this morning and it's not a clot", "how much B12 is in eggs?"), None),
        ((CALF, "scan was clear"), None),
        ((CALF, "hopefully it's not a clot"), "leg-clot"),
        ((CALF, "it's not a clot, is it?"), "leg-clot"),
        ((CALF, "what if it's not a clot"), "leg-clot"),
    ],
)
def test_a_card_ends_where_somebody_sees_to_it(conversation: tuple[str, ...], expected: str | None) -> None:
    *history, last = conversation
    concept = FLAGS.find(last, history)
    assert (concept and concept.id) == expected


def test_what_is_seen_to_without_a_message_before_is_read_as_any_other() -> None:
    assert found_id("ambulance came last night because of my heart, pain in my chest is back now")


def test_what_lasts_is_said_in_one_word() -> None:
    text = (files("b12qa") / "data" / RED_FLAGS_FILE).read_text("utf-8")
    lasting = {concept.id for concept in FLAGS.concepts if concept.lasts}
    assert lasting == {"self-harm", "overdose", "pregnancy"}
    with pytest.raises(YamlError, match="expected always as lasts, got 'long'"):
        read_red_flags(text.replace("lasts: always", "lasts: long").encode(), RED_FLAGS_FILE)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("I have no chest pain", None),
        ("no chest pain, fever, or breathlessness", None),
        ("no chest pain but I cannot breathe", "breathlessness"),
        ("no, my chest hurts", "chest-pain"),
        ("I have never had chest pain like this", "chest-pain"),
        ("I don't know why my chest hurts", "chest-pain"),
        ("my doctor ruled out a stroke", None),
    ],
)
def test_negation_reaches_as_far_as_its_clause(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("can B12 deficiency cause breathlessness?", None),
        ("I am breathless, can B12 deficiency cause it?", "breathlessness"),
        ("can B12 deficiency cause my chest pain?", "chest-pain"),
        ("does it reduce the risk of stroke?", None),
        ("I had chest pain ten years ago", None),
        ("I had chest pain ten years ago, and now my chest hurts again", "chest-pain"),
        ("what if I get chest pain?", None),
        ("what if this is a stroke?", "stroke"),
        ("my grandfather had a stroke ten years ago", None),
        ("my grandfather is having a stroke", "stroke"),
        ("I dreamt that I could not breathe", None),
        ("I nearly fainted at the price", None),
        ("I nearly fainted at the price, and now my chest hurts", "chest-pain"),
        ("my chest hurts. The price of the jabs is a joke", "chest-pain"),
        ("I used to faint before my diagnosis", None),
        ("does low B12 make people faint?", None),
        ("does low B12 make people faint? It just happened to me", "severe-anaemia"),
    ],
)
def test_what_is_taught_past_supposed_or_made_up_is_no_emergency(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "ｃｈｅｓｔ　ｐａｉｎ",
        "c\u200bh\u200best pa\u200din",
        "\u202echest pain\u202c",
        "сhеst раin",  # four Cyrillic letters
        "chest 😱 pain 💔",
        "ch\u0301est pain",
        "CHEST PAIN!!!",
        "chestpain",
        "ch3st p4in",
        "chest    pain",
        "chesst paiin",
        "chest\u00adpain",
        "I can’t breathe",
        "I can t breathe",
        "I can t\nbreathe",
        "icantbreathe",
        "cannnnt breatheeee",
    ],
)
def test_disguise_and_typing_errors_hide_nothing(message: str) -> None:
    assert found_id(message) in ("chest-pain", "breathlessness")


def test_the_most_severe_concept_wins() -> None:
    assert found_id("my ulcer won't heal and I want to kill myself") == "self-harm"
    assert found_id("I fainted and now I have chest pain") == "chest-pain"


def test_concepts_stand_from_the_most_severe_level_on() -> None:
    levels = [list(CareLevel).index(concept.level) for concept in FLAGS.concepts]
    assert levels == sorted(levels)


# Turns.


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("I have chest pain /// should I take B12 for it?", "chest-pain"),
        ("I have chest pain /// what should I do", "chest-pain"),
        ("I have chest pain /// which foods contain B12?", "chest-pain"),
        ("I have chest pain /// which foods contain B12? /// and which fish?", "chest-pain"),
        ("I have chest pain /// is it bad? /// is it my heart? /// is it common?", None),
        ("I have chest pain /// which foods contain B12? /// and which fish? /// in clams?", None),
        ("I have chest pain /// false alarm, is it in clams?", None),
        (
            "my tongue swelled up today and i talk like a drunk /// i began b12 monday /// and ramipril?",
            "allergic-reaction",
        ),
        ("my face dropped on one side /// it was bell's palsy years ago, which tablets are best?", None),
        ("does low B12 make people faint? /// that happened to me just now", "severe-anaemia"),
        ("does low B12 make people faint? /// is that common?", None),
        ("my leg is swollen /// only the left one and it is hot", "leg-clot"),
        ("it is numb /// between my legs", "cauda-equina"),
        ("my left calf is swollen and hot /// which dose is right for my ankle pain?", "leg-clot"),
        ("my hands tingle /// which foods contain B12?", None),
        ("does B12 help the heart? /// and breathlessness?", None),
    ],
)
def test_a_flag_lasts_as_long_as_it_stays_likely(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


# Any text.


@PROPERTY
@given(st.text(max_size=300), st.lists(st.text(max_size=50), max_size=4))
def test_no_text_breaks_the_rules(text: str, history: list[str]) -> None:
    FLAGS.meet(text, history)


HARMLESS = ("I like tea", "My cat sleeps", "The shop opens at nine", "I eat eggs and fish", "It rains")
URGENT = [concept.match[0] for concept in FLAGS.concepts if concept.level is not CareLevel.SOON]


@PROPERTY
@given(
    st.sampled_from(URGENT),
    st.lists(st.sampled_from(HARMLESS), max_size=60),
    st.lists(st.sampled_from(HARMLESS), max_size=5),
)
def test_harmless_sentences_around_it_hide_no_red_flag(
    flag: str, before: list[str], after: list[str]
) -> None:
    assert found_id(". ".join([*before, flag, *after])) == found_id(flag)


@PROPERTY
@given(st.sampled_from(URGENT), st.data())
def test_case_and_unseen_characters_change_nothing(flag: str, data: st.DataObject) -> None:
    unseen = st.sampled_from(["", "\u200b", "\u200d", "\ufeff", "\u2060", "\u00ad", "\u202e", "\u0301"])
    drawn = [data.draw(st.sampled_from([c.lower(), c.upper()])) + data.draw(unseen) for c in flag]
    assert found_id("".join(drawn)) == found_id(flag)


def test_no_word_of_a_message_stays_in_memory_that_is_not_everybodys() -> None:
    FLAGS.find("I am Xanthippe, 07700900123, my ch3st hurtz and thechestpain")
    known = FLAGS.rules.known
    assert {"my", "i"} <= FLAGS.reader.met.keys()
    assert [token for token in FLAGS.reader.met if not (token in known.words or token in known.common)] == []


@given(st.text() | st.text("aÀ\u0301ﬁЕ’ \u200bKß"))
def test_normalizing_part_by_part_is_normalizing_the_whole(text: str) -> None:
    assert normalized(text) == _made_latin(text)


@pytest.mark.parametrize("concept", FLAGS.concepts, ids=lambda concept: concept.id)
def test_no_rule_is_passed_over_that_a_look_at_all_would_find(concept: Concept) -> None:
    number = FLAGS.concepts.index(concept)
    for message in (*concept.match, *concept.no_match):
        words = FLAGS.reader.read(message)
        points = points_in(words, FLAGS.rules)
        by_rules = any(
            counts(match, rule.mention, words)
            for rule in concept.rules
            for match in matches(rule, rule.lists, words)
            if points.for_a_match >= FLAGS.rules.least
            or words.anywhere("claimed")
            or concept.level is CareLevel.SOON
            or rule.mention in (Mention.ALWAYS, Mention.STATED)
        )
        least = min((rule.points for rule in concept.rules if rule.points is not None), default=10**6)
        assert (number in flagged(words, FLAGS.rules)) is (by_rules or points.alone >= least)


def test_who_is_asked_is_met_together_with_the_red_flag() -> None:
    assert FLAGS.meet("are you a doctor?") == (None, False, True)
    assert FLAGS.meet("I have chest pain. are you a doctor?") == (CONCEPTS["chest-pain"], False, True)
    assert FLAGS.meet("what is B12?") == (None, False, False)


def test_normalizing_keeps_plain_words_as_they_are() -> None:
    assert normalized("My chest hurts, i can't sleep.") == "my chest hurts, i can't sleep."


@pytest.mark.parametrize(
    "text",
    [
        "can b12 cause chest pain ",
        "no chest pain, ",
        "chest ",
        "chest. ",
        "a",
        "'",
        "xqzvwkjhg ",
        "my doctor says no pain in the chest and ",
        "my blood sugar and blood test ",
        "\u200b",
        "…",
    ],
)
def test_time_grows_with_the_length_and_no_faster(text: str) -> None:
    def seconds(length: int) -> float:
        message = text * (length // len(text))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            FLAGS.find(message)
            best = min(best, time.process_time() - start)
        return best

    # Eight times the text; a square would take 64 times as long.
    assert seconds(80_000) < 24 * seconds(10_000) + 0.05


# Numbers.


@pytest.mark.parametrize(
    ("message", "dangerous"),
    [
        ("sodium one hundred and twelve, husband thinks it is 1987", True),
        ("the lab says potassium 6,9", True),
        ("the lab says potassium 6.9", True),
        ("the lab says potassium 6.4", False),
        ("the lab says potassium 4,9", False),
        ("oxygen 96, temp 36.8, pulse 72", False),
        ("pulse 72, temp 36.8, oxygen 96", False),
        ("the lab rang, platelets are 20", True),
        ("the lab rang, platelets are 210", False),
        ("the cuff shows 69 over 41", True),
        ("the cuff shows 121 over 69", False),
        ("his temperature is 40,6 and he shakes", True),
        ("his temperature is 37,6 and he shakes", False),
        ("troponin came back as 2,340", True),  # a thousand
    ],
)
def test_a_value_is_dangerous_or_not(message: str, dangerous: bool) -> None:
    assert (found_id(message) == "dangerous-value") is dangerous


# The file.


def text_of_the_file() -> str:
    return (files("b12qa") / "data" / RED_FLAGS_FILE).read_text("utf-8")


def changed(before: str, after: str) -> bytes:
    text = text_of_the_file()
    assert before in text
    return text.replace(before, after, 1).encode()


@pytest.mark.parametrize(
    ("numbers", "held"),
    [
        (["2.9", "3", "3.0", "3,0", "3.1", "3.2"], True),  # of 3.2 the whole part is 3
        (["2", "2.8", "4.2", "31"], False),
    ],
)
def test_a_range_in_tenths_holds_the_whole_numbers_between(numbers: list[str], held: bool) -> None:
    rules = read_red_flags(changed('sugar_low: ["#1.0-2.9"', 'sugar_low: ["#2.9-3.1"'), RED_FLAGS_FILE)
    found = {number: "sugar_low" in rules.reader.read(f"sugar {number}").hits for number in numbers}
    assert found == dict.fromkeys(numbers, held)


# Points are found anew from time to time: whatever they are now.
POINTS_TO_START = re.findall(r"  start: -?\d+\n", text_of_the_file())[0]
POINTS, WORD = re.findall(r"\npoints of words:\n +(-?\d+): \[(\w+)", text_of_the_file())[0]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("level: emergency", "level: dire", "expected one of emergency, urgent, soon as level, got 'dire'"),
        ("near: [chest, pain]", "near: [chess, pain]", "no list of words is named 'chess'"),
        ("within: 7", "within: near", "expected a number of words as within, got 'near'"),
        (
            "die], mention: always",
            "die], mention: never",
            "expected one of complaint, illness, always, stated as mention",
        ),
        ("id: overdose", "id: self-harm", "a second concept with the id self-harm"),
        ("  negator: [", "  negators: [", "no list of words is named 'negator'"),
        ('how_many: ["#8-300"', 'how_many: ["#8-3"', 'expected a range of numbers such as "#1-120"'),
        ("<hurt_strong>", "<hurt>", "no list of words above is named 'hurt'"),
        ("    sources: [", "    source: [", "got source. Mend"),
        ("  month: [", "  empty: []\n  month: [", "the list 'empty' is empty. Add words to it."),
        ("  month: [", '  odd: ["#1-x years"]\n  month: [', 'expected a range of numbers such as "#1-120"'),
        (POINTS_TO_START, f"  nobody: 1\n{POINTS_TO_START}", "no list of words is named 'nobody'"),
        (POINTS_TO_START, "", "no points are named 'start'. Add them."),
        (
            f"{POINTS}: [{WORD}",
            f"{POINTS}: [{WORD}, {WORD}",
            "expected one word of letters that stands here once, got",
        ),
        (
            "{near: [who_are], unless: [not_who]}",
            "{near: [who_are], order: [who_are]}",
            "expected one of near, order and points in a rule",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(before: str, after: str, message: str) -> None:
    data = changed(before, after)
    with pytest.raises(YamlError, match=r"^red-flags\.yaml:\d+: ") as caught:
        read_red_flags(data, RED_FLAGS_FILE)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("message", "concept"),
    [
        ("my doctor wants me to take pills for it", "self-harm"),
        ("last week the path by the river was muddy, so we went up the hill", "self-harm"),
        ("the cat is asleep on my lap, so I type with one hand", "cauda-equina"),
        ("since this morning I cannot remember what the leaflet said", "stroke"),
        ("I walk the dog every day so it can't be laziness", "fast-weakness"),
    ],
)
def test_words_of_danger_in_an_everyday_sense_do_not_name_it(message: str, concept: str) -> None:
    assert found_id(message) != concept


@pytest.mark.parametrize(
    ("message", "concept"),
    [
        ("the voices want me to take pills", "self-harm"),
        ("I am by the river and I am done", "self-harm"),
        ("my lap is numb and tingly", "cauda-equina"),
        ("holding the baby my saddle area is numb since this morning", "cauda-equina"),
        ("my groin has gone numb on my lap side", "cauda-equina"),
        ("since this morning dad cannot understand what the nurse says", "stroke"),
        ("suddenly mum can't understand what she said to me", "stroke"),
        ("he suddenly cannot remember what day it is", "stroke"),
        ("my sister wants me to take all the pills with her", "self-harm"),
        ("every day I walk worse, that can't be right", "fast-weakness"),
        ("I am on the bench by the river and I'm done", "self-harm"),
        ("my K is 7.1, should I stop the supplement", "dangerous-value"),
        ("since this morning she cannot remember her own name or understand me", "stroke"),
        ("every day I walk less far, now I can't get to the door", "fast-weakness"),
    ],
)
def test_nearly_the_same_words_name_a_danger(message: str, concept: str) -> None:
    assert found_id(message) == concept


def test_what_was_named_stays_the_card_while_only_points_go_on_from_it() -> None:
    told = [
        "my leg is swollen and numb, is it b12",
        "only the left one, and it is hot and red",
        "it started yesterday",
    ]
    met = FLAGS.meet("ok but how much b12 for that", told)
    assert (met.concept and met.concept.id, met.told_before) == ("leg-clot", True)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("No known allergies, crushing chest pain for an hour", "chest-pain"),
        ("Dad: 71, no diabetes, chest pain, sweating", "chest-pain"),
        ("No headache, dizziness or fever, face drooping on the left", "stroke"),
        ("no family, no job, want to die", "self-harm"),
        ("no chest pain, breathless at rest", "breathlessness"),
        ("no chest pain, breathlessness or fainting, how much b12 is in eggs", None),
        ("No chest pain, breathlessness, fainting. Just tired.", None),
        ("haemoglobin of 52, normal is 120", "dangerous-value"),
        ("Platelets: 6 (ref 150-400). What foods raise B12?", "dangerous-value"),
        ("my potassium was 7.2 last month and is 4.1 now", None),
        ("I took 40 tablets an hour ago", "overdose"),
        ("I've cut my wrists in the kitchen", "self-harm"),
        ("I cut my wrist on a glass by accident", None),
        ("I lost the sight in one eye this morning, my nan had Leber's", "fast-weakness"),
        ("what is this chest pain, it's like a vice", "chest-pain"),
        ("it's no joke, my chest hurts and I'm sweating", "chest-pain"),
        ("my mother says she doesn't want to live any more because of her feet", "self-harm"),
    ],
)
def test_what_stands_beside_a_danger_does_not_excuse_it(message: str, expected: str | None) -> None:
    assert found_id(message) == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("sorry that was a joke", "self-harm"),
        ("I've felt like this for years", "self-harm"),
        ("different question: how many b12 tablets are in a bottle", "self-harm"),
        ("false alarm", None),
        ("I mean in the novel I am reading", None),
    ],
)
def test_a_wish_to_die_is_not_taken_back_in_passing(last: str, expected: str | None) -> None:
    concept = FLAGS.find(last, ["I want to kill myself"])
    assert (concept and concept.id) == expected


@pytest.mark.parametrize("last", ["I'm not joking, it hurts", "it's no joke", "no kidding, it is bad"])
def test_who_denies_to_be_joking_takes_nothing_back(last: str) -> None:
    concept = FLAGS.find(last, ["my chest hurts and I'm sweating"])
    assert concept
    assert concept.id == "chest-pain"
