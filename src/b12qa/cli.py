"""The command line: parse, call, print."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import HEAVY
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import Progress
from rich.text import Text

from b12qa import __version__, rendering, safety
from b12qa.errors import B12qaError, MissingIndexError, StaleIndexError
from b12qa.records import Answer, CareCard, CareLevel, Excerpt, Notice, NoticeKind, Outcome, Passage, Span

if TYPE_CHECKING:
    from b12qa.answering import Assistant

EXIT_CODES = """\
Exit codes: 0 done (any outcome of a question is a success) · 1 the index is missing or stale ·
2 something is damaged or invalid, or the command was called wrongly."""

app = typer.Typer(
    name="b12qa",
    help=f"Ask an article, get its own words.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

IndexOption = Annotated[
    Path, typer.Option("--index", envvar="B12QA_INDEX", help="Folder of the index.", show_default=True)
]
CorpusOption = Annotated[
    Path | None,
    typer.Option(
        "--corpus",
        envvar="B12QA_CORPUS",
        help="Folder of Markdown documents. [default: corpus beside the index]",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        envvar="B12QA_MODEL",
        help="Folder of a sentence-transformers model, or owner/name@commit. [default: the packaged model]",
    ),
]
DEFAULT_INDEX = Path("index")


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"b12qa {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Ask an article, get its own words."""


@app.command(epilog=EXIT_CODES)
def build(index: IndexOption = DEFAULT_INDEX, corpus: CorpusOption = None, model: ModelOption = None) -> None:
    """Build the index from the corpus, and make it current.

    The same corpus, settings and model give the same generation: a second build does nothing.
    """
    with _reported_errors():
        from b12qa.answering import corpus_folder
        from b12qa.corpus import read_corpus
        from b12qa.embedding import load_encoder
        from b12qa.index import build_index

        started = time.perf_counter()
        sources = read_corpus(corpus_folder(index, corpus))
        with errors.status("Loading the model"):
            encoder = load_encoder(model, allow_download=True)
        with Progress(console=errors, transient=True) as progress:
            task = progress.add_task("Embedding", total=None)
            report = build_index(
                sources,
                encoder,
                index,
                lambda done, total: progress.update(task, completed=done, total=total),
            )
        seconds = time.perf_counter() - started
        for problem in report.problems:
            errors.print(str(problem), soft_wrap=True, markup=False)
        done = (
            f"embedded {report.embedded} texts" if report.embedded else "nothing to do, it was there already"
        )
        console.print(
            f"Generation {report.generation} is current: {report.documents} "
            f"{'document' if report.documents == 1 else 'documents'}, {report.sections} sections, "
            f"{report.chunks} passages, {report.sentences} sentences, {report.questions} answered and "
            f"{report.open_questions} open questions; {done} "
            f"({seconds:.1f} s, model {encoder.name}).",
            soft_wrap=True,
        )


@app.command(epilog=EXIT_CODES)
def check(
    index: IndexOption = DEFAULT_INDEX,
    corpus: CorpusOption = None,
    model: ModelOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    bank: Annotated[
        bool, typer.Option("--bank", help="Also list bank questions that lead elsewhere when left out.")
    ] = False,
) -> None:
    """Look for damage in the corpus and in the index, and say whether the index is up to date."""
    with _reported_errors():
        from b12qa.answering import corpus_folder
        from b12qa.checking import check_corpus, check_index, stray_questions
        from b12qa.corpus import Severity

        folder = corpus_folder(index, corpus)
        problems = check_corpus(folder, model)
        for problem in problems:
            errors.print(str(problem), soft_wrap=True, markup=False)
        invalid = any(problem.severity is Severity.ERROR for problem in problems)
        if invalid or (strict and problems):
            raise typer.Exit(2)
        opened = check_index(index, folder, model)
        if bank:
            strays = list(stray_questions(opened))
            for question, nearest in strays:
                console.print(
                    f"leads elsewhere: {question!r}, nearest {nearest!r}", soft_wrap=True, markup=False
                )
            console.print(f"{len(strays)} of {len(opened.questions)} bank questions lead elsewhere.")
        console.print(
            f"{index} is sound and up to date: generation {opened.generation}, "
            f"{len(opened.chunks)} passages, model {opened.model_name}.",
            soft_wrap=True,
        )


@app.command(epilog=EXIT_CODES)
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    index: IndexOption = DEFAULT_INDEX,
    corpus: CorpusOption = None,
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="At most so many quotes.")] = 3,
    history: Annotated[
        list[str] | None, typer.Option("--history", help="An earlier question; repeat it, oldest first.")
    ] = None,
) -> None:
    """Ask one question."""
    with _reported_errors(), _care_first(question, history or (), errors if as_json else console):
        assistant = _load(index, corpus, model)
        answer = assistant.ask(question, history or (), max_quotes=top_k)
        if as_json:
            sys.stdout.write(json.dumps(answer.to_dict(), ensure_ascii=False, indent=2) + "\n")
        else:
            console.print(_answer(answer))


@app.command(epilog=EXIT_CODES)
def chat(
    index: IndexOption = DEFAULT_INDEX,
    corpus: CorpusOption = None,
    model: ModelOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is this machine only.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 7860,
    build_first: Annotated[
        bool, typer.Option("--build", help="Build the index first when it is missing, stale or damaged.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Start the web chat."""
    with _reported_errors():
        from b12qa.web import serve

        serve(
            index=index,
            corpus=corpus,
            model=model,
            host=host,
            port=port,
            build=build_first,
            open_browser=open_browser,
        )


@app.command(epilog=EXIT_CODES)
def evaluate(
    questions: Annotated[
        list[Path], typer.Option("--questions", help="JSON Lines of questions; repeat it for several files.")
    ],
    index: IndexOption = DEFAULT_INDEX,
    corpus: CorpusOption = None,
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    compare: Annotated[
        Path | None, typer.Option(help="Output of an earlier --json: show gains, losses and flips.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the risk-coverage curve into this file.")] = None,
    worst: Annotated[int, typer.Option(help="How many of the worst questions to list.", min=0)] = 10,
    typos: Annotated[
        int | None, typer.Option(help="Make one typo in every question, drawn with this seed.")
    ] = None,
) -> None:
    """Measure what is found, shown, and left unanswered."""
    with _reported_errors():
        from b12qa import evaluation

        rows = [row for path in questions for row in evaluation.read_questions(path)]
        if typos is not None:
            rows = evaluation.with_typos(rows, typos)
        before = evaluation.read_results(compare) if compare else None
        assistant = _load(index, corpus, model)
        with Progress(console=errors, transient=True) as progress:
            task = progress.add_task("Asking", total=len(rows))
            found = evaluation.evaluate(
                assistant, rows, lambda done, total: progress.update(task, completed=done, total=total)
            )
        if plot:
            evaluation.plot_risk_coverage(found, plot)
        if as_json:
            sys.stdout.write(json.dumps(found.to_dict(), ensure_ascii=False, indent=1) + "\n")
        else:
            console.print(evaluation.report(found, worst), soft_wrap=True, markup=False)
        if before is not None:
            lines = evaluation.differences(before, found.results)
            (errors if as_json else console).print("\n".join(lines), soft_wrap=True, markup=False)


@contextmanager
def _reported_errors() -> Iterator[None]:
    """Turn what can go wrong into one line and an exit code."""
    try:
        yield
    except (MissingIndexError, StaleIndexError) as error:
        errors.print(f"b12qa: {error}", soft_wrap=True, markup=False)
        raise typer.Exit(1) from error
    except (B12qaError, OSError) as error:
        errors.print(f"b12qa: {error}", soft_wrap=True, markup=False)
        raise typer.Exit(2) from error


@contextmanager
def _care_first(question: str, history: Sequence[str], to: Console) -> Iterator[None]:
    """Show the card for a red flag even if there is no answer."""
    try:
        yield
    except Exception:
        card = safety.care_card(question, history)
        if card is not None:
            to.print(Group(_card(card), _notice(safety.disclaimer())))
        raise


def _load(index: Path, corpus: Path | None, model: str | None) -> Assistant:
    from b12qa.answering import load

    with errors.status("Loading the index and the model"):
        return load(index, corpus=corpus, model=model)


# Answers in a terminal.

_OUTCOME_STYLES = {
    Outcome.ANSWERED: "bold green",
    Outcome.RELATED: "bold yellow",
    Outcome.NOT_COVERED: "bold",
    Outcome.URGENT: "bold red",
}


_CARE_STYLES = {CareLevel.EMERGENCY: "bold red", CareLevel.URGENT: "red", CareLevel.SOON: "yellow"}


def _answer(answer: Answer) -> RenderableType:
    label = Text(rendering.OUTCOME_WORDS[answer.outcome], style=_OUTCOME_STYLES[answer.outcome])
    card = [] if answer.care_card is None else [_card(answer.care_card)]
    parts: list[RenderableType] = [label, *card] if answer.outcome is Outcome.URGENT else [*card, label]
    parts += [_notice(n) for n in answer.notices if n.kind not in (NoticeKind.CARE, NoticeKind.DISCLAIMER)]
    parts += [_passage(quote) for quote in answer.quotes]
    parts += [_notice(n) for n in answer.notices if n.kind is NoticeKind.DISCLAIMER]
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def _card(card: CareCard) -> Panel:
    title, *body = safety.care_notice(card).text.split("\n")
    words = Text("\n").join([Text(body[0], style="bold"), *map(Text, body[1:])])
    return Panel(words, title=Text(title), title_align="left", box=HEAVY, style=_CARE_STYLES[card.level])


def _passage(passage: Passage) -> RenderableType:
    words = Text("\n").join(
        [_excerpt(e, ()) for e in passage.context] + [_excerpt(passage, passage.highlights)]
    )
    where = Text(rendering.section_words(passage.section_path, passage.title), style="dim")
    return Group(Padding(words, (0, 0, 0, 2)), Padding(where, (0, 0, 0, 2)))


def _excerpt(excerpt: Excerpt, highlights: tuple[Span, ...]) -> Text:
    text = Text()
    for words, marked in rendering.marked_words(excerpt, highlights):
        text.append(words, style="bold underline" if marked else "")
    return text


def _notice(notice: Notice) -> Text:
    style = "italic" if notice.kind is NoticeKind.DISCLAIMER else ""
    return Text(rendering.notice_text(notice), style=style)
