"""Conversations by the names of their pages: a page that is loaded again goes on with its own.

A phone drops a page that is out of sight, and loads it anew. The browser keeps nothing of what was asked,
only the name of the page, drawn by lot; the words stay in this process, as long as the page says they do.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from b12qa.web.replies import Conversation

MAX_KEPT = 10_000  # as many as Gradio keeps
_NAME = re.compile(r"[0-9a-f]{32}")  # 128 bits: nobody finds another one's by trying


class Memory:
    """The newest state of each conversation, by the name of its page."""

    def __init__(self) -> None:
        self.drop: Callable[[str], object] = lambda session: None  # forgets what Gradio keeps of a load
        self._kept: OrderedDict[str, Conversation] = OrderedDict()
        self._lock = Lock()

    def known(self, so_far: Conversation, page: str) -> Conversation:
        """What was said on a page: since it was loaded, or else before."""
        if so_far.turns:
            return so_far
        with self._lock:
            kept = self._kept.get(page)
        return so_far if kept is None else kept._replace(page_shows=so_far.page_shows)

    def keep(self, conversation: Conversation) -> None:
        """Keep one until it is forgotten; what was kept of an earlier load of its page is dropped."""
        if not _NAME.fullmatch(conversation.page):
            return
        with self._lock:
            before = self._kept.pop(conversation.page, None)
            self._kept[conversation.page] = conversation
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        if before is not None and before.session != conversation.session:
            self.drop(before.session)

    def forget(self, conversation: Conversation) -> None:
        """Forget a conversation whose time is over, unless it went on since."""
        with self._lock:
            if self._kept.get(conversation.page) == conversation:
                del self._kept[conversation.page]
        self.drop(conversation.session)

    def start_over(self, so_far: Conversation) -> None:
        """Forget whatever was said on a page; the load that asks for it is told to forget by its answer."""
        with self._lock:
            kept = self._kept.pop(so_far.page, None)
        if kept is not None and kept.session != so_far.session:
            self.drop(kept.session)
