"""Nothing that anybody asks is kept, printed, counted by its words or sent anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from conftest import ROOT
from private_server import WAYS, canaries
from watching import addresses, can_watch, seen, watched

pytestmark = pytest.mark.model

EVERYWHERE = "0.0.0.0"  # noqa: S104 (a trace is read, and nothing bound)
ALONE = ["unshare", "--map-root-user", "--net"]


class Run(NamedTuple):
    """What a server left behind that was asked secrets."""

    folder: Path  # all it could write to
    said: dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("private")
    (folder / "corpus").mkdir()
    (folder / "corpus" / "tea.md").write_text("# Tea\n\nUse water. Wait 3 minutes.\n", "utf-8")
    for name in ("home", "tmp", "cache"):
        (folder / name).mkdir()
    environment = {
        **os.environ,
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "GRADIO_TEMP_DIR": str(folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name in [name for name in environment if name.startswith(("B12QA_", "HF_", "GRADIO_ANALYTICS"))]:
        del environment[name]
    alone = can_be_alone()
    if alone:
        environment["ALONE"] = "1"
    if can_watch():
        environment["WATCHED"] = "1"
    done = subprocess.run(
        [
            *(ALONE if alone else []),
            sys.executable,
            str(ROOT / "tests" / "private_server.py"),
            "index",
            "corpus",
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return Run(folder, json.loads(done.stdout))


def can_be_alone() -> bool:
    """Whether the system lets us make a network namespace."""
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, timeout=30).returncode == 0
    except OSError:
        return False


def test_secrets_were_asked_in_every_way(run: Run) -> None:
    statuses = defaultdict(list)
    for way, status in run.said["statuses"]:
        statuses[way].append(status)
    assert set(statuses) == set(WAYS)
    assert statuses["ask"] == statuses["posted search"] == statuses["search by address"] == [200, 500, 422]
    assert statuses["page"] == statuses["mcp ask"] == statuses["mcp search"] == [200, 200, 200]
    assert statuses["broken"] == [400, 400, 400]
    assert run.said["ended"] == 0


def test_no_word_of_a_question_is_kept_printed_or_counted(run: Run) -> None:
    secrets = {word for _, question in canaries() for word in private_words(question)}
    assert len(secrets) > 60
    (run.folder / "metrics").write_text(run.said["metrics"], "utf-8")
    found = []
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    for path in files:
        data = path.read_bytes().lower()
        found += [(path.name, word) for word in secrets if word in data]
    assert found == []
    assert {"stdout", "stderr"} <= {path.name for path in files}


def private_words(question: str) -> set[bytes]:
    """What would give a person away, as it may be written."""
    words = set(re.findall(r"zebulon\d+|quartermaine\d+|94347659\d+|zq\.\d+@[a-z-]+", question.lower()))
    return {form.lower().encode() for word in words for form in (word, quote(word))}


def test_faults_are_logged_by_their_kind(run: Run) -> None:
    lines = set((run.folder / "stderr").read_text("utf-8").splitlines())
    faults = {line for line in lines if re.fullmatch(r"No answer: RuntimeError in \w+, line \d+", line)}
    assert faults
    # A library that finds its cache empty says so, and we say that it said something.
    assert all(re.fullmatch(r"WARNING: [\w.]+, line \d+", line) for line in lines - faults), lines


def test_files_are_those_of_the_index_and_caches_of_libraries(run: Run) -> None:
    top = {path.relative_to(run.folder).parts[0] for path in run.folder.rglob("*") if path.is_file()}
    assert top <= {"corpus", "index", "stdout", "stderr", "metrics", "home", "cache", "trace"}
    assert not [path for path in run.folder.rglob("*") if "onnxruntime" in path.name]  # its telemetry


def test_server_reaches_for_no_other_host(run: Run) -> None:
    attempts = run.folder / "attempts"
    assert not attempts.exists(), attempts.read_text()


def test_system_sees_the_server_bind_and_speak_to_this_machine_alone(run: Run) -> None:
    """Whatever its libraries do in C, where Python's own events are blind."""
    trace = run.folder / "trace"
    if not trace.exists():
        pytest.skip("THE SERVER IS NOT WATCHED FROM OUTSIDE: strace is missing, or may not trace")
    found = seen(trace)
    assert {each.where for each in found if each.call == "bind"} == {"127.0.0.1"}
    assert [each for each in found if not each.is_here] == []


def test_whatever_is_not_on_this_machine_is_found_in_a_trace() -> None:
    calls = {
        'connect(4, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("192.0.2.1")}, 1)': "192.0.2.1",
        'sendto(4, "x", 1, 0, {sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), '
        'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = 1': "2001:db8::1",
        'sendmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.9")}, '
        "msg_namelen=16, msg_iov=[{iov_base=, iov_len=1}]}, 0 <unfinished ...>": "192.0.2.9",
        "bind(3, {sa_family=AF_PACKET, sll_protocol=htons(ETH_P_ALL)}, 20) = 0": "AF_PACKET",
        'bind(3, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("0.0.0.0")}, 16) = 0': EVERYWHERE,
        "io_uring_setup(8, {flags=0, sq_thread_cpu=0}) = 5": "unseen",
    }
    for line, where in calls.items():
        (found,) = addresses(f"17 {line}")
        assert (found.where, found.is_here) == (where, False)
    here = (
        '17 connect(3, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")}, 16) = 0\n'
        '17 connect(3, {sa_family=AF_UNIX, sun_path="/run/nscd/socket"}, 110) = -1 ENOENT\n'
        '17 <... accept4 resumed>{sa_family=AF_INET6, inet_pton(AF_INET6, "::1", &sin6_addr)}, [28]) = 6\n'
    )
    assert [(each.call, each.where, each.is_here) for each in addresses(here)] == [
        ("connect", "127.0.0.1", True),
        ("connect", "unix socket", True),
        ("accept4", "::1", True),
    ]


@pytest.mark.skipif(not can_watch(), reason="strace is missing, or may not trace")
def test_trace_holds_what_the_child_of_a_process_does(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    connects = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.77', 9))"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {connects!r}])"
    subprocess.run(watched([sys.executable, "-c", outer], trace), check=True, timeout=60)
    assert "192.0.2.77" in {each.where for each in seen(trace)}
