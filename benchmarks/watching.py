"""What a process and all that it starts ask of the network, seen from outside: by the system, with strace."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

# What io_uring does, strace cannot see, so a process that sets one up is found out as well.
_TRACED = "trace=%network,io_uring_setup"
# The name of a socket that was never bound is no destination, so getsockname is not among them.
_CALLS = {
    "bind", "connect", "sendto", "sendmsg", "sendmmsg",
    "accept", "accept4", "recvfrom", "recvmsg", "recvmmsg",
}  # fmt: skip
_LINE = re.compile(r"(?:\d+ +)?(?:<\.\.\. )?(\w+)(?:\(| resumed>)")
_FAMILY = re.compile(r"\{sa_family=(\w+)([^}]*)\}")
_HOST = re.compile(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"')
# Files and the kernel of this machine, and the end of a connection.
_INSIDE = {"AF_UNIX": "unix socket", "AF_NETLINK": "kernel (netlink)", "AF_UNSPEC": "nowhere"}
_SECONDS_TO_WRITE = 20
# An address of the documentation block: it belongs to nobody, and connecting a datagram socket sends nothing.
_ELSEWHERE = "192.0.2.1"
_CONTROL = f"import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('{_ELSEWHERE}', 9))"


class Seen(NamedTuple):
    """One kind of call with an address."""

    call: str
    where: str  # an IP address, or what else it is

    @property
    def is_here(self) -> bool:
        """Whether it stays on this machine."""
        if self.where in _INSIDE.values():
            return True
        try:
            return ipaddress.ip_address(self.where).is_loopback
        except ValueError:
            return False


def watched(command: Sequence[str], trace: Path) -> list[str]:
    """A command that writes its network calls to a file, and nothing of what was sent in them.

    The process that it starts is its own, and strace a child of it.
    """
    return ["strace", "-D", "-f", "--seccomp-bpf", "-e", _TRACED, "-s", "0", "-o", str(trace), *command]


def seen(trace: Path) -> Counter[Seen]:
    """How often each address was named, once the watched process has ended.

    Raises:
        TimeoutError: the process has not ended, or strace never wrote.
    """
    end = time.monotonic() + _SECONDS_TO_WRITE
    while not (trace.exists() and _has_ended(trace.read_text("utf-8", "replace"))):
        if time.monotonic() > end:
            raise TimeoutError(f"{trace} is not complete. Is strace there, and may it trace?")
        time.sleep(0.1)
    return addresses(trace.read_text("utf-8", "replace"))


def addresses(trace: str) -> Counter[Seen]:
    """The addresses of a trace. One that is not understood counts as it is written, as one elsewhere."""
    found: Counter[Seen] = Counter()
    for line in trace.splitlines():
        call = _LINE.match(line)
        if call is None:
            continue
        if call[1] == "io_uring_setup":
            found[Seen(call[1], "unseen")] += 1
        if call[1] in _CALLS:
            found.update(Seen(call[1], _where(family, rest)) for family, rest in _FAMILY.findall(line))
    return found


@cache
def can_watch() -> bool:
    """Whether strace is there and may trace, proven with a process that names an address elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        try:
            subprocess.run(watched([sys.executable, "-c", _CONTROL], trace), check=True, timeout=60)
            return Seen("connect", _ELSEWHERE) in seen(trace)
        except (OSError, subprocess.SubprocessError, TimeoutError):
            return False


def _where(family: str, rest: str) -> str:
    host = _HOST.search(rest)
    return host[1] if host else _INSIDE.get(family, family)


def _has_ended(trace: str) -> bool:
    """Whether every process and thread of a trace is over."""
    lines = [line.split(maxsplit=2) for line in trace.splitlines()]
    over = {line[0] for line in lines if line[1:2] == ["+++"]}
    return bool(over) and over == {line[0] for line in lines}
