"""What the keys and the mouse do to a session. It knows no window: events come in, and its attributes say what to show."""

from __future__ import annotations

from collections.abc import Callable

from siamtrack.boxes import Box
from siamtrack.errors import OutputError
from siamtrack.live.scene import Scene
from siamtrack.live.session import Session
from siamtrack.live.window.keys import Action, action_of, digit_of
from siamtrack.live.window.picture import View, target_at
from siamtrack.live.window.screen import KeyPress, Pointer
from siamtrack.live.window.selection import Drag, Selection
from siamtrack.video.overlay import SeenTarget

NOTICE_S = 5.0
"""Seconds for which a notice is shown."""


class Controls:
    """Carries out what the user does.

    Args:
        session: that it is done to; it has had its first frame.
        clock: seconds, for notices.
        full_screen: makes the window fill the screen, or stop doing so.
        waiting: the picture stands until a target is drawn or the user lets it run.

    Attributes:
        selection: what is being drawn.
        pointer: window pixel under the mouse; None until it was seen there.
        paused: whether the user paused.
        waiting: see above; ends with the first target.
        step: whether one frame is to come all the same; whoever gives it takes this back.
        ended: set from outside when no more frames come.
        help, trails: whether they are to be shown.
        quit: whether the user has enough.
    """

    def __init__(
        self,
        session: Session,
        clock: Callable[[], float],
        full_screen: Callable[[], None] = lambda: None,
        waiting: bool = False,
    ) -> None:
        self.selection = Selection()
        self.pointer: tuple[int, int] | None = None
        self.waiting = waiting
        self.paused = self.step = self.ended = self.help = self.quit = False
        self.trails = True
        self._session, self._clock, self._full_screen = session, clock, full_screen
        self._is_full = False
        self._selected: str | None = None
        self._notice, self._notice_until = "", 0.0
        self._recorded_from_s = 0.0

    @property
    def scene(self) -> Scene:
        """What the session shows now."""
        scene = self._session.scene
        if scene is None:
            raise ValueError("the session has had no frame yet; call its step() first")
        return scene

    @property
    def held(self) -> bool:
        """Whether the picture stands still."""
        return self.paused or self.waiting or self.ended or self.selection.active

    @property
    def selected(self) -> str | None:
        """Name of the selected target; None if there is none, or no more."""
        return self._selected if self._selected in self._session.names else None

    @property
    def notice(self) -> str:
        """What the user should read now; "" for nothing."""
        return self._notice if self._clock() < self._notice_until else ""

    @property
    def hint(self) -> str:
        """What the user can do now; "" for nothing."""
        if self.selection.hint:
            return self.selection.hint
        if self.selection.armed:
            return f"drag a box over {self.selection.target or 'the target'}; Esc: give up"
        if self.ended:
            return "end of file; q closes"
        return "" if self.scene.targets else "drag a box over the target; h: all keys"

    @property
    def recorded_s(self) -> float | None:
        """Seconds of the recording; None if there is none."""
        return self.scene.frame.time_s - self._recorded_from_s if self._session.recording else None

    def say(self, notice: str) -> None:
        """Show a notice for a while, in place of the one before."""
        self._notice, self._notice_until = notice, self._clock() + NOTICE_S

    def handle(self, event: KeyPress | Pointer, view: View) -> None:
        """Carry out one event; `view` is the one in which the user saw the picture."""
        try:
            if isinstance(event, Pointer):
                self._on_pointer(event, view)
            else:
                self._on_key(event.code)
        except (OutputError, ValueError) as error:  # told in the picture: the user is looking at it, and may go on
            self.say(str(error))

    def _on_pointer(self, event: Pointer, view: View) -> None:
        self.pointer = (event.x, event.y)
        if event.kind == "press":
            self.help = False
        elif event.kind == "zoom":
            self.say("the wheel enlarges the whole window; turn it back before you draw")
        self._take(self.selection.handle(event, view))

    def _on_key(self, code: int) -> None:
        action, selection = action_of(code), self.selection
        # While the button is down, a key that changes the picture would take it from under the box.
        if selection.drag is not None and action not in (Action.PICK, Action.TAKE, Action.GIVE_UP, Action.QUIT):
            return
        match action:
            case Action.DRAW:
                if not selection.cancel():
                    selection.arm()
            case Action.REDRAW:
                if (name := self._chosen()) is not None:
                    selection.arm(name)
            case Action.PICK:
                self._pick(digit_of(code))
            case Action.NEXT:
                self._next()
            case Action.REMOVE:
                if (name := self._chosen()) is not None:
                    self.say(f"{name} removed")
                    self._session.remove(name)
            case Action.PAUSE | Action.STEP if self.ended:
                self.say("this is the last frame; q closes")
            case Action.PAUSE:
                self._pause()
            case Action.STEP:
                self.paused = self.paused or not self.held
                self.step = True
            case Action.RECORD:
                self._record()
            case Action.SCREENSHOT:
                self.say(f"{self._session.screenshot()} written")
            case Action.TRAILS:
                self.trails = not self.trails
            case Action.FULL_SCREEN:
                self._toggle_full_screen()
            case Action.HELP:
                self.help = not self.help
            case Action.TAKE:
                self._take(selection.release())
            case Action.GIVE_UP if selection.cancel():
                pass
            case Action.GIVE_UP if self.help:
                self.help = False
            case Action.GIVE_UP if self._is_full:
                self._toggle_full_screen()
            case Action.GIVE_UP | Action.QUIT:
                self.quit = True

    def _toggle_full_screen(self) -> None:
        self._is_full = not self._is_full
        self._full_screen()

    def _take(self, drag: Drag | None) -> None:
        if drag is None:
            return
        seen = target_at(self.scene.targets, drag.point_xy) if drag.is_click and not self.selection.armed else None
        if seen is not None:
            self._select(seen)
        elif drag.problem:
            self.say(drag.problem)
        else:
            target = self.selection.target
            self.selection.cancel()
            self._follow(drag.box, target)

    def _follow(self, box: Box, target: str | None) -> None:
        if target is not None and target in self._session.names:
            self._session.reselect(target, box)
            self._selected = target
        else:
            self._selected = self._session.add(box)
        self.waiting = False

    def _select(self, seen: SeenTarget) -> None:
        self._selected = seen.name
        self.say(f"{seen.name} selected; r: draw it anew, x: stop following it")

    def _pick(self, number: int) -> None:
        seen = next((seen for seen in self.scene.targets if seen.number == number), None)
        if seen is None:
            self.say(f"there is no target {number}")
        else:
            self._select(seen)

    def _next(self) -> None:
        targets = self.scene.targets
        names = [seen.name for seen in targets]
        if not targets:
            self.say("there is no target yet")
        else:
            self._select(targets[(names.index(self._selected) + 1) % len(names) if self._selected in names else 0])

    def _chosen(self) -> str | None:
        """The selected target, or the only one; says what to do if there is neither."""
        names = self._session.names
        if self.selected is None and len(names) != 1:
            self.say("select a target first: click into its box, or press its number" if names else "there is no target yet")
        return self.selected or (names[0] if len(names) == 1 else None)

    def _pause(self) -> None:
        if self.selection.cancel():
            return  # to let a frozen picture run is to give up the box
        if self.waiting:
            self.waiting = False
        else:
            self.paused = not self.paused

    def _record(self) -> None:
        begin = not self._session.recording
        path = self._session.record(begin)
        self._recorded_from_s = self.scene.frame.time_s
        if begin:
            self.say(f"recording to {path}")
        else:
            self.say(f"{path} written" if path is not None else "nothing was recorded: no frame came meanwhile")
