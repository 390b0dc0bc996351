"""The command line: parse, call, print."""

from __future__ import annotations

import errno
import gc
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource
from rich.console import Console, Group, RenderableType
from rich.text import Text

from b12qa import __version__, rendering, safety
from b12qa.errors import B12qaError, MissingIndexError, ModelMismatchError, QueryError, StaleIndexError
from b12qa.plain import advice_to_build, in_bytes
from b12qa.terminal import build_lines, export_line, shown_answer, shown_card, shown_notice
from b12qa.web.settings import (
    DEFAULT_BURST,
    DEFAULT_MAX_WAITING,
    DEFAULT_RATE,
    ForwardedHeader,
    read_settings,
)

if TYPE_CHECKING:
    from b12qa.answering import Assistant
    from b12qa.corpus import Corpus, Sources
    from b12qa.embedding import Encoder
    from b12qa.progress import Progress
    from b12qa.reviewing import Review

EXIT_CODES = """\
Exit codes: 0 done (any outcome of a question is a success) · 1 the index is missing or stale ·
2 something is damaged or invalid, or the command was called wrongly ·
3 an edit loses more answers, or notes and warnings beside them, than --max-lost allows ·
130 stopped by Ctrl-C · 141 whoever read the output stopped reading."""


class Output(Console):
    """A stream that ends the command quietly where nobody reads on, as `head` does not after its lines."""

    def on_broken_pipe(self) -> None:
        _end_unread()


stdout = Output(highlight=False, markup=False, emoji=False)
stderr = Output(stderr=True, highlight=False, markup=False, emoji=False)

TOO_MANY_LOST = 3
STOPPED = 130  # what shells say of a command that an interrupt ended
UNREAD = 141  # what shells say of a command that wrote into a closed pipe
FIRST_TURN_MS = 200

# A path, which need not exist: what is wrong with it is said by what opens it.
PATH = click.Path(path_type=Path)
AT_LEAST_0 = click.IntRange(min=0)


class IndexFolder(click.ParamType[Path]):
    """A path that an empty text leaves at its default, and that is no file."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        from b12qa.folders import index_folder

        try:
            return index_folder(value)
        except QueryError as error:
            self.fail(str(error), param, ctx)


class CorpusFolder(click.Path):
    """A path, or nothing: an empty text names none, as in `b12qa.load`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(value, param, ctx) if value else None


option = partial(click.option, show_envvar=True)
index_option = option(
    "--index", type=IndexFolder(), default="index", envvar="B12QA_INDEX", help="Folder of the index."
)
corpus_option = option(
    "--corpus",
    type=CorpusFolder(path_type=Path),
    envvar="B12QA_CORPUS",
    help="Folder of Markdown documents. [default: corpus beside the index, or else here]",
)
model_option = option(
    "--model",
    envvar="B12QA_MODEL",
    help="Folder of a sentence-transformers model, or owner/name@commit. [default: the packaged model]",
)
questions_option = option(
    "--questions",
    type=PATH,
    multiple=True,
    help="Also ask these evaluation questions (JSON Lines); repeatable.",
)
max_lost_option = option(
    "--max-lost",
    type=AT_LEAST_0,
    help="Fail if more questions than this are treated wrongly after, or lack a note or warning they had.",
)
show_option = option("--show", type=AT_LEAST_0, default=10, help="How many questions of a kind to list.")
json_option = option("--json", "as_json", is_flag=True, help="Print everything as JSON.")


class Commands(click.Group):
    """Commands that Ctrl-C ends with a line of ours, and a closed pipe without one."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        with _ended_unread():  # it prints the help
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> object:
        try:
            with _ended_unread():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            stderr.print("b12qa: stopped by Ctrl-C, before it was done.")
            raise click.exceptions.Exit(STOPPED) from error


@contextmanager
def _ended_unread() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _end_unread()


def _end_unread() -> NoReturn:
    """End the process without a word, and let what is still to be written go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream of a test is no file
            os.dup2(nowhere, stream.fileno())
    raise SystemExit(UNREAD)


def _write(text: str) -> None:
    """Write a text and a line end to stdout as they are, not broken into lines."""
    with _ended_unread():
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


# Not typer, whose import of pydantic took a quarter of the time from the start to an answer.
@click.group(
    "b12qa",
    cls=Commands,
    help=f"Ask an article, get its own words.\n\n{EXIT_CODES}",
    context_settings={"show_default": True},
    no_args_is_help=True,
)
@click.version_option(
    __version__, prog_name="b12qa", message="%(prog)s %(version)s", help="Print the version."
)
def app() -> None:
    """Ask an article, get its own words."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter gets its number
            stream.reconfigure(errors="backslashreplace")


@app.command(epilog=EXIT_CODES)
@index_option
@corpus_option
@model_option
@option("--review", is_flag=True, help="First say what the edit does to the answers, as `b12qa diff`.")
@questions_option
@max_lost_option
@show_option
@option("--watch", is_flag=True, help="Build again whenever a file of the corpus is saved.")
@option(
    "--index-type",
    default="auto",
    help="How near rows are found: auto (by their number), flat (all are compared), pq or ivf.",
)
@option(
    "--dask",
    envvar="B12QA_DASK",
    help="Address of a Dask scheduler whose workers embed the corpus, such as tcp://10.0.0.5:8786.",
)
def build(
    index: Path,
    corpus: Path | None,
    model: str | None,
    review: bool,
    questions: Sequence[Path],
    max_lost: int | None,
    show: int,
    watch: bool,
    index_type: str,
    dask: str | None,
) -> None:
    """Build the index from the corpus, and make it current.

    The same corpus, settings and model give the same generation: a second build does nothing. Texts that
    an earlier generation holds are not embedded again, nor those that a killed build had done, in whole
    parts of 4,096. With --max-lost, an edit that loses more answers, or notes and warnings beside them,
    leaves the old generation current.
    """
    encoders_once = cache(partial(_encoders, model, dask))  # a watch loads the model for its first build only

    def once() -> None:
        with _reported_errors():
            from b12qa.storage import locked

            with locked(index):  # before anything that takes time
                (sources, made), (encoder, spread) = _sources(index, corpus), encoders_once()
                if review or questions or max_lost is not None:
                    from b12qa.reviewing import review_edit

                    found = review_edit(index, made, spread, questions, _progress)
                    if found:
                        _print_review(found, show)
                        _check_lost(found, max_lost)
                _build(index, sources, made, encoder, spread, index_type)

    if not watch:
        once()
        return
    with suppress(KeyboardInterrupt), _reported_errors():
        _watch(_folder(index, corpus), once)


@app.command(epilog=EXIT_CODES)
@index_option
@corpus_option
@model_option
@questions_option
@max_lost_option
@show_option
@option("--previous", is_flag=True, help="Compare what is current with the generation before it.")
@json_option
def diff(
    index: Path,
    corpus: Path | None,
    model: str | None,
    questions: Sequence[Path],
    max_lost: int | None,
    show: int,
    previous: bool,
    as_json: bool,
) -> None:
    """Say what an edit of the corpus does to the answers, before anyone sees it.

    The questions of the banks, and of the evaluation sets that are named, are asked of the current
    generation and of the one that a build would make. Nothing becomes current.
    """
    with _reported_errors():
        from b12qa.corpus import Severity
        from b12qa.reviewing import review_edit

        encoder = _encoder(model)
        sources = None if previous else _sources(index, corpus)[1]
        found = review_edit(index, sources, encoder, questions, _progress)
        if found is None:
            stdout.print("There is nothing to compare: the corpus is what was built, or nothing was.")
            return
        if as_json:
            _write(found.to_json())
        else:
            _print_review(found, show)
        if any(problem.severity is Severity.ERROR for problem in found.hanging):
            stderr.print(
                "b12qa: a build would refuse this edit. Mend what is named as an error.", soft_wrap=True
            )
            raise click.exceptions.Exit(2)
        _check_lost(found, max_lost)


@app.command(epilog=EXIT_CODES)
@index_option
@corpus_option
def rollback(index: Path, corpus: Path | None) -> None:
    """Serve the generation before the current one again.

    It is served, though older than the corpus, until the next build. The corpus is not read, only named in
    the command that builds it.
    """
    with _reported_errors():
        from b12qa.building import roll_back
        from b12qa.engines import configured_store
        from b12qa.publishing import publisher

        store = configured_store()
        with _progress("Sending to the engine", visible=store is not None) as on_progress:
            earlier = roll_back(index, publisher(store, on_progress))
        said = (
            f"Generation {earlier.generation} is current again: {len(earlier.chunks)} passages, model "
            f"{earlier.model_name}. It is served until the next build. "
            "Mend the corpus, then run: b12qa build"
        )
        stdout.print(_with_folders(said), soft_wrap=True)


@app.command(epilog=EXIT_CODES)
@index_option
@corpus_option
@model_option
@option("--strict", is_flag=True, help="Warnings count as errors.")
@option("--bank", is_flag=True, help="Also list bank questions that lead elsewhere when left out.")
def check(index: Path, corpus: Path | None, model: str | None, strict: bool, bank: bool) -> None:
    """Look for damage in the corpus and in the index, and say whether the index is up to date."""
    with _reported_errors():
        from b12qa.checking import check_corpus, check_index, stray_questions
        from b12qa.corpus import Severity, make_corpus, read_sources

        sources = read_sources(_folder(index, corpus))
        problems = check_corpus(sources, model)
        for problem in problems:
            stderr.print(str(problem), soft_wrap=True)
        invalid = any(problem.severity is Severity.ERROR for problem in problems)
        if invalid or (strict and problems):
            raise click.exceptions.Exit(2)
        opened = check_index(index, make_corpus(sources), model)
        if bank:
            strays = list(stray_questions(opened))
            for question, nearest in strays:
                stdout.print(f"leads elsewhere: {question!r}, nearest {nearest!r}", soft_wrap=True)
            stdout.print(f"{len(strays)} of {len(opened.questions)} bank questions lead elsewhere.")
        stdout.print(
            f"{index} is sound and up to date: generation {opened.generation}, "
            f"{len(opened.chunks)} passages, model {opened.model_name}.",
            soft_wrap=True,
        )


@app.command("import", epilog=EXIT_CODES)
@click.argument("file", type=PATH, help="A .docx, .html or .pdf file on this machine.")
@index_option
@corpus_option
@option("--name", help="Name of the document. [default: that of the file]")
@option("--force", is_flag=True, help="Replace a document of this name.")
def import_(file: Path, index: Path, corpus: Path | None, name: str | None, force: bool) -> None:
    """Convert a Word, web or PDF file into Markdown in the corpus: a draft to be read before it is built."""
    with _reported_errors():
        from b12qa.importing import import_file

        written = import_file(file, _folder(index, corpus), name, force=force)
        advice = (
            f"Wrote {written}, a draft. Read it beside {file.name}, tables above all, and mend it; "
            "take the line 'draft: true' out, then run: b12qa build"
        )
        stdout.print(_with_folders(advice), soft_wrap=True)


class AskCommand(click.Command):
    """A command whose words may hold a red flag even if it is called wrongly."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # What has a space in it is no option, whatever it begins with.
        typed = " ".join(word for word in args if " " in word or not word.startswith("-"))
        to = stderr if "--json" in args else stdout
        try:
            return super().parse_args(ctx, args)
        except click.UsageError:
            _print_without_answer(typed, (), to)
            raise


@app.command(cls=AskCommand, epilog=EXIT_CODES)
@click.argument("question", help="What you want to know.")
@index_option
@corpus_option
@model_option
@option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@option("--top-k", type=click.IntRange(min=1), default=3, help="At most so many quotes.")
@option("--history", multiple=True, help="An earlier question; repeat it, oldest first.")
def ask(
    question: str,
    index: Path,
    corpus: Path | None,
    model: str | None,
    as_json: bool,
    top_k: int,
    history: Sequence[str],
) -> None:
    """Ask one question."""
    care_first = _care_first(question, history, stderr if as_json else stdout)
    with _reported_errors(), care_first, _without_garbage_collection():
        assistant = _load(index, corpus, model)
        answer = assistant.ask(question, history, max_quotes=top_k)
        if as_json:
            _write(json.dumps(answer.to_dict(), ensure_ascii=False, indent=2))
        else:
            stdout.print(shown_answer(answer))
            stdout.print(Text(rendering.introduction(assistant.documents), style="dim"))


@app.command(epilog=EXIT_CODES)
@index_option
@corpus_option
@model_option
@option(
    "--host",
    envvar="B12QA_HOST",
    default="127.0.0.1",
    help="Address to listen on; the default is this machine only.",
)
@option(
    "--port",
    envvar="B12QA_PORT",
    type=click.IntRange(0, 65535),
    default=7860,
    help="Port to listen on; 0 takes a free one.",
)
@option(
    "--build",
    "build_first",
    is_flag=True,
    help="Build the index first when it is missing, stale or damaged.",
)
@option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
@option(
    "--feedback",
    envvar="B12QA_FEEDBACK",
    type=PATH,
    help="Let people rate answers, and keep the questions that they rate in this file.",
)
@option(
    "--public-url",
    envvar="B12QA_PUBLIC_URL",
    default="",
    show_default=False,
    help="The address that people type, where a proxy stands in front.",
)
@option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    envvar="B12QA_TRUSTED_PROXIES",
    help="Address or network of a proxy that may say whose request it passes on; repeatable.",
)
@option(
    "--forwarded-header",
    type=click.Choice([header.value for header in ForwardedHeader]),
    default=ForwardedHeader.X_FORWARDED_FOR.value,
    callback=lambda _context, _option, value: ForwardedHeader(value),
    envvar="B12QA_FORWARDED_HEADER",
    help="Where those proxies write it.",
)
@option(
    "--embed-origin",
    "embed_origins",
    multiple=True,
    envvar="B12QA_EMBED_ORIGINS",
    help="A site that may show the chat in a frame; repeatable.",
)
@option(
    "--cors-origin",
    "cors_origins",
    multiple=True,
    envvar="B12QA_CORS_ORIGINS",
    help="A site whose scripts may read the HTTP API; repeatable.",
)
@option(
    "--password-file",
    type=PATH,
    envvar="B12QA_PASSWORD_FILE",
    help="Ask for the password in this file; B12QA_PASSWORD holds it itself.",
)
@option(
    "--metrics-from",
    multiple=True,
    envvar="B12QA_METRICS_FROM",
    help="Address or network that may read /metrics, besides this machine; repeatable.",
)
@option(
    "--rate",
    type=float,
    default=DEFAULT_RATE,
    envvar="B12QA_RATE",
    help="Questions a second and client; 0 sets no limit.",
)
@option("--burst", default=DEFAULT_BURST, envvar="B12QA_BURST", help="Questions of one client at once.")
@option(
    "--workers",
    default=0,
    envvar="B12QA_WORKERS",
    help="Questions worked on at once; 0 takes one for each core, at least 2.",
)
@option(
    "--max-waiting",
    default=DEFAULT_MAX_WAITING,
    envvar="B12QA_MAX_WAITING",
    help="Questions that may wait for a worker: so many of programs, and so many of the page.",
)
def chat(
    index: Path,
    corpus: Path | None,
    model: str | None,
    host: str,
    port: int,
    build_first: bool,
    open_browser: bool,
    feedback: Path | None,
    **operator: Any,  # what `read_settings` takes, by its names
) -> None:
    """Start the web chat, with the HTTP API and, if the extra b12qa[mcp] is installed, MCP beside it."""
    with _reported_errors():
        from b12qa.web.server import serve

        serve(
            index=index,
            corpus=corpus,
            model=model,
            host=host,
            port=port,
            build=build_first,
            open_browser=open_browser,
            feedback=feedback,
            settings=read_settings(host=host, **operator),
        )


@app.command(epilog=EXIT_CODES)
@index_option
@corpus_option
@model_option
def mcp(index: Path, corpus: Path | None, model: str | None) -> None:
    """Offer ask and search to one MCP client over standard input and output."""
    with _reported_errors():
        from b12qa.web.server import keep_words_out_of_logs
        from b12qa.web.surfaces import has_mcp

        if not has_mcp():
            raise B12qaError("The package that speaks MCP is missing. Run: pip install 'b12qa[mcp]'")
        from b12qa.web.mcp import serve_stdio

        safety.help_lines()  # a wrong region is reported before anybody needs it
        keep_words_out_of_logs()
        serve_stdio(_load(index, corpus, model))


@app.command(epilog=EXIT_CODES)
@option(
    "--questions",
    type=PATH,
    multiple=True,
    required=True,
    help="JSON Lines of questions; repeat it for several files.",
)
@index_option
@corpus_option
@model_option
@json_option
@option("--compare", type=PATH, help="Output of an earlier --json: show gains, losses and flips.")
@option("--plot", type=PATH, help="Draw the risk-coverage curve into this file.")
@option("--worst", type=AT_LEAST_0, default=10, help="How many of the worst questions to list.")
@option("--typos", type=AT_LEAST_0, help="Make one typo in every question, drawn with this seed.")
def evaluate(
    questions: Sequence[Path],
    index: Path,
    corpus: Path | None,
    model: str | None,
    as_json: bool,
    compare: Path | None,
    plot: Path | None,
    worst: int,
    typos: int | None,
) -> None:
    """Measure what is found, shown, and left unanswered."""
    with _reported_errors():
        from b12qa import evaluation

        rows = evaluation.read_question_sets(questions)
        if typos is not None:
            rows = evaluation.with_typos(rows, typos)
        before = evaluation.read_results(compare) if compare else None
        if plot:
            evaluation.blank_figure(plot)
        assistant = _load(index, corpus, model)
        with _progress("Asking") as on_progress:
            found = evaluation.evaluate(assistant, rows, on_progress)
        if as_json:
            _write(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
        else:
            stdout.print(evaluation.report(found, worst), soft_wrap=True)
        if before is not None:
            lines = evaluation.differences(before, found.results)
            (stderr if as_json else stdout).print("\n".join(lines), soft_wrap=True)
        if plot:  # last: what was measured has been printed, whatever goes wrong here
            evaluation.plot_risk_coverage(found, plot)


@app.command(epilog=EXIT_CODES)
@option("--out", type=PATH, default=Path("report.html"), help="The HTML file to write.")
@option(
    "--questions",
    type=PATH,
    multiple=True,
    help="JSON Lines of evaluation questions, all asked; repeat it for several files.",
)
@option("--feedback", type=PATH, help="JSON Lines of questions that readers left.")
@index_option
@corpus_option
@model_option
def report(
    out: Path,
    questions: Sequence[Path],
    feedback: Path | None,
    index: Path,
    corpus: Path | None,
    model: str | None,
) -> None:
    """Write one HTML page that shows an editor where the corpus has gaps, copies and loose ends."""
    with _reported_errors():
        from b12qa import evaluation
        from b12qa.feedback import read_feedback
        from b12qa.reporting import make_report, report_html
        from b12qa.storage import replace

        if not out.parent.is_dir():
            raise QueryError(f"The folder {out.parent} is not there. Make it, or name another with --out.")
        rows = evaluation.read_question_sets(questions)
        left = read_feedback(feedback) if feedback else None
        assistant = _load(index, corpus, model)
        with _progress("Asking", visible=bool(rows)) as on_progress:
            found = make_report(assistant, rows, left, on_progress)
        # Half characters in a question would make the page unwritable.
        page = report_html(found).encode("utf-8", "replace")
        if out.exists() and not out.is_file():
            out.write_bytes(page)  # a pipe or a device
        else:
            replace(out, page)
        stdout.print(f"Wrote {out} ({in_bytes(len(page))}). Open it in a browser.", soft_wrap=True)


@contextmanager
def _reported_errors() -> Iterator[None]:
    """Turn what can go wrong into one line and an exit code."""
    try:
        yield
    except (MissingIndexError, StaleIndexError) as error:
        stderr.print(f"b12qa: {_with_folders(str(error), ('model',))}", soft_wrap=True)
        raise click.exceptions.Exit(1) from error
    except (B12qaError, OSError) as error:
        # To build with the model that does not fit is no advice.
        more = () if isinstance(error, ModelMismatchError) else ("model",)
        stderr.print(f"b12qa: {_with_folders(_in_words(error), more)}", soft_wrap=True)
        raise click.exceptions.Exit(2) from error


def _in_words(error: Exception) -> str:
    """What went wrong; of a file without the number that the system gives it."""
    from b12qa.storage import DISK_FULL

    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        if error.errno in DISK_FULL:
            return (
                f"{error.filename} cannot be written: {error.strerror}. What was there before is as it was. "
                "Make room on that disk, then run the same command again."
            )
        if error.errno == errno.EIO:
            return f"{error.filename} cannot be used: {error.strerror}. Look after the disk that it lies on."
        return f"{error.filename} cannot be used: {error.strerror}. Look whether that is the right path."
    return str(error)


def _with_folders(message: str, more: Sequence[str] = ()) -> str:
    """A message whose advice to build names the folders that were typed, as it would build others.

    Args:
        more: further options to name if they were typed.
    """
    context = click.get_current_context(silent=True)
    typed = {
        name: context.params[name]
        for name in ("index", "corpus", *more)
        if context and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    typed = {name: value for name, value in typed.items() if value != ""}  # as if it were not given
    return advice_to_build(message, typed)


@contextmanager
def _care_first(question: str, history: Sequence[str], to: Console) -> Iterator[None]:
    """Show what needs no index even if there is no answer."""
    try:
        yield
    except Exception:
        _print_without_answer(question, history, to)
        raise


def _print_without_answer(question: str, history: Sequence[str], to: Console) -> None:
    """The card for a red flag, or who is speaking if that is asked; the disclaimer in any case."""
    card, about = None, None
    with suppress(Exception):  # the rules may be what failed; the first error is the one to report
        card, about = safety.care_card_and_about(question, history)
    first: list[RenderableType] = [] if card is None else [shown_card(card)]
    if about is not None and not safety.stands_alone(card):
        first.append(shown_notice(about))
    (to if first else stderr).print(Group(*first, shown_notice(safety.disclaimer())))


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """For a process that ends soon: looking for garbage took a sixth of the time of one answer.

    Python looks through all objects once more when it ends, but for those that are frozen.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


@contextmanager
def _status(words: str) -> Iterator[None]:
    """What takes long, on a terminal; elsewhere nothing would be seen of it."""
    if not stderr.is_terminal:
        yield
        return
    with stderr.status(words):
        yield


def _folder(index: Path, corpus: Path | None) -> Path:
    from b12qa.folders import corpus_folder

    return corpus_folder(index, corpus)


def _sources(index: Path, corpus: Path | None) -> tuple[Sources, Corpus]:
    """Read the corpus, and say which files are left out."""
    from b12qa.corpus import check_unread, make_corpus, read_sources

    sources = read_sources(_folder(index, corpus))
    made = make_corpus(sources)
    for problem in check_unread(sources):
        stderr.print(str(problem), soft_wrap=True)
    for draft in made.drafts:
        stderr.print(
            f"{draft}: a draft, left out of the index: read it, then take the line 'draft: true' out",
            soft_wrap=True,
        )
    return sources, made


def _encoder(model: str | None) -> Encoder:
    from b12qa.embedding import load_encoder

    with _status("Loading the model"):
        return load_encoder(model, allow_download=True)


def _encoders(model: str | None, dask: str | None) -> tuple[Encoder, Encoder]:
    """The model as it is here, and the same with what embeds a corpus."""
    encoder = _encoder(model)
    if dask is None:
        return encoder, encoder
    from b12qa.spreading import SpreadEncoder

    return encoder, SpreadEncoder(encoder, model, dask)


def _build(
    index: Path, sources: Sources, corpus: Corpus, encoder: Encoder, spread: Encoder, index_type: str
) -> None:
    """Build, show how far it is, and print what it did."""
    from b12qa.building import build_index
    from b12qa.checking import check_document
    from b12qa.engines import configured_store
    from b12qa.exported import encoder_choice
    from b12qa.exporting import export_encoder
    from b12qa.publishing import publisher
    from b12qa.questions import check_synonyms

    # What is wrong with these is said before anything is embedded.
    store = configured_store()
    encoder_choice()
    with (
        _progress("Embedding") as on_progress,
        _progress("Sending to the engine", visible=store is not None) as on_sent,
    ):
        report = build_index(corpus, spread, index, on_progress, index_type, publisher(store, on_sent))
    with _status("Exporting the encoder"):
        export = export_encoder(encoder, index)
    met = [s for s in sources.files if s.document and f"{s.document.name}.md" in report.edited]
    of_documents = [
        p for source in met for p in check_document(source, spread.count_tokens, spread.max_tokens)
    ]
    for problem in (*of_documents, *report.problems, *check_synonyms(corpus)):
        stderr.print(str(problem), soft_wrap=True)
    for line in build_lines(report, encoder.name):
        stdout.print(line, soft_wrap=True)
    if export.made or export.reason:
        stdout.print(_with_folders(export_line(export), ("model",)), soft_wrap=True)


def _print_review(found: Review, show: int) -> None:
    from b12qa.review_text import summary

    stdout.print(summary(found, show), soft_wrap=True)


def _check_lost(found: Review, max_lost: int | None) -> None:
    """End with an exit code of its own if an edit loses more than it may: answers, or what stands by them."""
    if max_lost is not None and not found.asked:
        stderr.print(
            "b12qa: nothing was asked of both, so nothing is known of what was lost. "
            "What was current stays current. Name questions with --questions, or leave --max-lost out.",
            soft_wrap=True,
        )
        raise click.exceptions.Exit(TOO_MANY_LOST)
    if max_lost is not None and found.lost + found.bare > max_lost:
        stderr.print(
            f"b12qa: questions that are no longer treated rightly: {found.lost}; that lack a note, a partner "
            f"or a warning that they had: {found.bare}; that may: {max_lost}. "
            "What was current stays current. Mend the corpus, or allow more with --max-lost.",
            soft_wrap=True,
        )
        raise click.exceptions.Exit(TOO_MANY_LOST)


def _watch(folder: Path, build_once: Callable[[], None]) -> None:
    """Build now and after every save, until interrupted; a build that fails is said and waited out."""
    from watchfiles import watch

    built = False
    # The first turn comes without a change, when saves are noticed already: none during a build is missed.
    for changes in watch(folder, raise_interrupt=True, yield_on_timeout=True, rust_timeout=FIRST_TURN_MS):
        if built and not changes:
            continue
        built = True
        with suppress(click.exceptions.Exit):  # the reason has been printed, and the old generation serves
            build_once()
        stdout.print(f"Watching {folder} (Ctrl-C ends it)", soft_wrap=True)


@contextmanager
def _progress(words: str, *, visible: bool = True) -> Iterator[Progress]:
    """A bar on the terminal for what takes long."""
    from rich import progress

    with progress.Progress(console=stderr, transient=True) as bars:
        task = bars.add_task(words, total=None, visible=visible)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _load(index: Path, corpus: Path | None, model: str | None) -> Assistant:
    from b12qa.answering import load

    with _status("Loading the index and the model"):
        return load(index, corpus=corpus, model=model)
