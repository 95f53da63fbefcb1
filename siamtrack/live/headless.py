"""A live session without a window: on a server, or where there is no screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from siamtrack.boxes import Box
from siamtrack.errors import SourceError
from siamtrack.live.capture import Capture
from siamtrack.live.scene import Scene
from siamtrack.live.session import Session

_POLL_S = 0.2


def follow(
    capture: Capture, session: Session, boxes: Sequence[Box], watch: Callable[[Scene], None], stopped: Callable[[], bool]
) -> str:
    """Follow the targets that were boxed in the first frame, until the source ends or somebody stops it.

    Args:
        capture, session: where frames come from, and what tracks them; both are the caller's to close.
        boxes: the targets in the first frame, 0-based pixels.
        watch: called after each frame.
        stopped: asked several times a second, also while no frame comes.

    Returns:
        How it ended: `done`, `interrupted`, or the source's error.

    Raises:
        SourceError, ValueError: before the first frame was tracked.
    """
    began = False
    try:
        while not stopped():
            try:
                captured = capture.take(_POLL_S)
            except TimeoutError:
                continue
            if captured is None:
                return "done"
            scene = session.step(captured)
            if not began:
                for box in boxes:
                    session.add(box, captured)
                began = True
            watch(scene)
    except SourceError as error:
        if not began:
            raise
        return str(error)
    except KeyboardInterrupt:
        pass
    return "interrupted"
