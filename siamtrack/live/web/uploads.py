"""Video files that clients send, piece by piece: limited, looked at before anything reads them, and removed when done."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from siamtrack.errors import OutputError
from siamtrack.live.frame_store import LEAST_FREE
from siamtrack.system import make_folder

MAX_VIDEO = 2**30
"""Bytes of one file."""
MAX_PIECE = 4 * 2**20
"""Bytes of one piece."""
MAX_UPLOADS = 4
"""Files on their way at a time."""
STALE_S = 60.0
"""An upload that gets no piece for so long is given up."""

_HEADS = (
    (4, (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"), ".mp4"),
    (0, (b"\x1aE\xdf\xa3",), ".mkv"),
    (8, (b"AVI ",), ".avi"),
    (0, (b"OggS",), ".ogv"),
    (0, (b"FLV\x01",), ".flv"),
    (0, (b"\x47@",), ".ts"),
)
"""Where these containers have which bytes. Others are refused: playlists and the like would make the reader open files and
addresses of the server's."""


@dataclass
class Upload:
    """A file on its way.

    Attributes:
        name: secret; whoever knows it may send pieces. title: what the client calls the file. size: of the whole file.
        path: of what has come. received: bytes of it. lock: held while a piece is written, which may come twice at once.
    """

    name: str
    title: str
    size: int
    path: Path
    received: int = 0
    touched_at: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def whole(self) -> bool:
        """Whether all has come."""
        return self.received == self.size


class Uploads:
    """The files on their way to one server.

    Args:
        folder: where they lie meanwhile; made when the first one comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploads: dict[str, Upload] = {}

    def begin(self, title: str, size: int) -> Upload:
        """Expect a file.

        Raises:
            ValueError: it is empty or too large, or too many are on their way. OutputError: it cannot be written.
        """
        if not 0 < size <= MAX_VIDEO:
            raise ValueError(f"the file has {size / 2**20:.0f} MiB; a video of at most {MAX_VIDEO >> 20} MiB can be sent")
        for old in [one for one in self._uploads.values() if time.monotonic() - one.touched_at > STALE_S]:
            self.drop(old)
        if len(self._uploads) >= MAX_UPLOADS:
            raise ValueError(f"busy: {MAX_UPLOADS} videos are being sent already; try again when one of them is done")
        make_folder(self._folder)
        if shutil.disk_usage(self._folder).free < size + LEAST_FREE:
            raise ValueError("the server's disk is too full for this file")
        name = secrets.token_urlsafe(16)
        upload = Upload(name, title[:200], size, self._folder / name)
        self._uploads[name] = upload
        return upload

    def named(self, name: str) -> Upload:
        """An upload by its name.

        Raises:
            ValueError: there is none.
        """
        if name not in self._uploads:
            raise ValueError("this file is not on its way any more; send it again")
        return self._uploads[name]

    def add(self, upload: Upload, at: int, piece: bytes) -> None:
        """Take the next piece; one that came before is left out.

        Raises:
            ValueError: it is no next piece, or the file is no video of a known kind; then it is dropped.
            OutputError: it cannot be written.
        """
        with upload.lock:
            if at + len(piece) == upload.received and piece:
                return  # its answer was lost on the way
            if at != upload.received or not piece or at + len(piece) > upload.size:
                raise ValueError(f"a piece from byte {at} on; byte {upload.received} is the next one")
            if at == 0:
                self._check(upload, piece)
            try:
                make_folder(self._folder)
                with upload.path.open("ab") as file:
                    file.write(piece)
            except OSError as error:
                self.drop(upload)
                raise OutputError(f"the file cannot be kept ({error.strerror})") from error
            upload.received += len(piece)
            upload.touched_at = time.monotonic()

    def take(self, upload: Upload) -> None:
        """It is somebody else's from now on."""
        self._uploads.pop(upload.name, None)

    def drop(self, upload: Upload) -> None:
        """Give it up."""
        self.take(upload)
        self.remove(upload.path)

    def remove(self, path: Path) -> None:
        """Remove a file, and the folder with the last one."""
        path.unlink(missing_ok=True)
        with suppress(OSError):  # there are others, or it has gone
            self._folder.rmdir()

    def close(self) -> None:
        """Give all up."""
        for upload in list(self._uploads.values()):
            self.drop(upload)

    def _check(self, upload: Upload, head: bytes) -> None:
        ending = next((ending for at, marks, ending in _HEADS if head[at:].startswith(marks)), None)
        if ending is None:
            self.drop(upload)
            raise ValueError(f"{upload.title} is no video of a known kind (MP4, MOV, WebM, MKV, AVI, OGG, FLV, TS)")
        upload.path = upload.path.with_suffix(ending)
