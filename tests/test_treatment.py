from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from conftest import ROOT
from strategies import in_proportion

from b12qa.errors import YamlError
from b12qa.treatment import ASKS, CANNOT, PEOPLE, SUFFERS, Asked, load_rules, names_dose, read_rules

FIXTURES = Path(__file__).parent / "fixtures"
SETS = ("dose-1.jsonl", "dose-2.jsonl", "dose-3.jsonl")
RULES = load_rules()

SMALL = """
sources: ["A page"]
idle: [take part]
words:
  my_medicine: [my pills]
  take: [take, swallow, =shot]
  thing: [<take>, "aged #7-9", "# kg", "#0"]
asks:
  treatment: [{near: [take]}]
  dose: [{near: [take, thing]}]
  amount: [{order: [take, medicine], within: 1}]
  own amount: [{near: [my_medicine]}]
  decision: [{near: [take, thing], unless: [medicine]}]
  change: [{near: [medicine]}]
  safety: [{near: [medicine]}]
  advice: [{near: [medicine]}]
people:
  special: [{near: [thing]}]
  own condition: [{near: [my_medicine]}]
  named: [{near: [take]}]
  on medicine: [{near: [medicine]}]
  suffers: [{near: [thing]}]
  told: [{near: [medicine]}]
cannot:
  result: [{near: [thing]}]
  diagnosis: [{near: [take]}]
  see: [{near: [medicine]}]
  animal: [{near: [thing]}]
medicines:
  Against clots: [warfarin]
  Without a name: [<my_medicine>, drug]
examples: {treatment: [a], personal: [b], neither: [c]}
"""


def kind(*messages: str) -> str:
    *history, message = messages
    asked = RULES.asked(message, history=history)
    return "personal" if asked.personal else "treatment" if asked.treatment else "neither"


@pytest.mark.parametrize("expected", ["treatment", "personal", "neither"])
def test_the_examples_of_the_file_are_read_as_they_stand_there(expected: str) -> None:
    wrong = [messages for messages in RULES.examples[expected] if kind(*messages) != expected]
    assert wrong == []
    assert len(RULES.examples[expected]) >= 18


@pytest.mark.parametrize("name", SETS)
def test_sets_by_other_hands_are_still_read_as_they_label_them(name: str) -> None:
    rows = [json.loads(line) for line in (FIXTURES / name).read_text("utf-8").splitlines()]
    read = {(row["message"], *row["history"]): kind(*row["history"], row["message"]) for row in rows}
    labels = {(row["message"], *row["history"]): row["label"] for row in rows}
    assert len(rows) >= 120
    # Warnings must come along, and a person's own dose must not be answered.
    assert [m for m, label in labels.items() if label == "personal" and read[m] != "personal"] == []
    assert [m for m, label in labels.items() if label == "treatment" and read[m] == "neither"] == []
    # The other way round, what is too much is a warning more, or an answer that is only called related.
    assert sum(label == "neither" and read[m] != "neither" for m, label in labels.items()) <= 4
    assert sum(label == "treatment" and read[m] == "personal" for m, label in labels.items()) <= 1


def test_what_was_said_of_a_person_holds_for_a_later_question() -> None:
    assert kind("I take warfarin", "should I start B12?") == "personal"
    assert kind("how much is in an egg?", "should I start B12?") == "treatment"
    assert kind("I am 34 weeks pregnant", "what is myelin?") == "neither"


def test_whatever_was_told_of_somebody_keeps_a_dose_from_being_the_answer() -> None:
    told = ["my partner had a foot of bowel out", "she's tiny, 44 kilos"]
    assert RULES.asked("jabs at the full strength or less?", history=told).of_somebody
    assert not RULES.asked("jabs at the full strength or less?", history=["who wrote this?"]).of_somebody


@pytest.mark.parametrize(
    ("message", "of_somebody"),
    [
        ("what amount a day did they use in the studies, the pills I mean?", False),
        ("I wonder how often the injections are given", False),
        ("why do we need B12?", False),
        ("I mean, how much should I take?", True),
        ("I heard it helps, how often do I need the injections?", True),
        ("why do we need injections? my mum has two a week", True),
    ],
)
def test_words_on_the_asking_itself_tell_of_nobody(message: str, of_somebody: bool) -> None:
    assert RULES.asked(message).of_somebody is of_somebody


def test_a_few_words_go_on_from_the_message_before() -> None:
    assert kind("How much B12 do people take?", "and for my gran?") == "personal"
    assert kind("Which foods have B12?", "and for my gran?") == "neither"
    assert kind("are the tablets any good?", "with coffee?") == "treatment"


def test_an_amount_for_oneself_is_personal_whatever_else_is_said() -> None:
    assert RULES.asked("how much should I take?").amount
    assert kind("how much should I take?") == "personal"
    assert kind("how much do people take?") == "treatment"
    assert kind("how much B12 should I get from eggs?") == "neither"


def test_of_some_people_doses_differ_whoever_asks() -> None:
    for of_whom in ("a 6 year old", "a baby", "my mum, she is 82", "someone on dialysis", "a pregnant woman"):
        asked = RULES.asked(f"what dose for {of_whom}")
        assert (asked.personal, asked.special) == (True, True), of_whom
    assert not RULES.asked("what dose for nerve pain").special


@pytest.mark.parametrize(
    "typed", ["you're", "youre", "You’re", "theyre", "she's", "shes", "weve been told she is"]
)
def test_an_apostrophe_left_out_changes_nothing(typed: str) -> None:
    asked = RULES.asked(f"What is the daily dose of B12 when {typed} expecting?")
    assert (asked.personal, asked.special) == (True, True)


def test_a_question_says_whether_it_names_something_else() -> None:
    for message in ("what is the dose for nerve pain", "how often are the jabs given"):
        assert (RULES.asked(message).of_nothing_else, RULES.asked(message).names_another) == (True, False)
    for message in ("how much zinc per serving", "iron tablets, what dose", "what dose of warfarin"):
        assert RULES.asked(message).names_another


def test_medicines_are_named_by_their_class() -> None:
    assert RULES.asked("is B12 OK with omeprazol and warfarine?").medicines == {
        "Blood thinners and other medicines against clots",
        "Medicines that lower stomach acid",
    }
    assert RULES.asked("does it interact with my heart pills").medicines
    assert RULES.asked("how much B12 is in an egg?").medicines == frozenset()


def test_misspelt_words_and_telegrams_are_understood() -> None:
    for message in ("tabelts or injecsions", "b 12 dosage", "shud i tak b12", "how offen are teh jabs givn"):
        assert kind(message) != "neither", message
    assert kind("78f ckd on apixaban, im dose?") == "personal"


@pytest.mark.parametrize("micro", ["\u00b5g", "\u03bcg", "ug"])
def test_the_sign_for_micro_is_read_however_it_is_typed(micro: str) -> None:
    def asked(unit: str) -> Asked:
        return RULES.asked(f"my daughter takes 500 {unit}, is that right")

    assert asked(micro) == asked("mcg")
    assert asked(micro).personal
    assert RULES.lists_in(f"500{micro} a day") == RULES.lists_in("500mcg a day")


def test_a_letter_and_an_amount_are_no_name() -> None:
    for message in ("is vitamin d 20 mcg good for nerves", "vitamin d 5 mcg a day", "vitamin k 2 for bones"):
        assert RULES.asked(message).nutrients, message
    assert not RULES.asked("b 12 1000 mcg for nerves").names_another
    assert "d3" in "".join(RULES.asked("vitamin d-3 for nerves").nutrients)


def test_a_test_comes_first_only_where_a_vitamin_is_to_be_taken() -> None:
    assert RULES.asked("should I start B12?").beginning
    assert not RULES.asked("should I start warfarin?").beginning
    for general in (
        "what is B12?",
        "how much vitamin B12 is in liver?",
        "what is the daily dose of vitamin B12?",
    ):
        assert not RULES.asked(general).beginning


@pytest.mark.parametrize(
    "text",
    [
        "take 1000 mcg",
        "2.4 µg is enough",
        "2.4 μg is enough",
        "a 1000-mcg tablet",
        "a 1000\u2011mcg tablet",
        "take two tablets",
        "one capsule at night",
        "2 g a day",
        "one injection a month",
        "once every night",
        "every 8 hours",
        "three injections weekly",
        "daily injections for 5 days",
        "twice a day",
        "three times weekly",
        "every other day",
        "one of 500mg",
    ],
)
def test_a_dose_is_an_amount_or_how_often(text: str) -> None:
    assert names_dose(text)


@pytest.mark.parametrize(
    "text",
    [
        "within 2-4 weeks",
        "24 studies",
        "avoid it in some illnesses",
        "12% less",
        "100 g of clams",
        "one of the tablets",
        "worse each night",
        "after one injection",
    ],
)
def test_other_numbers_are_no_dose(text: str) -> None:
    assert not names_dose(text)


@pytest.mark.parametrize("unit", ["take ", "1 ", "should i take ", "a", "b12 or ", "im on my "])
def test_long_and_hostile_messages_take_no_longer_than_their_length(unit: str) -> None:
    def ask(characters: int) -> None:
        attack = unit * (characters // len(unit))
        RULES.asked(attack, history=[attack] * 5)
        names_dose(attack)

    assert in_proportion(ask, times=5000)


def test_no_word_of_a_question_stays_in_memory() -> None:
    RULES.asked("should I take 20 mcg")  # what is read when it is first met
    known = set(RULES.phrases)
    RULES.asked("my number is 07700900123, my cousin Xanthippe takes 4857773456 drops")
    assert not {
        key for key in set(RULES.phrases) - known if "077009" in key or "48577" in key or "xanth" in key
    }


def test_nothing_is_asked_by_no_words() -> None:
    for message in ("", "?!", "\ud800", "𝟙𝟚 ​"):
        assert RULES.asked(message) == Asked()


# The file.


def test_no_medicine_stands_in_the_code() -> None:
    assert RULES.asked("metformin warfarin nortriptyline omeprazole").medicines  # branches are read when met
    named = {name for name in RULES.phrases if len(name) > 6}
    drugs = {"metformin", "warfarin", "nortriptylin", "omeprazol"}
    assert drugs <= named
    code = "\n".join(
        node.value
        for path in (ROOT / "src" / "b12qa" / name for name in ("treatment.py", "caution.py", "answering.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ).lower()
    assert [drug for drug in drugs if drug in code] == []


def test_every_list_is_used_and_every_part_has_rules() -> None:
    used = {name for rules in RULES.rules.values() for rule in rules for name in (*rule.lists, *rule.unless)}
    text = (ROOT / "src" / "b12qa" / "data" / "treatment.yaml").read_text("utf-8")
    words = text[text.index("\nwords:") : text.index("\nasks:")]
    lists = set(re.findall(r"^  (\w+): \[", words, re.MULTILINE))
    code = (ROOT / "src" / "b12qa" / "treatment.py").read_text("utf-8")
    asked_for_by_name = {name for name in lists if f'"{name}"' in code}
    assert sorted(lists - used - asked_for_by_name - set(re.findall(r"<(\w+)>", text))) == []
    assert set(RULES.rules) == {*ASKS, *PEOPLE, SUFFERS, *CANNOT}
    assert len(RULES.sources) >= 5


def test_numbers_and_ranges_of_the_file_mean_what_its_head_says() -> None:
    small = read_rules(SMALL.encode(), "rules.yaml")
    assert {"thing"} <= small.lists_in("aged 8")
    assert "thing" not in small.lists_in("aged 10").difference(small.lists_in("10"))
    assert "thing" in small.lists_in("two kg")
    assert "thing" not in small.lists_in("two")
    assert "take" in small.lists_in("shot")
    assert "take" not in small.lists_in("shots")
    assert "take" not in small.lists_in("they take part")
    assert "amount" in small.finds("take the warfarin")
    assert "amount" not in small.finds("take one or two warfarin")
    assert "decision" not in small.finds("swallow 5 warfarin")
    assert "decision" in small.finds("Warfarin. And swallow 5 kg.")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("{near: [take]}", "{near: [tea]}", "no list of words is named 'tea'"),
        ("{near: [take]}", "{near: [take], order: [take]}", "expected either near or order in a rule"),
        ("within: 1", "within: one", "expected a number of words as within, got 'one'"),
        ("<take>", "<tea>", "no list of words above is named 'tea'"),
        ("#7-9", "#9-7", "expected a range of numbers such as \"#1-120\", got 'aged #9-7'"),
        ("  take: [take, swallow, =shot]", "  take: []", "expected at least one word here"),
        ("examples:", "example:", "expected asks, cannot, examples, idle, medicines"),
        ("medicines:\n", "medicines: []\nx:\n", "expected asks, cannot, examples, idle"),
    ],
)
def test_a_mistake_in_the_rules_is_named_with_its_line(before: str, after: str, message: str) -> None:
    assert before in SMALL
    with pytest.raises(YamlError, match=re.escape(message)):
        read_rules(SMALL.replace(before, after, 1).encode(), "rules.yaml")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Limits of the intranasal route versus limits of IM?", False),
        ("A thrice-weekly IM induction is followed by what?", False),
        ("so IM on tablets, what next?", True),  # a hasty "I'm"
        ("WELL IM ON TABLETS, WHAT NEXT?", True),
        ("well im on tablets, what next?", True),
    ],
)
def test_capitals_among_small_letters_mean_the_muscle(message: str, told: bool) -> None:
    assert RULES.asked(message).of_somebody is told


@pytest.mark.parametrize(
    ("message", "cannot"),
    [
        ("is it cancer", "diagnosis"),
        ("can my dog have B12", "animal"),
        ("my cat ate 3 of my b12 tablets", "animal"),
        ("how much b12 can I give my kitten", "animal"),
        ("b12 dose for dogs", "animal"),
        ("I walk my dog and take B12", ""),
        ("my voice is hoarse and I swallow badly", ""),
        ("could my numb feet end up with me in a wheelchair", "see"),
        ("am I going to lose my toes from this", "see"),
        ("will a low dose keep me from going blind", ""),
        ("My feet are numb. Is it B12?", "diagnosis"),
        ("could this be b12", "diagnosis"),
        ("is it b12 that repairs the nerves?", ""),
        ("is it serious", "see"),
        ("should i be worried", "see"),
        ("ok so what should I do", "see"),
        ("what should i do to get more b12 from food", ""),
        ("could it be MS?", "diagnosis"),
        ("do i have neuropathy", "diagnosis"),
        ("how do I know if I have low B12?", "diagnosis"),
        ("is it good for neuropathy", ""),
        ("do I have to take it for a deficiency?", ""),
        ("should i see a doctor", "see"),
        ("when should I go to the GP about this?", "see"),
        ("do i need to get it checked", "see"),
        ("does the article say what doctors see?", ""),
        ("when should I see results?", ""),
        ("is it a deficiency that causes this?", ""),
        ("my b12 was 250 pg/ml what does it mean", "result"),
        ("my level is 180, is that low", "result"),
        ("my blood test came back low", "result"),
        ("what level of 2.4 mcg is advised a day?", ""),
    ],
)
def test_what_no_article_can_tell_is_known(message: str, cannot: str) -> None:
    assert RULES.asked(message).cannot == ({cannot} if cannot else set())


@pytest.mark.parametrize(
    ("message", "suffers"),
    [
        ("my feet are burning", True),
        ("I have had tingling toes since May", True),
        ("my tongue is sore and I'm tired all the time", True),
        ("she feels really weak", True),
        ("b12 not working after 6 months still numb", True),
        ("hand goes numb at night", True),
        ("does B12 help with burning feet", False),
        ("I don't have any pain", False),
        ("why do feet tingle", False),
        ("I have a question on clams", False),
    ],
)
def test_a_complaint_that_somebody_has_is_known(message: str, suffers: bool) -> None:
    assert RULES.asked(message).suffers is suffers


@pytest.mark.parametrize(
    "message", ["can b12 cure my neuropathy for good", "will my numbness go away for good"]
)
def test_to_be_cured_for_good_is_no_dose(message: str) -> None:
    assert not RULES.asked(message).personal
    assert RULES.asked("should I take it for good").personal


@pytest.mark.parametrize(
    ("before", "cannot"),
    [
        ("my feet are numb", "see"),
        ("my b12 is 180", "see"),
        ("can you take too much b12", None),
        ("what is homocysteine", None),
        ("my tablets are red", None),
    ],
)
def test_whether_it_is_dangerous_hangs_on_what_was_told(before: str, cannot: str | None) -> None:
    assert RULES.asked("is that dangerous?", "", [before]).cannot == ({cannot} if cannot else set())
    assert RULES.asked("is that dangerous?", before, [before]).cannot == ({cannot} if cannot else set())
    assert RULES.asked("is that dangerous?").cannot == set()
