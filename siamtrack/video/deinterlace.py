"""Interlaced pictures made whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import cast

import av
from av.filter import Graph

from siamtrack.video.packets import Decoded


def deinterlaced(decoded: Iterable[Decoded]) -> Iterator[Decoded]:
    """The same pictures with the same numbers and times; those that the decoder calls interlaced are deinterlaced.

    Of an interlaced picture's two fields, which were filmed at different times, the first is kept, and the lines between
    are interpolated from it and from its neighbours in time (FFmpeg's bwdif filter). Others stay as they are.
    """
    weaver: _Weaver | None = None
    for one in decoded:
        if weaver is not None and not weaver.takes(one.picture):
            yield from weaver.rest()
            weaver = None
        if weaver is None and one.picture.interlaced_frame:
            weaver = _Weaver(one.picture)
        if weaver is None:
            yield one
        else:
            yield from weaver.add(one)
    if weaver is not None:
        yield from weaver.rest()


class _Weaver:
    """The filter, for pictures of one size and format. It needs the next picture for each, so it is one behind."""

    def __init__(self, picture: av.VideoFrame) -> None:
        self._form = _form(picture)
        self._waiting: deque[Decoded] = deque()
        graph = Graph()
        self._input = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base or Fraction(1, 1000)
        )
        self._output = graph.add("buffersink")
        graph.link_nodes(self._input, graph.add("bwdif", mode="send_frame", deint="interlaced"), self._output)
        graph.configure()
        self._graph = graph

    def takes(self, picture: av.VideoFrame) -> bool:
        return _form(picture) == self._form

    def add(self, one: Decoded) -> Iterator[Decoded]:
        self._waiting.append(one)
        self._input.push(one.picture)
        yield from self._done()

    def rest(self) -> Iterator[Decoded]:
        self._input.push(None)
        yield from self._done()

    def _done(self) -> Iterator[Decoded]:
        while self._waiting:
            try:
                picture = cast(av.VideoFrame, self._output.pull())
            except (av.BlockingIOError, av.EOFError):
                return
            # Numbers and times are those that went in: the filter counts in a unit of its own.
            yield replace(self._waiting.popleft(), picture=picture)


def _form(picture: av.VideoFrame) -> tuple[int, int, str]:
    return picture.width, picture.height, picture.format.name
