"""Samples → medians, ratios and intervals; and these as Markdown tables and as a plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contestants import (
    B12QA,
    B12QA_TORCH,
    B12QA_WITHOUT_BANK,
    CHAT,
    COMMAND_LINE,
    CONTESTANTS,
    FLOOR,
    RANKING,
)
from ratios import Estimate, Rounds, estimate, mean, percentile, ratio

NAMES = [contestant.name for contestant in CONTESTANTS]
# How a person comes to b12qa; the rest of its rows take it apart.
ROWS = [*NAMES[:3], COMMAND_LINE, CHAT, *NAMES[3:]]
PEERS = [name for name in NAMES if name not in (FLOOR, B12QA, B12QA_TORCH)]
WITH_P95 = ("question, ms", "32 at once, ms")
NOTHING = "–"

Summary = dict[str, Any]


def summary(measured: Mapping[str, Any]) -> Summary:
    """For every measure and name: the median, its ratio to the floor, and for some the 95th percentile."""
    found: Summary = {"measures": {}, "grades": {}, "b12qa": {}}
    samples: Mapping[str, Mapping[str, Rounds]] = measured["samples"]
    for measure, by_name in samples.items():
        found["measures"][measure] = {
            name: _described(rounds, by_name.get(FLOOR), measure in WITH_P95)
            for name, rounds in by_name.items()
        }
    for name, grades in measured["grades"].items():
        columns = list(zip(*grades, strict=True))
        keys = ("found@1", "found@3", "characters@1", "characters@3")
        found["grades"][name] = {
            key: estimate([column], mean).to_dict() for key, column in zip(keys, columns, strict=True)
        }
    found["b12qa"] = _promises(samples)
    return found


def _described(rounds: Rounds, floor: Rounds | None, with_p95: bool) -> Summary:
    described: Summary = {"median": estimate(rounds).to_dict()}
    if with_p95:
        described["p95"] = estimate(rounds, percentile(0.95)).to_dict()
    if floor and (pair := _paired(rounds, floor)):
        described["ratio"] = ratio(*pair).to_dict()
    return described


def _paired(rounds: Rounds, floor: Rounds) -> tuple[Rounds, Rounds] | None:
    """The rounds of both in which both were asked; of those, what stands in the same place."""
    pairs = [(one, other) for one, other in zip(rounds, floor, strict=False) if one and other]
    shortest = [min(len(one), len(other)) for one, other in pairs]
    if not pairs:
        return None
    return (
        [one[:count] for (one, _), count in zip(pairs, shortest, strict=True)],
        [other[:count] for (_, other), count in zip(pairs, shortest, strict=True)],
    )


def _promises(samples: Mapping[str, Mapping[str, Rounds]]) -> Summary:
    """What only b12qa is held to: a question against its own embedding, and against the fastest peer."""
    found: Summary = {}
    for unit in ("ms", "CPU ms"):
        asked, embedded = samples.get(f"question, {unit}", {}), samples.get(f"embedding, {unit}", {})
        for name in (B12QA, B12QA_TORCH):
            if name in asked and name in embedded:
                found[f"{name}: a question over its embedding, {unit}"] = ratio(
                    asked[name], embedded[name]
                ).to_dict()
        peers = [name for name in PEERS if name in asked]
        if peers and B12QA in asked:
            fastest = min(peers, key=lambda name: estimate(asked[name]).value)
            if pair := _paired(asked[B12QA], asked[fastest]):
                found[f"a question over {fastest}'s, {unit}"] = ratio(*pair).to_dict()
    return found


# Tables.


def tables(measured: Mapping[str, Any]) -> str:
    """Everything that a reader wants, as Markdown."""
    found = measured["summary"]
    parts = [
        f"Commit {measured['commit']}; {measured['machine']}; load {measured['load']['before']:.1f} before, "
        f"{measured['load']['after']:.1f} after; {measured['minutes']:.0f} minutes.",
        _main_table(measured),
        _start_table(found["measures"]),
        _build_table(measured),
        _growth_table(found["measures"]),
        _quality_table(found["grades"]),
        _promises_table(found["b12qa"]),
        "\n".join(f"{name} dropped out: {why}" for name, why in measured["failures"].items()),
    ]
    return "\n\n".join(part for part in parts if part)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """One table; rows of nothing but dashes are left out."""
    lines = [" | ".join(head), "|".join(["---", *["---:"] * (len(head) - 1)])]
    lines += [" | ".join(row) for row in rows if any(cell != NOTHING for cell in row[1:])]
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def _main_table(measured: Mapping[str, Any]) -> str:
    measures, facts, grades = (
        measured["summary"]["measures"],
        measured["contestants"],
        measured["summary"]["grades"],
    )

    def row(name: str) -> list[str]:
        size = facts.get(name, {}).get("bytes")
        graded = grades.get(name)
        return [
            name,
            _value(measures, "start, CPU s", name, 1),
            _value(measures, "question, CPU ms", name, 1),
            _with_p95(measures, "question, ms", name),
            _value(measures, "32 at once, answers/s", name, 0, with_ratio=False),
            _value(measures, "memory, MB", name, 0),
            f"{size / 1e6:,.0f}" if size else NOTHING,
            f"{graded['found@1']['value']:.2f} ({graded['characters@1']['value']:.0f})"
            if graded
            else NOTHING,
        ]

    head = (
        "",
        "start to first answer, CPU s",
        "one question, CPU ms",
        "one question, ms, p50 / p95",
        "32 at once, answers a second",
        "memory, MB",
        "installed, MB",
        "right passage first (characters shown)",
    )
    return table(head, map(row, ROWS))


def _start_table(measures: Summary) -> str:
    def row(name: str) -> list[str]:
        return [
            name,
            _interval(measures, "start, s", name, 1),
            _interval(measures, "start, CPU s", name, 1),
            _interval(measures, "question, ms", name, 1),
            _interval(measures, "question, CPU ms", name, 1),
            _with_p95(measures, "32 at once, ms", name),
            _value(measures, "32 at once, CPU ms", name, 1),
        ]

    head = (
        "median [95 %], ratio to the floor [95 %]",
        "start, s",
        "start, CPU s",
        "question, ms",
        "question, CPU ms",
        "32 at once, ms, p50 / p95",
        "32 at once, CPU ms an answer",
    )
    return table(head, [row(name) for name in ROWS])


def _build_table(measured: Mapping[str, Any]) -> str:
    measures = measured["summary"]["measures"]

    def row(name: str) -> list[str]:
        passages = measured["contestants"].get(name, {}).get("passages")
        return [
            name,
            str(passages) if passages else NOTHING,
            _value(measures, "article build, CPU s", name, 1),
            _value(measures, "build, CPU ms a passage", name, 0),
            _value(measures, "addition, CPU ms a passage", name, 0),
        ]

    head = (
        "with the model",
        "passages of the article",
        "building them, CPU s",
        "a generated passage, CPU ms",
        "one more, CPU ms",
    )
    return table(head, [row(name) for name in [*NAMES, B12QA_WITHOUT_BANK]])


def sizes(measures: Mapping[str, Any]) -> list[int]:
    """Numbers of passages that were measured."""
    return sorted({int(measure.split()[0]) for measure in measures if "passages: " in measure})


def _growth_table(measures: Summary) -> str:
    measured = sizes(measures)
    head = ["without the model"]
    for size in measured:
        head += [f"{size:,}: question, CPU ms", "build, CPU s", "50 more, CPU s", "opening, CPU s", "MB"]

    def row(name: str) -> list[str]:
        cells = [name]
        for size in measured:
            for measure, digits in (
                ("question, CPU ms", 1),
                ("build, CPU s", 1),
                ("addition, CPU s", 2),
                ("opening, CPU s", 1),
                ("memory, MB", 0),
            ):
                cells.append(_value(measures, f"{size} passages: {measure}", name, digits, with_ratio=False))
        return cells

    return table(head, map(row, NAMES)) if measured else ""


def _quality_table(grades: Summary) -> str:
    names = [way for name in (*NAMES, B12QA_WITHOUT_BANK) for way in (name, f"{name}, {RANKING}")]

    def row(name: str) -> list[str]:
        return [
            name,
            *(_number(grades[name][f"found@{k}"], 2, with_interval=True) for k in (1, 3)),
            *(_number(grades[name][f"characters@{k}"], 0) for k in (1, 3)),
        ]

    head = ("gold sentences shown", "@1", "@3", "characters shown @1", "@3")
    return table(head, (row(name) for name in names if name in grades))


def _promises_table(found: Summary) -> str:
    return table(
        ("b12qa", "ratio"), ([what, _number(one, 2, with_interval=True)] for what, one in found.items())
    )


def _value(measures: Summary, measure: str, name: str, digits: int, with_ratio: bool = True) -> str:
    found = measures.get(measure, {}).get(name)
    if found is None:
        return NOTHING
    shown = _number(found["median"], digits)
    return f"{shown} ({found['ratio']['value']:.2f})" if with_ratio and "ratio" in found else shown


def _interval(measures: Summary, measure: str, name: str, digits: int) -> str:
    found = measures.get(measure, {}).get(name)
    if found is None:
        return NOTHING
    shown = _number(found["median"], digits, with_interval=True)
    return f"{shown}, {_number(found['ratio'], 2, with_interval=True)}" if "ratio" in found else shown


def _with_p95(measures: Summary, measure: str, name: str) -> str:
    found = measures.get(measure, {}).get(name)
    return NOTHING if found is None else f"{found['median']['value']:.0f} / {found['p95']['value']:.0f}"


def _number(one: Mapping[str, Any], digits: int, with_interval: bool = False) -> str:
    shown = f"{one['value']:,.{digits}f}"
    return f"{shown} [{one['low']:,.{digits}f}, {one['high']:,.{digits}f}]" if with_interval else shown


# Plot.


def plot(measured: Mapping[str, Any], path: Path) -> None:
    """Bars with intervals for the article, lines over the number of passages."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "b12qa"  # the same picture has the same bytes
    from matplotlib import pyplot

    measures = measured["summary"]["measures"]
    figure, axes = pyplot.subplots(2, 3, figsize=(16, 9))
    for axis, measure in zip(
        axes.flat,
        ("start, CPU s", "question, CPU ms", "32 at once, answers/s", "memory, MB"),
        strict=False,
    ):
        _bars(axis, measures.get(measure, {}), measure)
    for axis, measure, title in (
        (axes.flat[4], "question, CPU ms", "a question without its embedding, CPU ms"),
        (axes.flat[5], "build, CPU s", "a build without embeddings, CPU s"),
    ):
        _lines(axis, measures, measure, title)
    figure.suptitle(f"b12qa beside others, commit {measured['commit']}: medians, 95 % intervals")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def _bars(axis: Any, by_name: Summary, title: str) -> None:
    names = [name for name in reversed(ROWS) if name in by_name]
    estimates = [Estimate(**by_name[name]["median"]) for name in names]
    errors = [[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]]
    axis.barh(
        names,
        [e.value for e in estimates],
        xerr=errors,
        color=["#1f6f5c" if name.startswith(B12QA) else "#b5b5b5" for name in names],
        ecolor="#333333",
    )
    axis.set_title(title)


def _lines(axis: Any, measures: Summary, measure: str, title: str) -> None:
    for name in NAMES:
        points = [
            (size, measures[key][name]["median"]["value"])
            for size in sizes(measures)
            if name in measures.get(key := f"{size} passages: {measure}", {})
        ]
        if points:
            strong = name == B12QA
            axis.plot(*zip(*points, strict=True), marker="o", label=name, linewidth=3 if strong else 1.2)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("passages")
    axis.set_title(title)
    if axis.lines:
        axis.legend(fontsize="x-small")
    else:
        axis.set_axis_off()  # sizes were not measured
