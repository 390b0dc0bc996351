"""Conversations by the names of their pages: a page that is loaded again goes on with its own.

A phone drops a page that is out of sight, and loads it anew. The browser keeps nothing of what was asked,
only the name of the page, drawn by lot; the words stay in this process, as long as the page says they do.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock, Timer
from typing import NamedTuple

from b12qa.web.replies import Conversation, Turn

MAX_KEPT = 10_000  # as many as Gradio keeps
SECONDS_BETWEEN_LOOKS = 60.0
_NAME = re.compile(r"[0-9a-f]{32}")  # 128 bits: nobody finds another one's by trying

# Which answers were rated, and how: by question and outcome, which is all that is kept of a rating.
Thumbs = Mapping[tuple[str, str], bool]


class _Kept(NamedTuple):
    conversation: Conversation
    since: float
    thumbs: Thumbs


class Memory:
    """The newest state of each conversation, by the name of its page."""

    def __init__(self, seconds: float = 60 * 60, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing.

        Args:
            seconds: so long after its last question a conversation is kept.
        """
        self.drop: Callable[[str], object] = lambda session: None  # forgets what Gradio keeps of a load
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # the oldest first
        self._is_watched = False
        self._lock = Lock()

    def known(self, so_far: Conversation, page: str) -> Conversation:
        """What was said on a page: since it was loaded, or else before."""
        if so_far.turns:
            return so_far
        with self._lock:
            self._forget_the_old()
            kept = self._kept.get(page)
        return so_far if kept is None else kept.conversation._replace(page_shows=so_far.page_shows)

    def keep(self, conversation: Conversation) -> None:
        """Keep one until it is forgotten; what was kept of an earlier load of its page is dropped."""
        if not _NAME.fullmatch(conversation.page):
            return
        with self._lock:
            before = self._kept.get(conversation.page)
            self._let_go(conversation.page, but=conversation.session)
            shown = {(turn.question, turn.outcome) for turn in conversation.turns}
            thumbs = {
                rated: thumb for rated, thumb in (before.thumbs if before else {}).items() if rated in shown
            }
            self._kept[conversation.page] = _Kept(conversation, self._clock(), thumbs)
            if len(self._kept) > MAX_KEPT:
                self._let_go(next(iter(self._kept)))
            is_watched, self._is_watched = self._is_watched, True
        if not is_watched:
            self._look_later()

    def shown_again(self, page: str, session: str) -> None:
        """A page was loaded again, and this load shows it; the load before is dropped, its hour goes on."""
        with self._lock:
            kept = self._kept.get(page)
            if kept is not None and kept.conversation.session != session:
                self.drop(kept.conversation.session)
                self._kept[page] = kept._replace(conversation=kept.conversation._replace(session=session))

    def thumbs(self, page: str) -> Thumbs:
        """How answers of a page were rated."""
        with self._lock:
            kept = self._kept.get(page)
            return {} if kept is None else kept.thumbs

    def rate(self, page: str, turn: Turn, thumb: bool | None) -> bool:
        """Note how an answer was rated, or with None that it was not.

        Returns:
            Whether it may be: not where it was rated before. A page without a name is not known.
        """
        rated = turn.question, turn.outcome
        with self._lock:
            kept = self._kept.get(page)
            if kept is None:
                return True
            if thumb is not None and rated in kept.thumbs:
                return False
            thumbs = {**kept.thumbs, rated: thumb}
            known = {one: given for one, given in thumbs.items() if given is not None}
            self._kept[page] = kept._replace(thumbs=known)
            return True

    def forget(self, conversation: Conversation) -> None:
        """Forget a conversation whose time is over, unless it went on since."""
        with self._lock:
            kept = self._kept.get(conversation.page)
            if kept is not None and kept.conversation == conversation:
                del self._kept[conversation.page]
        self.drop(conversation.session)

    def start_over(self, page: str, session: str) -> None:
        """Forget whatever was said on a page; the load that asks for it is told to forget by its answer."""
        with self._lock:
            self._let_go(page, but=session)

    def _let_go(self, page: str, but: str = "") -> None:
        """Forget a page, and drop the load that shows it, unless it is this one."""
        kept = self._kept.pop(page, None)
        if kept is not None and kept.conversation.session != but:
            self.drop(kept.conversation.session)

    def _forget_the_old(self) -> None:
        while self._kept:
            page, kept = next(iter(self._kept.items()))
            if kept.since + self._seconds > self._clock():
                return
            self._let_go(page)

    def _look_later(self) -> None:
        # Gradio tells of the end of what it keeps, and not where a page was gone before its answer came.
        timer = Timer(SECONDS_BETWEEN_LOOKS, self._look)
        timer.daemon = True
        timer.start()

    def _look(self) -> None:
        with self._lock:
            self._forget_the_old()
            is_watched = self._is_watched = bool(self._kept)
        if is_watched:
            self._look_later()
