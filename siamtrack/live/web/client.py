"""One client as a session sees it: what it is sent, no more than it can take, and why it has to go."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from fastapi import WebSocket

from siamtrack.live.capture import Captured
from siamtrack.live.web.access import Allowance
from siamtrack.live.web.jpeg import encode_jpeg
from siamtrack.live.web.protocol import pack_picture, pack_text

LEVELS = ((1280, 80), (960, 75), (720, 68), (540, 62), (400, 56), (300, 50))
"""Longest side and JPEG quality of pictures, best first; boxes and targets are of the whole frame all the same."""

SLOW_S, QUICK_S = 0.15, 0.06
"""A picture that takes so much longer than a word has waited in a queue, or has not."""

BETTER_S, LONGEST_S = 2.0, 60.0
"""Seconds of quick pictures before larger ones are tried: twice as long after each try that failed, up to the longest."""

MOST, PAUSE_S = 8, 1.0

KEPT, KEPT_BYTES = MOST + 2, 2**26
"""Frames that a client may name in `hold`: those on their way, the one it shows, and the one before; of huge ones fewer."""

MESSAGES_PER_S, MESSAGES, MESSAGE_BYTES = 5.0, 20.0, 2**16
"""Messages of a client, each `MESSAGE_BYTES` of a long one: so many a second, so many at once after a rest, and what it gets of
`COMMON_PER_S`. What is above that is read later. Pictures that are tracked do not count, nor do answers to pictures."""

COMMON_PER_S, COMMON = 120.0, 240.0
"""Messages of all clients together beside each one's own: a key that is held down sends 60 a second, and of fifty clients that
flood the server each is read a few times a second."""

STRIKES, STRIKE_BYTES = 10, 2**18
"""Broken messages, less one a second, until a connection is closed; so many bytes count as one more."""

MAX_WAITING = 256
"""Texts that may wait for a client that does not read them."""

CLOSE_BROKEN, CLOSE_TAKEN_OVER, CLOSE_REFUSED, CLOSE_SLOW, CLOSE_FAILED = 4000, 4001, 4002, 4003, 4011
"""WebSocket's close codes. The page does not come back by itself after `CLOSE_TAKEN_OVER`."""


class Line:
    """What the line to one client takes: how large pictures are, and how many may be under way. `live-line.js` does the same
    for those that come from a client.

    Attributes:
        level: index in `LEVELS` of the pictures to send.
    """

    def __init__(self) -> None:
        self.level = 0
        self._better_s = BETTER_S
        self._quick_since = self._answered_at = -1.0
        self._tried_at = float("-inf")
        self._between_s = 0.0  # answers

    def most(self, word_s: float) -> int:
        """How many pictures may be under way: as many as the line holds, and one more.

        Args:
            word_s: seconds of a message without a picture, there and back.
        """
        return min(MOST, max(2, 1 + -int(-word_s // max(self._between_s, 1e-3))))

    def took(self, level: int, seconds: float, word_s: float, now: float) -> None:
        """A picture of a level took so long to be answered."""
        between = now - self._answered_at
        if self._answered_at >= 0 and between < PAUSE_S:
            self._between_s = 0.8 * self._between_s + 0.2 * between if self._between_s else between
        self._answered_at = now
        if level != self.level:
            return  # sent before the last change
        if seconds - word_s > SLOW_S:
            if now - self._tried_at < 2 * BETTER_S:
                self._better_s = min(2 * self._better_s, LONGEST_S)
            self.level = min(self.level + 1, len(LEVELS) - 1)
            self._quick_since = now
        elif seconds - word_s > QUICK_S or self._quick_since < 0:
            self._quick_since = now
        elif now - self._quick_since > self._better_s:
            self.level = max(self.level - 1, 0)
            self._quick_since = self._tried_at = now


class Picture:
    """A frame for all clients: made into a JPEG of a size once, when the first of them wants it.

    Args:
        frame: without boxes; the page draws those itself.
        header: what is known of the frame; called when the picture is sent, so that it is as new as can be.
    """

    def __init__(self, frame: Captured, header: Callable[[], dict[str, Any]]) -> None:
        self.frame, self.header = frame, header
        self._jpegs: dict[int, asyncio.Future[bytes]] = {}

    async def jpeg(self, level: int) -> bytes:
        """The frame as a JPEG of a level of `LEVELS`."""
        if level not in self._jpegs:
            self._jpegs[level] = asyncio.ensure_future(asyncio.to_thread(encode_jpeg, self.frame.image, *LEVELS[level]))
        # Others wait for it too: a client that goes away must not take it with it.
        return await asyncio.shield(self._jpegs[level])


class Client:
    """The sending side of one WebSocket. All methods are called from the event loop, and only `send` waits.

    Args:
        websocket: accepted.
        common: messages that it shares with the other clients; None if there are no others.

    Attributes:
        ended: set once the connection is to be closed; nothing new is sent from then on.
    """

    def __init__(self, websocket: WebSocket, common: Allowance | None = None) -> None:
        self.ended = asyncio.Event()
        self._websocket = websocket
        self._wake = asyncio.Event()
        self._texts: deque[str] = deque()
        self._closing = (CLOSE_FAILED, "")
        # The newest picture that was not sent, the numbers of those under way, and the frames that can be drawn on.
        self._next: Picture | None = None
        self._under_way: dict[int, tuple[int, float]] = {}  # with their level, and when they were sent
        self._line, self._word_s = Line(), 0.0
        self._sent = self._skipped = 0
        self._kept: OrderedDict[int, Captured] = OrderedDict()
        self._held: tuple[int, Captured] | None = None
        self._strikes, self._blamed_at = 0.0, time.monotonic()
        self._allowance = Allowance(MESSAGES_PER_S, MESSAGES, common=common)

    async def send(self) -> None:
        """Send what there is, as it comes, until the connection is closed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._texts:
                await self._websocket.send_text(self._texts.popleft())
                await asyncio.sleep(0)  # the others' turn
            if self.ended.is_set():
                await self._websocket.close(*self._closing)
                return
            if self._next is not None and len(self._under_way) < self._line.most(self._word_s):
                picture, self._next = self._next, None
                level = self._line.level
                jpeg = await picture.jpeg(level)
                self._sent += 1
                self._under_way[self._sent] = level, time.monotonic()
                self.keep(self._sent, picture.frame)
                header = {"seq": self._sent, "skipped": self._skipped, **picture.header()}
                await self._websocket.send_bytes(pack_picture(jpeg, **header))
                self._wake.set()  # there may be more by now

    def tell(self, kind: str, **values: Any) -> None:
        """Send a text of `protocol.pack_text`, when its turn comes."""
        if len(self._texts) >= MAX_WAITING:
            self.end(CLOSE_SLOW, "too many messages were not read")
        elif not self.ended.is_set():
            self._texts.append(pack_text(kind, **values))
            self._wake.set()

    def offer(self, picture: Picture) -> None:
        """Send a picture, if the client can take it before a newer one comes."""
        self._skipped += self._next is not None
        self._next = picture
        self._wake.set()

    def drawn(self, seq: int, word_s: float) -> bool:
        """A picture has been drawn: another one may follow. A word takes `word_s` there and back. False if none was sent."""
        sent = self._under_way.pop(seq, None)
        if sent is not None:
            self._word_s, now = word_s, time.monotonic()
            self._line.took(sent[0], now - sent[1], word_s, now)
            self._wake.set()
        return sent is not None

    def keep(self, seq: int, frame: Captured) -> None:
        """Remember a frame that the client shows or soon will, so that boxes can be drawn on it."""
        self._kept[seq] = frame
        while len(self._kept) > max(4, min(KEPT, KEPT_BYTES // max(frame.image.nbytes, 1))):
            self._kept.popitem(last=False)

    def hold(self, seq: int | None) -> None:
        """Remember a frame, if it is kept yet, until another one is held or None."""
        frame = self._kept.get(seq) if seq is not None else None
        self._held = (seq, frame) if seq is not None and frame is not None else None

    def frame(self, seq: int | None) -> Captured | None:
        """The frame that a box was drawn on; None for None, which means the newest.

        Raises:
            ValueError: it is not kept any more.
        """
        if seq is None:
            return None
        if self._held is not None and self._held[0] == seq:
            return self._held[1]
        if seq not in self._kept:
            raise ValueError("the picture that the box was drawn on is not there any more; draw it again")
        return self._kept[seq]

    def charge(self, size: int) -> None:
        """A message of `size` bytes came that counts."""
        self._allowance.use(1 + size / MESSAGE_BYTES)

    async def rest(self) -> None:
        """Let others have their turn, until this one may send again."""
        await asyncio.sleep(self._allowance.wait_s)

    def blame(self, problem: str, size: int) -> None:
        """Tell the client that its message of `size` bytes was broken; one that goes on like this is closed."""
        now = time.monotonic()
        self._strikes = max(0.0, self._strikes - (now - self._blamed_at)) + 1 + size / STRIKE_BYTES
        self._blamed_at = now
        self.charge(size)
        self.tell("error", message=problem, about="message")
        if self._strikes > STRIKES:
            self.end(CLOSE_BROKEN, "too many broken messages")

    @property
    def closed(self) -> int | None:
        """The code that the connection is closed with; None until there is one."""
        return self._closing[0] if self.ended.is_set() else None

    def end(self, code: int, reason: str) -> None:
        """Close the connection, after what was told before."""
        if not self.ended.is_set():
            self._closing = (code, reason)
            self.ended.set()
            self._wake.set()
