"""Run by test_privacy.py: a server that may reach nothing but this machine, and people who ask it secrets.

    python private_server.py INDEX CORPUS

Prints what came back as JSON. The server's own output goes to the files `stdout` and `stderr` here, each
attempt to reach another host to `attempts` and, with WATCHED set, its network calls to `trace`. Where the
system allows it, all of this runs in a network namespace that holds nothing but the loopback interface.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from watching import watched

SERVER = """
import ipaddress, sys

def is_local(host):
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in ("localhost", "")

def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else ""
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0] or ""
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if not is_local(host):
        with open("attempts", "a") as file:
            file.write(f"{event} {host}\\n")
        raise ConnectionRefusedError(f"{host} is elsewhere")

sys.addaudithook(watch)
from b12qa.answering import Assistant
from b12qa.cli import app
from b12qa.retrieval import Retriever

rank_all = Retriever.rank_all
def breaks(self, questions, **how):
    texts = [reading.text for readings in questions for reading in readings]
    if any("explode" in text for text in texts):
        raise RuntimeError(f"cannot rank {texts}")
    return rank_all(self, questions, **how)
Retriever.rank_all = breaks
app()
"""
KINDS = ("plain", "explode", "too long")
WAYS = ("page", "ask", "posted search", "search by address", "mcp ask", "mcp search", "broken", "mcp broken")
MCP_HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}


def canaries() -> list[tuple[str, str]]:
    """How each question is asked, and the question: all hold a name, a number and an address."""
    return [
        (way, f"{person(number)} wants to know: how long do I wait? {extra(kind)}".strip())
        for number, (way, kind) in enumerate(itertools.product(WAYS, KINDS))
    ]


def person(number: int) -> str:
    """Somebody nobody else is."""
    return f"Zebulon{number} Quartermaine{number} (NHS 94347659{number:02}, zq.{number}@mail-canary.example)"


def extra(kind: str) -> str:
    """What makes a question fail, or too long."""
    return {"plain": "", "explode": "explode", "too long": "And tea? " * 80}[kind]


def ask(client: httpx.Client, way: str, question: str) -> int:
    """Ask in one of the ways; the status."""
    if way == "page":
        events = client.get("/config").json()["dependencies"]
        function = next(number for number, event in enumerate(events) if len(event["inputs"]) == 2)
        call = {"data": [question, None], "fn_index": function, "session_hash": "canary"}
        joined = client.post("/gradio_api/queue/join", json=call)
        with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "canary"}) as lines:
            assert any("process_completed" in line for line in list(lines.iter_lines()))
        return joined.status_code
    if way == "ask":
        return client.post("/api/ask", json={"question": question, "history": [question]}).status_code
    if way == "posted search":
        return client.post("/api/search", json={"question": question}).status_code
    if way == "search by address":
        return client.get("/api/search", params={"q": question}).status_code
    if way == "broken":
        headers = {"content-type": "application/json", "user-agent": question, "referer": question}
        return client.post("/api/ask", content=question.encode(), headers=headers).status_code
    if way == "mcp broken":
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": question, "params": [question]}
        kind = {**MCP_HEADERS, "content-type": "application/json"}
        client.post("/mcp", content=question.encode(), headers=kind)
    else:
        call = {"name": way.partition(" ")[2], "arguments": {"question": question}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    return client.post("/mcp", json=body, headers=MCP_HEADERS).status_code


def bring_loopback_up() -> None:
    """As ``ip link set lo up``."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14s", b"lo", 0x1 | 0x40, b""))


def main(index: str, corpus: str) -> None:
    if os.environ.get("ALONE"):
        bring_loopback_up()
    folders = ["--index", index, "--corpus", corpus]
    options = ["chat", "--build", "--port", "0", "--rate", "0", *folders]
    with open("stdout", "wb") as out, open("stderr", "wb") as err:  # noqa: PTH123
        command = [sys.executable, "-c", SERVER, *options]
        if os.environ.get("WATCHED"):
            command = watched(command, Path("trace").resolve())
        server = subprocess.Popen(command, stdout=out, stderr=err)
        try:
            address = None
            deadline = time.monotonic() + 300
            while address is None and server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
                address = re.search(rb"http://127\.0\.0\.1:\d+", Path("stdout").read_bytes())
            assert address, Path("stderr").read_text()
            with httpx.Client(base_url=address[0].decode(), timeout=120, trust_env=False) as client:
                statuses = [[way, ask(client, way, question)] for way, question in canaries()]
                metrics = client.get("/metrics").text
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=60)
    print(json.dumps({"statuses": statuses, "metrics": metrics, "ended": server.returncode}))


if __name__ == "__main__":
    main(*sys.argv[1:])
