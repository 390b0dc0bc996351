"""Markdown for the tests: small cases from fixtures/, and texts as nasty as people write them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from markdown_it.token import Token

from b12qa.errors import YamlError
from b12qa.front_matter import read_front_matter
from b12qa.records import BlockKind

FIXTURES = Path(__file__).parent / "fixtures"

# Many more find what a change broke: B12QA_EXAMPLES=20000 pytest tests/test_chunking.py
PROPERTY = settings(
    max_examples=int(os.environ.get("B12QA_EXAMPLES", "300")),
    derandomize="CI" in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

_CASE = re.compile(r"(?P<title>.+)\n\.\n(?P<text>(?s:.*?))(?<=\n)\.\n(?P<expected>(?s:.*?))\n\.\n")
_SHOWN = {"\r": "␍", "\t": "⇥", "\x0c": "␌", "\ufeff": "⟨BOM⟩", "\u3000": "⟨U+3000⟩"}


def cases(name: str) -> list[Any]:
    """The cases of a fixture: text and what is expected; fixtures/README.md explains them."""
    source = (FIXTURES / f"{name}.txt").read_text("utf-8")
    found = [
        pytest.param(_meant(case["text"]), case["expected"], id=case["title"])
        for case in _CASE.finditer(source)
    ]
    assert _CASE.sub("", source).strip() == "", "a case that is not well-formed"
    return found


def _meant(text: str) -> str:
    for character, sign in _SHOWN.items():
        text = text.replace(sign, character)
    return text


def shown(text: str) -> str:
    """Characters on one line, with those that nobody sees made visible."""
    for character, sign in {**_SHOWN, "\n": "⏎"}.items():
        text = text.replace(character, sign)
    return f"‹{text}›"


def seconds(work: Callable[[], object], runs: int = 2) -> float:
    """Processor time of the fastest run."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def in_proportion(work: Callable[[int], object], times: int = 1500, runs: int = 2) -> bool:
    """Whether four times as much takes less than nine times as long; a quadratic step would take sixteen.

    Noise only adds, and a machine's speed may double from one run to the next: so the best of some runs
    counts, and there are three tries, at each of which a quadratic step fails.
    """
    return any(
        seconds(lambda: work(4 * times), runs) < 9 * seconds(lambda: work(times), runs) for _ in range(3)
    )


def without_front_matter(text: str) -> str:
    """The text with blank lines in place of front matter: an oracle that goes line by line."""
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n|\Z)", text)
    keys = (line for line in lines[1:] if not re.match(r"[ \t]*#", line))
    opened = lines[0].removeprefix("\ufeff").rstrip(" \t\r\n") == "---"
    if not opened or not re.match(r"([\"']?)[^\W\d][\w.-]*\1[ \t]*:\s", next(keys, "")):
        return text
    ends = (i for i, line in enumerate(lines[1:], 1) if re.fullmatch(r"(---|\.\.\.)[ \t]*[\r\n]*", line))
    end = next(ends, -1)
    return "\n" * (end + 1) + "".join(lines[end + 1 :])


def unquoted_kind(inline: Token) -> BlockKind | None:
    """What a paragraph is that is no prose, from its content as a parser without our rules sees it."""
    if re.match(r"\[\^[^\]\s]+\]:", inline.content):
        return BlockKind.FOOTNOTE
    children = inline.children or []
    words = "".join(child.content for child in children if child.type not in ("image", "link_open"))
    return BlockKind.IMAGE if any(c.type == "image" for c in children) and not words.strip() else None


_FRAGMENTS = [
    # headings
    "# One",
    "## Two ##",
    "   ### Three #",
    "#",
    "###### **six** [link](/u) ##",
    "####### seven is text",
    "Setext\n===",
    "Setext **two**\nlines\n---",
    "- # in a list\n  below it",
    "> # in a quote\n> below it",
    "> Setext\n> in quote\n> ---",
    # lists
    "Lead-in:",
    "- item one\n- item two",
    "* a\n  * b\n    * c\n      continued",
    "1. first\n2. second\n\n   second paragraph",
    "10) ten\n    lazy or not",
    "- item\nlazy continuation",
    "-\tafter a tab\n\n\tsecond **bold** paragraph",
    "-",
    "- - - nested at once",
    "+ > quote in a list\n  > **more** of it\n  lazy",
    "- a\n\n      indented code in a list",
    # block quotes
    "> quote\n> *second* line",
    "> quote\nlazy **continuation**",
    "> - list in a quote\n>   its *second* line\n> - next",
    "> > twice\n> once\n>\n> again",
    ">no blank",
    "> ```\n> code\n>\n>   more\n> ```",
    # code
    "```python\nx = 1\n\n# no heading\n```",
    "~~~\n**not bold**\n~~~",
    "```\nunclosed",
    "    indented\n\n      code",
    "- ```\n  in a list\n  ```",
    "   ```\n   three blanks\n  two\n ```",
    "``` `` not a fence",
    # tables
    "| a | b |\n|---|:-:|\n| 1 | **2** |\n| 3 |",
    "a | b\n-|-\n\\| x | `y`\n | *z*",
    "| h |\n|---|\n| too | many | cells |",
    "> | q | r |\n> |---|---|\n> | *1* | 2 |",
    "- | q | r |\n  |---|---|\n  | 1 | __2__ |",
    "| esc\\|aped **bold** | [l](/u\\|v) |\n|-|-|\n| **a\\|b** c | d |",
    # HTML, comments, references
    "<div>\nhtml **raw**\n</div>",
    "<!-- comment -->",
    "<!-- comment\n\nover lines -->",
    "<!-- a --> visible",
    "text <!-- inline --> text",
    "<pre>\n\n  kept\n\n</pre>",
    "a<br>b<br/>c",
    "[ref]: /url 'Title'",
    "[^1]: footnote words",
    "[^note]: [a *link*](/u)\nand words",
    "![alone](i.png)\n[![linked](i.png)](/u)",
    "[a\nb]: /u",
    "[ref] [text][ref] [^1] ![alt *x*][ref]",
    "[link *em*](/u 'title words') ![image](i.png) [](/empty) <http://auto.link>",
    "**[bold link](/u)** and [**x**\nbroken](/u\n'over lines') end.",
    "> [in a\n> quote](/u\n> 'title')",
    # emphasis
    "***a** b*",
    "***a* b**",
    "**bold.** Next sentence. *Last one.*",
    "** not bold ** * not em *",
    "**unbalanced",
    "_under_ __strong__ snake_case_word",
    "**a\nb** c",
    "\\*escaped\\* &amp; `**code**`",
    "*a**b**c*",
    "***all***",
    "__**both**__.",
    # sentences
    "It has 5.2 mcg. Dr. Who said so, e.g. twice! Really? (Yes.) \u201cQuoted.\u201d End",
    "One.Two.Three",
    "word " * 60,
    "a.b_c-" * 40,
    "Sentence number one is here. " * 12,
    "- " + "An item that is very long. " * 12,
    "| long | row |\n|-|-|\n| " + "cell words " * 30 + "| x |",
    # characters
    "\u03b1-lipoic \u00e9t\u00e9 e\u0301 \U0001f600 \u4e2d\u6587\u3002\u53e5\u5b50\u3002",
    "\u05e9\u05dc\u05d5\u05dd **\u05e2\u05d5\u05dc\u05dd**. \u0627\u0644\u0633\u0644\u0627\u0645\u061f",
    "\u3000**wide blank**\u3000",
    "\u3000\n**after a wide line**",
    "\x0c",
    "page\x0cbreak **b**",
    "line\u2028separator **b**",
    "next\x85line \x1c**b**",
    "nul \x00 **b**",
    "\ufeff# mark",
    "---",
    "* * *",
    "",
    "trailing  \nbreak\\\nhere",
    "\t",
    "  \t ",
]
_JOINTS = [
    "\n\n",
    "\n",
    "\r\n",
    "\r",
    "\r\n\r\n",
    "\n\n\n",
    " ",
    "",
    "\n> ",
    "\n  ",
    "\n    ",
    "\n- ",
    "\n\t",
]
_CHARACTERS = st.sampled_from(list("ab1.!?# *_`~->|[]()<:\\/\t\n\r=+&;\"'\x0c\ufeff\u3000\u00e9\U0001f600"))


_FRONT_MATTER = [
    "---\ntitle: Tea\n---\n",
    "--- \t\n# a comment, no heading\n\t# and another\n'title': \"# **Tea**\"\nreviewed: 2025-03-01\n---\t\n",
    "---\nnote: |\n  # No heading\n\n  - no item **not bold** [ref]: /u\n\n  | a |\n  |---|\n...\n",
    "---\nsource: >\n  ```\n  no code\nkind: <div>\n---\n",
]
front_matters: st.SearchStrategy[str] = st.builds(
    lambda mark, text, line_end: mark + text.replace("\n", line_end),
    st.sampled_from(["", "\ufeff"]),
    st.sampled_from(_FRONT_MATTER),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


@st.composite
def _joined(draw: st.DrawFn) -> str:
    pieces = draw(
        st.lists(st.one_of(st.sampled_from(_FRAGMENTS), st.text(_CHARACTERS, max_size=12)), max_size=9)
    )
    text = draw(st.sampled_from(["", "", "", "\ufeff", "\n", " ", "---\n", *_FRONT_MATTER]))
    for piece in pieces:
        text += draw(st.sampled_from(["", "", "", "> ", "- ", "1. ", "    ", "\t"])) + piece
        text += draw(st.sampled_from(_JOINTS))
    if draw(st.booleans()):
        text = text.replace("\n", draw(st.sampled_from(["\r\n", "\r"])))
    return text


def _readable(text: str) -> bool:
    """Whether its front matter, if any, is sound: otherwise a document is refused whole."""
    try:
        read_front_matter(text, "any.md")
    except YamlError:
        return False
    return True


markdown_texts: st.SearchStrategy[str] = st.one_of(_joined(), st.text(_CHARACTERS), st.text()).filter(
    _readable
)
