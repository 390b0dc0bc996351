from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import holds_gold
from contestants import CONTESTANTS, FLOOR, Contestant
from environments import PEERS, packages_of
from ratios import estimate, mean, percentile, ratio
from reports import summary, tables
from talking import RunnerError, Talker

from b12qa.evaluation import Kind, QuestionRow

TEA = "# Tea\n\nGreen tea is mild.\n\nBlack tea is strong.\n\n## Pots\n\nA pot of clay keeps warm.\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "tea.md").write_text(TEA, "utf-8")
    return folder


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Talker]:
    """The floor in a process of its own, with words in place of a model."""
    with Talker([sys.executable, PEERS / "run_floor.py"], tmp_path / "log") as talker:
        talker.call("load", encoder="words", folder=tmp_path / "kept")
        yield talker


def test_a_runner_builds_adds_and_answers_and_another_opens_what_it_kept(
    floor: Talker, corpus: Path, tmp_path: Path
) -> None:
    built = floor.call("build", corpus=corpus, cut="paragraphs")
    assert built.content["passages"] == 3
    assert 0 < built.encoding <= built.cpu
    assert built.own_cpu == built.cpu - built.encoding
    assert built.content["memory"] > 10_000_000
    shown = floor.call("ask", question="strong black tea", top_k=2).content["passages"]
    assert shown[0] == "Black tea is strong."
    assert len(shown) == 2
    more = tmp_path / "more"
    more.mkdir()
    (more / "milk.md").write_text("# Milk\n\nMilk cools the cup.\n", "utf-8")
    assert floor.call("add", corpus=more, cut="paragraphs").content["passages"] == 1
    with Talker([sys.executable, PEERS / "run_floor.py"], tmp_path / "log2") as other:
        other.call("load", encoder="words", folder=tmp_path / "kept")
        other.call("open")
        assert other.call("ask", question="milk cup", top_k=1).content["passages"] == ["Milk cools the cup."]


def test_a_crowd_gets_every_answer_and_a_failure_is_counted_apart(floor: Talker, corpus: Path) -> None:
    floor.call("build", corpus=corpus, cut="paragraphs")
    crowd = floor.crowd(["green tea", "black tea", "pot"] * 4, people=5)
    assert len(crowd.seconds) == 12
    assert not crowd.errors
    assert max(crowd.seconds) <= crowd.total_seconds


def test_a_runner_that_cannot_says_why(floor: Talker) -> None:
    with pytest.raises(RunnerError, match=r"open: FileNotFoundError: .*passages\.json"):
        floor.call("open")
    crowd = floor.crowd(["green tea"], people=1)
    assert crowd.errors == ("AttributeError: 'Floor' object has no attribute '_vectors'",)


def test_a_runner_asked_before_it_has_loaded_says_what_to_do(tmp_path: Path) -> None:
    with (
        Talker([sys.executable, PEERS / "run_floor.py"], tmp_path / "log") as talker,
        pytest.raises(RunnerError, match="Expected load before 'open'"),
    ):
        talker.call("open")


def test_a_runner_that_ends_shows_its_last_words(tmp_path: Path) -> None:
    program = "import sys; sys.exit('no such library')"
    with (
        Talker([sys.executable, "-c", program], tmp_path / "log") as talker,
        pytest.raises(RunnerError, match="It ended: code 1, no such library"),
    ):
        talker.call("load")


def test_a_runner_cannot_look_up_another_host(tmp_path: Path) -> None:
    program = f"""
import sys, socket
sys.path.insert(0, {str(PEERS)!r})
import protocol
class Caller(protocol.Runner):
    def build(self, corpus, cut): ...
    def add(self, corpus, cut): ...
    def ask(self, question, top_k): ...
    def open(self):
        socket.getaddrinfo("example.org", 443)
protocol.serve(Caller)
"""
    with Talker([sys.executable, "-c", program], tmp_path / "log") as talker:
        talker.call("load", encoder="model", folder=tmp_path)
        with pytest.raises(RunnerError, match=r"something asked for example\.org"):
            talker.call("open")


def test_what_a_library_prints_stands_in_no_reply(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(PEERS)!r})
import protocol
class Chatterer(protocol.Runner):
    def build(self, corpus, cut): ...
    def add(self, corpus, cut): ...
    def open(self): ...
    def ask(self, question, top_k):
        print("Loading …", flush=True)
        return [question]
protocol.serve(Chatterer)
"""
    with Talker([sys.executable, "-c", program], tmp_path / "log") as talker:
        talker.call("load", encoder="model", folder=tmp_path)
        assert talker.call("ask", question="tea?", top_k=3).content["passages"] == ["tea?"]
    assert "Loading …" in (tmp_path / "log").read_text("utf-8")


def test_median_mean_and_percentile_are_those_worked_out_by_hand() -> None:
    rounds = [[1.0, 2.0, 9.0], [4.0]]
    assert estimate(rounds).value == 3.0
    assert estimate(rounds).n == 4
    assert estimate(rounds, mean).value == 4.0
    twenty = [[float(n) for n in range(1, 21)]]
    assert estimate(twenty, percentile(0.95)).value == 19.0
    assert estimate(twenty, percentile(1.0)).value == 20.0


def test_a_ratio_compares_what_was_measured_together() -> None:
    # The machine is ten times slower in the second round, for both.
    floor, other = [[1.0, 1.2, 1.1], [10.0, 12.0, 11.0]], [[2.0, 2.4, 2.2], [20.0, 24.0, 22.0]]
    found = ratio(other, floor)
    assert found.value == pytest.approx(2.0)
    assert [found.low, found.high] == pytest.approx([2.0, 2.0])
    alone = estimate(other)
    assert alone.low < 3.0 < 19.0 < alone.high


def test_an_interval_holds_the_median_of_what_is_drawn_in_most_trials() -> None:
    import numpy as np

    random = np.random.default_rng(3)
    trials = [estimate([random.normal(5, 1, 40).tolist()]) for _ in range(60)]
    held = sum(found.low <= 5 <= found.high for found in trials)
    assert 52 <= held <= 60
    assert all(found.low < found.value < found.high for found in trials)


def test_samples_without_partners_are_refused() -> None:
    with pytest.raises(ValueError, match=r"has in every round, \[2\], got \[1\]"):
        ratio([[1.0]], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="at least one sample"):
        estimate([[], []])


def test_gold_counts_only_whole_in_one_text_and_every_piece_is_needed() -> None:
    row = QuestionRow(
        "1", Kind.ANSWERABLE, "?", gold=(("It has **40 mg**.", "Or this."), ("Pots are\nwarm.",))
    )
    assert holds_gold(row, ["Tea. It has 40 mg.", "> Pots are warm. Yes."])
    assert not holds_gold(row, ["It has 40 mg."])
    assert not holds_gold(row, ["Or this. Pots are", "warm."])


def test_every_peer_names_what_is_compared_and_pins_everything() -> None:
    for name in {c.environment for c in CONTESTANTS if c.environment}:
        lines = (PEERS / f"{name}.txt").read_text("utf-8").splitlines()
        assert all("==" in line for line in lines if line), name
        assert packages_of(name), name
        assert len(set(lines) - {""}) == len([line for line in lines if line]), name


def test_names_and_folders_of_contestants_are_their_own() -> None:
    builders = [c for c in CONTESTANTS if not c.index]
    assert len({c.name for c in CONTESTANTS}) == len(CONTESTANTS)
    assert len({c.folder for c in builders}) == len(builders)
    assert {c.index for c in CONTESTANTS if c.index} <= {c.name for c in builders}
    assert CONTESTANTS[0].name == FLOOR
    assert Contestant("a, b c", "x.py", None).folder == "a-b-c"


def _measured() -> dict[str, Any]:
    samples = {
        "question, ms": {
            FLOOR: [[10.0, 12.0], [11.0, 11.0]],
            "b12qa": [[5.0, 6.0], [5.5, 5.5]],
            "txtai": [[20.0]],
        },
        "question, CPU ms": {FLOOR: [[10.0, 10.0]], "b12qa": [[4.0, 4.0]], "txtai": [[8.0, 8.0]]},
        "embedding, CPU ms": {"b12qa": [[2.0, 2.0]]},
        "1000 passages: question, CPU ms": {FLOOR: [[1.0]], "b12qa": [[3.0]]},
    }
    return {
        "commit": "0123",
        "machine": "a machine",
        "load": {"before": 0.0, "after": 0.0},
        "minutes": 1.0,
        "contestants": {FLOOR: {"bytes": 2_000_000}},
        "failures": {"Chroma": "It ended."},
        "grades": {"b12qa": [[1, 1, 100, 300], [0, 1, 200, 300]]},
        "samples": samples,
    }


def test_the_summary_compares_with_the_floor_with_the_embedding_and_with_the_fastest_peer() -> None:
    found = summary(_measured())
    question = found["measures"]["question, ms"]
    assert question["b12qa"]["ratio"]["value"] == 0.5
    assert question["b12qa"]["p95"]["value"] == 6.0
    assert question["txtai"]["ratio"]["value"] == 2.0  # of the one question that both were asked
    assert found["b12qa"]["b12qa: a question over its embedding, CPU ms"]["value"] == 2.0
    assert found["b12qa"]["a question over txtai's, CPU ms"]["value"] == 0.5
    assert found["grades"]["b12qa"]["found@1"]["value"] == 0.5
    assert found["grades"]["b12qa"]["characters@1"]["value"] == 150
    json.dumps(found)


def test_the_tables_show_numbers_ratios_and_who_dropped_out() -> None:
    measured = _measured()
    shown = tables({**measured, "summary": summary(measured)})
    assert "| b12qa | – | 4.0 (0.40) | 6 / 6 | – | – | – | 0.50 (150) |" in shown
    assert "| floor | – | 10.0 (1.00) | 11 / 12 | – | – | 2 | – |" in shown
    assert "| b12qa | 3.0 | – | – | – | – |" in shown
    assert "Chroma dropped out: It ended." in shown
    assert "Haystack" not in shown
