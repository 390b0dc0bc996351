"""Whom the server and the page talk to, seen from outside.

    python benchmarks/traffic.py [--index index]

Runs `b12qa chat` under strace, once with the exported encoder and once with torch, and lets a real Chromium,
under strace as well, and programs do all that people do. Every address that the server or one of its threads
and children connects, sends or binds to must be on this machine, and every request of the page must be for
the server; else the exit code is 1. What Chromium does of its own accord is listed, and not judged. It needs
strace, Chromium and what `make test` installs.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page, Playwright, expect, sync_playwright
from watching import Seen, can_watch, seen, watched

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from chromium import ARGUMENTS, CHROMIUM, WAIT_MILLISECONDS  # noqa: E402

SERVER = [sys.executable, "-c", "from b12qa.cli import app; app()", "chat", "--port", "0"]
OUTCOMES = {
    "answered": "how much b12 in clams",
    "related": "Is it safe in pregnancy?",
    "not_covered": "what is the capital of France?",
    "urgent": "I have chest pain",
    "refused": "why " * 126,
}
Row = tuple[str, str, str, int]  # who, address, calls, how often
MCP_HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}


def main() -> None:
    """Watch, print tables, and fail if anything left this machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--index", default=str(ROOT / "index"))
    index = parser.parse_args().index
    if not can_watch():
        sys.exit("strace is missing or may not trace here. Run: apt-get install strace")
    rows: list[Row] = []
    elsewhere = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for encoder in ("onnx", "torch"):
            requests, asked = watch_a_visit(index, encoder, folder)
            server, browser = seen(folder / f"server-{encoder}"), seen(folder / f"browser-{encoder}")
            rows += table_rows(f"server, {encoder}", server) + table_rows(f"Chromium, {encoder}", browser)
            hosts = Counter(urlsplit(url).hostname or urlsplit(url).scheme for url in requests)
            rows += [(f"page, {encoder}", host, "request", count) for host, count in sorted(hosts.items())]
            print(f"{encoder}: {', '.join(asked)}", file=sys.stderr)
            elsewhere |= not all(each.is_here for each in server) or not hosts.keys() <= {"127.0.0.1", "data"}
        with sync_playwright() as playwright:
            browser_alone(playwright, folder)
        rows += table_rows("Chromium alone", seen(folder / "browser-alone"))
    print("| who | address | calls | times |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print("\nSomething left this machine." if elsewhere else "\nNothing of ours left this machine.")
    sys.exit(elsewhere)


def watch_a_visit(index: str, encoder: str, folder: Path) -> tuple[list[str], list[str]]:
    """Run a server and use it: the addresses that the page asked for, and what was done."""
    with server(index, encoder, folder / f"server-{encoder}") as address, sync_playwright() as playwright:
        requests, done = visit(playwright, address, folder / f"browser-{encoder}")
        return requests, [*done, *call(address)]


@contextmanager
def server(index: str, encoder: str, trace: Path) -> Iterator[str]:
    """The address of `b12qa chat` under strace, with nothing set that would keep it from the network."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("B12QA_", "HF_", "GRADIO_"))
    }
    environment["B12QA_ENCODER"] = encoder
    command = watched([*SERVER, "--index", index], trace)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as started:
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+", started.stdout.readline() if started.stdout else "")
            if found is None:
                sys.exit("The server did not start.")
            yield found[0]
        finally:
            started.send_signal(signal.SIGINT)


def visit(playwright: Playwright, address: str, trace: Path) -> tuple[list[str], list[str]]:
    """Use the page in every way: the addresses of all its requests, and the outcomes that were seen."""
    requests: list[str] = []
    done: list[str] = []
    with browsing(playwright, trace) as page:
        page.context.on("request", lambda request: requests.append(request.url))
        page.on("websocket", lambda connection: requests.append(connection.url))
        page.goto(address)
        page.locator("#reading .contents a").first.wait_for(state="attached")
        for outcome, question in OUTCOMES.items():
            ask(page, question)
            answer = page.locator("#conversation .b12qa.answer").last
            expect(answer).to_have_class(re.compile(rf"\b{outcome}\b"))
            done.append(outcome)
        for do in (open_article, copy_and_save, change_language, press_buttons):
            do(page)
            done.append(do.__name__.replace("_", " "))
        page.wait_for_timeout(2000)  # what is sent late is seen as well
    return requests, done


def ask(page: Page, question: str) -> None:
    """Type a question, press Enter, wait for one more answer."""
    answers = page.locator("#conversation .b12qa.answer")
    before = answers.count()
    box = page.locator("#question textarea")
    box.fill(question)
    box.press("Enter")
    expect(answers).to_have_count(before + 1)


def open_article(page: Page) -> None:
    """Open a quote in the article, and look for words there."""
    page.locator("#conversation a.open").first.click()
    expect(page.locator("#articles .place.opened")).to_be_visible()
    page.locator("#reading .find input").fill("clams")
    expect(page.locator("#articles mark.found").first).to_be_visible()
    page.locator("#reading .tools button.close").click()


def copy_and_save(page: Page) -> None:
    """Copy a quote and a link, and save the conversation."""
    page.locator("#conversation button.copy").first.click()
    page.locator("#conversation a.share").first.click()
    with page.expect_download():
        page.locator("#below button.save").click()


def change_language(page: Page) -> None:
    """To German and back."""
    for tag in ("de", "en"):
        page.locator(f"button.language[value={tag}]").click()
        expect(page.locator("html")).to_have_attribute("lang", tag)


def press_buttons(page: Page) -> None:
    """Ask what is suggested, and begin again."""
    answers = page.locator("#conversation .b12qa.answer")
    before = answers.count()
    page.locator("#conversation button.ask").last.click()
    expect(answers).to_have_count(before + 1)
    page.get_by_role("button", name="Start over").click()
    page.get_by_role("button", name="Delete all? Press again").click()
    expect(page.locator("#conversation .b12qa.welcome")).to_be_visible()


def browser_alone(playwright: Playwright, folder: Path) -> None:
    """What Chromium does without a page of ours."""
    with browsing(playwright, folder / "browser-alone") as page:
        page.goto("about:blank")
        page.wait_for_timeout(5000)


@contextmanager
def browsing(playwright: Playwright, trace: Path) -> Iterator[Page]:
    """A page in a Chromium that is watched."""
    starter = trace.with_suffix(".sh")
    starter.write_text(f'#!/bin/sh\nexec {shlex.join(watched([str(CHROMIUM)], trace))} "$@"\n', "utf-8")
    starter.chmod(0o755)
    browser = playwright.chromium.launch(executable_path=starter, args=ARGUMENTS)
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(WAIT_MILLISECONDS)
    expect.set_options(timeout=WAIT_MILLISECONDS)
    yield context.new_page()
    browser.close()


def call(address: str) -> list[str]:
    """Use every route for programs, rightly and wrongly; what came back."""
    question = {"question": OUTCOMES["answered"]}
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        post_mcp = partial(client.post, "/mcp", headers=MCP_HEADERS)
        responses = {
            "POST /api/ask": client.post("/api/ask", json=question),
            "too long": client.post("/api/ask", json={"question": OUTCOMES["refused"]}),
            "broken": client.post("/api/ask", content=b"{"),
            "POST /api/search": client.post("/api/search", json=question),
            "GET /api/search": client.get("/api/search", params={"q": "clams"}),
            "GET /api/document": client.get("/api/document"),
            "GET /api/docs": client.get("/api/docs"),
            "GET /api/openapi.json": client.get("/api/openapi.json"),
            "GET /metrics": client.get("/metrics"),
            "GET /healthz": client.get("/healthz"),
            "MCP ask": post_mcp(json=called("ask", question)),
            "MCP search": post_mcp(json=called("search", question)),
            "closed route": client.get("/gradio_api/file=/etc/hostname"),
        }
    return [f"{name} {response.status_code}" for name, response in responses.items()]


def called(tool: str, arguments: dict[str, str]) -> dict[str, Any]:
    """The call of a tool as MCP has it."""
    parameters = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters}


def table_rows(who: str, found: Counter[Seen]) -> list[Row]:
    """What was seen, one line for each address."""
    calls: dict[str, list[str]] = defaultdict(list)
    times: Counter[str] = Counter()
    for each, count in sorted(found.items()):
        calls[each.where].append(each.call)
        times[each.where] += count
    return [(who, where, ", ".join(calls[where]), times[where]) for where in sorted(calls)]


if __name__ == "__main__":
    main()
