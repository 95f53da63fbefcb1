"""The session of a client that films: its pictures come, their results go back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from siamtrack.errors import SiamtrackError
from siamtrack.live.capture import Captured
from siamtrack.live.session import Session
from siamtrack.live.web.client import CLOSE_FAILED, Client
from siamtrack.live.web.jpeg import MAX_PIXELS, PictureError, decode_jpeg
from siamtrack.live.web.protocol import ProtocolError, scene_data
from siamtrack.live.web.served_session import OwnSession
from siamtrack.live.web.turns import Turns


@dataclass(frozen=True)
class _Arrived:
    """A picture that came: its client, its number there, its index here, and the time."""

    client: Client
    seq: int
    jpeg: bytes
    index: int
    at: float


class CameraSession(OwnSession):
    """Tracks what one client films.

    Args:
        arguments: as for `OwnSession`. decoding: runs what makes pictures of JPEGs.
    """

    mode = "camera"
    session: Session

    def __init__(self, *arguments: Any, decoding: Turns) -> None:
        super().__init__(*arguments)
        self._decoding = decoding
        self._waiting: _Arrived | None = None
        self._tracking: asyncio.Task[None] | None = None
        self._frames = 0
        self._began_at = 0.0
        self._size_wh: tuple[int, int] | None = None

    def enter(self, client: Client) -> None:
        """As `OwnSession.enter`; pictures of another client are of no use."""
        self._waiting = None
        super().enter(client)

    def expect(self, size_wh: tuple[int, int]) -> None:
        """Pictures are of frames of this size from now on.

        Raises:
            ProtocolError: it is more than pictures may have.
        """
        if size_wh[0] * size_wh[1] > MAX_PIXELS:
            raise ProtocolError(f"frames of {size_wh[0]}x{size_wh[1]}; at most {MAX_PIXELS} pixels are tracked")
        self._size_wh = size_wh

    def take(self, client: Client, seq: int, jpeg: bytes) -> None:
        """A picture came. If the one before is still waiting, it is dropped."""
        if client not in self.clients:
            return
        if self._waiting is not None:
            client.tell("skipped", seq=self._waiting.seq)
            client.charge(len(self._waiting.jpeg))
        now = time.perf_counter()
        self._began_at = self._began_at or now
        self._waiting = _Arrived(client, seq, jpeg, self._frames, now)
        self._frames += 1
        if self._tracking is None or self._tracking.done():
            self._tracking = asyncio.create_task(self._track_all())

    async def _track_all(self) -> None:
        """Track the pictures that wait, until none does."""
        while self._waiting is not None:
            arrived, self._waiting = self._waiting, None
            client = arrived.client
            try:
                await self._track(arrived)
            except PictureError as error:
                client.tell("skipped", seq=arrived.seq)
                client.blame(str(error), len(arrived.jpeg))
            except (SiamtrackError, ValueError) as error:  # a full disk, say: the next frame may do
                client.tell("skipped", seq=arrived.seq)
                self.complain(str(error))
            except Exception:  # without this task the client gets no answers any more
                client.end(CLOSE_FAILED, "tracking broke off")
                raise

    async def _track(self, arrived: _Arrived) -> None:
        taken_at = time.perf_counter()
        image = await self._decoding.run(self.name, decode_jpeg, arrived.jpeg, self._size_wh)
        frame = Captured(arrived.index, arrived.at - self._began_at, image, arrived.at)
        scene = await self._in_turn(self.session.step, frame)
        arrived.client.keep(arrived.seq, frame)
        if scene.notice:
            self.complain(scene.notice)
        # The client sends its next picture when this one is done, not before.
        arrived.client.tell(
            "result",
            seq=arrived.seq,
            waited_ms=round(1000 * (taken_at - arrived.at), 1),
            worked_ms=round(1000 * (time.perf_counter() - taken_at), 1),
            scene=scene_data(scene),
        )
