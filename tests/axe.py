"""What axe-core has to say against a page that a browser shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
# All rules in light; what dark changes are the colours.
RULES = {"light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "dark": ["color-contrast"]}
RUN_AXE = """
async ([rules, exclude]) => {
  const where = exclude.length ? { exclude } : document;
  const found = await axe.run(where, { runOnly: rules, resultTypes: ["violations"] });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => [one.id, ...one.nodes.map((node) => node.target.join(" "))]);
}
"""


def violations(page: Page, scheme: str, exclude: Sequence[Sequence[str]] = ()) -> list[Any]:
    """What is serious or critical, by rule and place; parts of the page may be left out."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[Any] = page.evaluate(RUN_AXE, [RULES[scheme], list(exclude)])
    return found
