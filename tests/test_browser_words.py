"""The chat in a real browser: it shows every word of a document, and no word of it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from chromium import listening
from conftest import HashingEncoder, serving
from playwright.sync_api import Browser, Dialog, expect
from visiting import (
    IN_A_BROWSER,
    Visit,
    plain_quotes,
    served,
    shown_quotes,
    visit,
    words_of,
)

from b12qa import answering, rendering
from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.index import open_index
from b12qa.records import (
    Answer,
    BlockKind,
    EditorNote,
    Excerpt,
    NoteKind,
    Passage,
    Quote,
)
from b12qa.retrieval import Retriever
from b12qa.web.page import build_app
from b12qa.web.settings import Settings

pytestmark = IN_A_BROWSER


# Every word.


def test_a_sentence_asked_as_a_question_comes_back_as_its_own_quote(
    chat: Visit, assistant: Assistant
) -> None:
    """Every second four sentences; `test_answering` asks all of them, without a page."""
    index = assistant.retriever.index
    assert len(index.sentences) == 115
    for number, sentence in enumerate(index.sentences):
        if number // 4 % 2:
            continue
        document = index.documents[sentence.document]
        words = words_of(document, sentence)
        before = [words_of(document, s) for s in index.sentences[number - number % 4 : number]]
        answer = chat.ask(words)
        expected = assistant.ask(words, before)
        quotes = expected.quotes
        assert shown_quotes(answer) == plain_quotes(expected), words
        own = next(q for q in expected.found if q.start <= sentence.start and sentence.end <= q.end)
        assert own.text == document.text[own.start : own.end]
        figure = answer.locator("figure.quote").nth(quotes.index(own))
        assert words in figure.locator("mark").evaluate_all("all => all.map(one => one.textContent)"), words
        if number % 4 == 3:  # a short conversation is as fast as a new one
            chat.start_over()


def test_article_panel_shows_every_sentence_exactly(chat: Visit, assistant: Assistant) -> None:
    shown = chat.page.locator("#articles .sentence").evaluate_all(
        "all => Object.fromEntries(all.map(one => [one.id, one.textContent]))"
    )
    index = assistant.retriever.index
    assert shown == {
        rendering.section_anchor(index.documents[s.document].name, s.start): words_of(
            index.documents[s.document], s
        )
        for s in index.sentences
    }


def test_article_panel_shows_every_passage_exactly(chat: Visit, assistant: Assistant) -> None:
    index = assistant.retriever.index
    shown = chat.page.locator("#articles .passage").evaluate_all(
        "all => Object.fromEntries(all.map(one => [one.id, one.textContent]))"
    )
    expected = {}
    for chunk in index.chunks:
        document = index.documents[chunk.document]
        excerpt = Excerpt(
            document.text[chunk.start : chunk.end],
            chunk.start,
            chunk.end,
            document.markup.within(chunk.start, chunk.end),
        )
        expected[rendering.passage_anchor(document.name, excerpt)] = rendering.plain(excerpt)
    assert shown == expected


@dataclass(frozen=True)
class NotedAssistant(Assistant):
    """Has an editor's note on every quote, in the words of the question."""

    def ask_with_more(self, question: str, *args: Any, **named: Any) -> tuple[Answer, tuple[Quote, ...]]:
        answer, more = Assistant.ask_with_more(self, question, *args, **named)
        quotes = tuple(
            replace(
                quote, notes=(EditorNote(kind, question, question, question, "", quote.start, quote.end),)
            )
            for quote, kind in zip(answer.quotes, (*NoteKind, *NoteKind), strict=False)
        )
        return replace(answer, quotes=quotes), more


# Text that a page might change.

HOSTILE = """# <b>Bold</b> & `code` $x$ {{title}}

A sentence with <script>alert(1)</script> in it. One with ![x](https://example.invalid/a.png) in it.
One with &amp; and &lt;b&gt; and &#65; in it. One with $$x$$ and \\(y\\) and `${1+1}` in it.

Plain _x_ and **bold** and ~~struck~~ and ~5~ in it. A smile 🙂 and a family 👩‍👩‍👧 and é in it.
Some {{braces}} and __i18n__ and [^1]: a note and https://example.invalid/ in it.

<img src="https://example.invalid/b.png" onerror="document.title='changed'">

```python
    leading = blanks

\tand\ttabs   with   gaps
if a < b and c > d: print("*not* emphasis")
```

> A quoted line with	a tab
> and a second line in it.

- an item with <i>marks</i> in it

| name | value |
|------|-------|
| <u>cell</u> | `two` |
"""


@pytest.fixture(scope="module", params=["alone", "beside another"])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    """Alone, the article is sent with the page and drawn by Gradio; beside another, it is fetched."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "corpus").mkdir()
    (folder / "corpus" / "hostile & <odd> name.md").write_bytes(HOSTILE.encode())
    if request.param == "beside another":
        (folder / "corpus" / "second.md").write_text("# Second\n\nAnother document stands here too.\n")
    with pytest.MonkeyPatch.context() as patch:
        for function in ("find_model", "load_encoder"):
            patch.setattr(
                answering, function, lambda *_, **__: HashingEncoder(dimension=1024, max_tokens=256)
            )
        return Assistant.load(folder / "index", corpus=folder / "corpus", build=True)


def test_hostile_document_is_shown_character_by_character(browser: Browser, hostile: Assistant) -> None:
    index = hostile.retriever.index
    is_alone = len(index.documents) == 1
    with served(hostile) as address, visit(browser, address, contents=is_alone) as chat:
        panel = chat.page.locator("#articles")
        if not is_alone:
            chat.page.get_by_role("button", name="Show all articles").click()
            panel.locator("ul.list a").first.click()
        name = "<b>Bold</b> & `code` $x$ {{title}}"
        expect(panel.get_by_role("heading", name=name)).to_have_count(1)
        for sentence in index.sentences:
            document = index.documents[sentence.document]
            anchor = rendering.section_anchor(document.name, sentence.start)
            shown = panel.locator(".sentence").evaluate_all(
                "(all, id) => all.filter(one => one.id === id).map(one => one.textContent)", anchor
            )
            if sentence.document == 0 and index.chunks[sentence.chunk].kind is not BlockKind.TABLE_ROW:
                assert shown == [words_of(document, sentence)]
        code = (panel.locator("pre").nth(1).text_content() or "").split("\n")
        assert code[:3] == ["    leading = blanks", "", "\tand\ttabs   with   gaps"]
        assert panel.locator("td").evaluate_all("all => all.map(one => one.textContent)") == [
            "<u>cell</u>",
            "`two`",
        ]
        for sentence in index.sentences:
            words = words_of(index.documents[sentence.document], sentence)
            answer = chat.ask(words)
            quotes: tuple[Passage, ...] = hostile.ask(words.strip()).quotes
            quotes = tuple(quote for quote in quotes if quote.kind is not BlockKind.TABLE_ROW)
            shown = answer.locator("figure.quote :not(tbody).words").all_text_contents()
            assert shown == [rendering.plain(quote) for quote in quotes]
            assert chat.page.locator("#conversation .b12qa.question").last.text_content() == words.strip()
            chat.start_over()
        if not is_alone:
            chat.ask("Another document stands here too.")
            expect(panel.get_by_text("Another document stands here too.")).to_have_count(1)
        expect(chat.page).to_have_title("Ask the article")
        expect(chat.page.locator("img, script[src*='invalid'], .katex")).to_have_count(0)


def test_hostile_question_is_shown_as_typed(chat: Visit) -> None:
    question = "<img src=x onerror=alert(1)> ![x](https://example.invalid/a.png)  _b12_ $$x$$ &amp; ${1}"
    chat.ask(question)
    assert chat.page.locator("#conversation .b12qa.question").text_content() == question
    expect(chat.page.locator("#conversation img")).to_have_count(0)


# What might run.

MARKS = (
    "<script>{run}</script>",
    "<img src=x onerror={run}>",
    "<svg onload={run}>",
    "<svg><script>{run}</script></svg>",
    "<iframe srcdoc='<script>{run}</script>'></iframe>",
    "<iframe src=javascript:{run}></iframe>",
    "<a href=javascript:{run}>press</a>",
    "[press](javascript:{run})",
    "![x](https://example.invalid/{n}.png)",
    "<img src=//example.invalid/{n}.png>",
    "<link rel=stylesheet href=//example.invalid/{n}.css>",
    "<style>@import '//example.invalid/{n}.css';</style>",
    "<body onload={run}>",
    "<details open ontoggle={run}><summary>x</summary></details>",
    "<video><source onerror={run}></video>",
    "<input autofocus onfocus={run}>",
    "<form action=javascript:{run}><button>x</button></form>",
    "<math><mtext><table><mglyph><style><img src onerror={run}>",
    "<noscript><p title='</noscript><img src=x onerror={run}>'>",
    "<template><script>{run}</script></template>",
    "<object data=javascript:{run}></object>",
    "<embed src=//example.invalid/{n}>",
    "<base href=//example.invalid/>",
    "<meta http-equiv=refresh content='0;url=//example.invalid/'>",
    "'\"><img src=x onerror={run}>",
    "</textarea><script>{run}</script>",
    "</p></blockquote></figure><script>{run}</script>",
    "&lt;script&gt;{run}&lt;/script&gt;",
    "&#60;img src=x onerror={run}&#62;",
    "${{{run}}} {{{{{run}}}}} <%= {run} %>",
    "$$\\href{{javascript:{run}}}{{x}}$$",
    "<div style=background:url(//example.invalid/{n})>x</div>",
    "<span class='place sentence' id=b12qa-said onclick={run}>x</span>",
    "<button type=button class=ask onclick={run}>x</button>",
)
WAYS: tuple[Callable[[str], str], ...] = (str, str.upper, lambda mark: f"x {mark} y")
PAYLOADS = [
    way(mark.format(run=f"window.ran={number}", n=number))
    for number, (way, mark) in enumerate((way, mark) for way in WAYS for mark in MARKS)
][:100]


def test_a_hundred_payloads_run_nothing_and_fetch_nothing_wherever_they_stand(
    browser: Browser, tmp_path: Path
) -> None:
    """In a question, a paragraph, a heading, an editor's note and the name of a file."""
    assert len(PAYLOADS) == 100
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, payload in enumerate(PAYLOADS):
        name = f"{number} {payload.replace('/', ' ')}"
        sentence = f"Passage number{number} says {payload} here."
        (corpus / f"{name}.md").write_text(f"# Heading {payload}\n\n{sentence}\n")
    build_index(read_corpus(corpus), HashingEncoder(dimension=512, max_tokens=256), tmp_path / "index")
    encoder = HashingEncoder(dimension=512, max_tokens=256)
    assistant = NotedAssistant(Retriever(open_index(tmp_path / "index"), encoder))
    dialogs: list[str] = []

    def dismissed(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    app = build_app(serving(assistant), settings=Settings(rate=0))
    with listening(app) as address, visit(browser, address, contents=False) as chat:
        chat.page.on("dialog", dismissed)
        for number in range(len(PAYLOADS)):
            chat.page.get_by_role("button", name="Show all articles").click()
            expect(chat.page.locator("#articles ul.list a")).to_have_count(len(PAYLOADS))
            title = chat.page.locator("#articles ul.list a").nth(number).text_content() or ""
            chat.page.locator("#articles ul.list a").nth(number).click()
            expect(chat.page.locator("#articles article h2")).to_have_text(title)
        for first in range(0, len(PAYLOADS), 5):
            question = f"Passage number{first} says {' '.join(PAYLOADS[first : first + 5])}"[:500]
            chat.ask(question)
            assert chat.page.locator("#conversation .b12qa.question").last.text_content() == question.strip()
        chat.page.locator("#conversation button.copy").first.click()
        chat.page.get_by_role("button", name="Show all articles").click()
        expect(chat.page.locator("#articles ul.list")).to_be_visible()
        chat.page.get_by_label("Find in this list").fill("<img")
        expect(chat.page.locator("#reading .count")).to_contain_text("Match 1 of")
        with chat.page.expect_download() as download:
            chat.page.get_by_role("button", name="Save this conversation").click()
        assert chat.page.evaluate("window.ran") is None
        made = "#conversation, #articles, #reading"
        foreign = ":is(script, img, iframe, object, embed, style, link, base, video, form, svg)"
        assert chat.page.locator(made).locator(f".b12qa {foreign}").count() == 0
        saved = browser.new_page()
        saved.on("request", lambda request: chat.requests.append(request.url))
        download.value.save_as(tmp_path / "saved.html")
        saved.goto((tmp_path / "saved.html").as_uri())
        assert saved.evaluate("window.ran") is None
        chat.requests[:] = [url for url in chat.requests if not url.startswith("file:")]
        saved.close()
    assert dialogs == []
