"""Slides that come into the viewer, however they come, and leave it again."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from immunescape.errors import ImmunescapeError
from immunescape.napari.layers import facts_of, regions_from_layers
from immunescape.napari.session import finish
from immunescape.napari.showing import dress_slide, hide_result, place_slide, show_result
from immunescape.napari.step_widget import tell_error
from immunescape.napari.turns import Turns
from immunescape.napari.work import Work
from immunescape.pipeline.reopening import reopen_study
from immunescape.regions import Regions

if TYPE_CHECKING:
    from immunescape.napari.session import Session
    from immunescape.pipeline.reopening import Reopened
    from immunescape.slide import Slide
    from immunescape.study import Study

__all__ = ["Arrivals", "Arrived"]


@dataclass(eq=False)
class Arrived:
    """A slide that lies in the viewer, and what is known of it while another is worked on.

    Parameters
    ----------
    slide, path
        The slide, lazily, and its file.
    origin_um
        Where x and y of its origin are shown.
    result
        Folder of the result that it came with.
    drawn
        What came drawn with its layers.
    study, out, files
        Its study, folder and further inputs as they were left; None and empty at first, unless
        its layers tell them.
    front
        Whether it comes onto the workbench at once, though another slide is there.
    """

    slide: "Slide"
    path: Path
    origin_um: tuple[float, float] = (0.0, 0.0)
    result: Path | None = None
    drawn: Regions = field(default_factory=Regions)
    study: "Study | None" = None
    out: Path | None = None
    files: dict[str, Any] = field(default_factory=dict)
    front: bool = False

    def owns(self, facts: Any) -> bool:
        """Whether a layer with these facts shows this slide."""
        return bool(facts.get("path") == self.path and facts.get("slide") == self.slide.name)


class Arrivals:
    """The slides of a viewer; one of them is on the workbench.

    Layers of ours that are inserted are recognised by what they know about themselves, whoever
    inserted them: a file dropped on the window, File > Open, the sample data or the command line.
    The first slide that comes is taken up; the result that lies in its folder is loaded and shown.

    Parameters
    ----------
    session
        The session of the viewer.
    parent
        The window with which it ends.
    """

    changed = Signal()
    """Slides came or went, or another one is on the workbench."""

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        self.session = session
        self.slides: list[Arrived] = []
        self.current: Arrived | None = None
        self.work: Work | None = None
        self.reopening: Work | None = None
        self._dressed: tuple[Any, Any] = (None, None)
        self.turns = Turns(parent)
        session.arrivals = self
        self._timer = _soon(self.settle, parent)
        self._look = _soon(self._load, parent)
        layers = session.viewer.layers
        layers.events.inserted.connect(self._later)
        layers.events.removed.connect(self._later)
        session.slide_changed.connect(self._follow)
        session.finished_changed.connect(self._show)
        session.study_changed.connect(self._dress)
        self._later()

    def _later(self, event: Any = None) -> None:
        """Wait until all layers of a file are there, or gone."""
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._timer.start()

    def _ours(self) -> Iterator[Any]:
        for layer in self.session.viewer.layers:
            facts = facts_of(layer)
            if facts.get("opened") is not None and facts.get("path") is not None:
                yield facts

    def without_slide(self) -> list[Path]:
        """Return the folders of results in the viewer whose slide is not."""
        facts = [facts_of(layer) for layer in self.session.viewer.layers]
        results = [f["result"] for f in facts if f.get("result") is not None]
        known = [f["result"] for f in facts if f.get("result") is not None and f.get("opened")]
        return [r for r in dict.fromkeys(results) if r not in known and not self._made_here(r)]

    def _made_here(self, result: Path) -> bool:
        """Whether a result is that of a slide in the viewer, which lies elsewhere."""
        return any(result.name in (s.slide.name, s.files.get("name")) for s in self.slides)

    def settle(self) -> None:
        """Take note of the slides whose layers came, and of those whose layers are gone."""
        facts = list(self._ours())
        there = [s for s in self.slides if any(s.owns(f) for f in facts)]
        fresh: list[Arrived] = []
        for f in facts:
            if not any(s.owns(f) for s in (*there, *fresh)):
                fresh.append(
                    Arrived(
                        f["opened"],
                        Path(f["path"]),
                        f.get("origin_um", (0.0, 0.0)),
                        f.get("result"),
                        regions_from_layers(self.session.viewer, slide=f["slide"]),
                        study=f.get("study"),
                        out=f.get("out"),
                        files=dict(f.get("files", {})),
                        front=bool(f.get("front")),
                    )
                )
        if not fresh and len(there) == len(self.slides):
            if self.without_slide():
                self.changed.emit()
            return
        for left in self.slides:
            if left not in there:
                self.turns.drop(left.slide.name)
        self.slides = there + fresh
        back = next((s for s in fresh if s.result is not None or s.front), None)
        if back is not None or self.current not in self.slides:
            self.choose(back or next(iter(self.slides), None))
        else:
            self.changed.emit()

    def choose(self, arrived: Arrived | None) -> None:
        """Put another slide on the workbench; None clears it."""
        self._leave()
        self.current = arrived
        if arrived is None:
            if self.session.slide is not None:
                self.session.close()
        elif arrived.study is None and arrived.result is not None:
            work = Work(reopen_study, arrived.result / "study.toml", arrived.path, tells=False)
            work.returned.connect(lambda again: self._reopened(arrived, again))
            work.failed.connect(tell_error)
            self.reopening = work.start()
        else:
            self._open(arrived)
        self.changed.emit()

    def _leave(self) -> None:
        """Keep what the slide on the workbench was left with."""
        left = self.current
        if left is None or self.session.slide is not left.slide:
            return
        left.study, left.out = self.session.study, self.session.out
        left.files = self.session.own_files()

    def _reopened(self, arrived: Arrived, again: "Reopened") -> None:
        if self.current is not arrived or arrived.result is None:
            return
        result = arrived.result
        kept = result.with_name(f"{result.name}.session")
        arrived.out, arrived.files = result.parent, dict(again.files)
        if not (kept / "study.toml").is_file():
            arrived.study = again.study
        for text in again.missing:
            show_warning(text)
        self._open(arrived)

    def _open(self, arrived: Arrived) -> None:
        try:
            self.session.open(
                arrived.slide, arrived.path, study=arrived.study, out=arrived.out,
                origin_um=arrived.origin_um, **arrived.files,
            )  # fmt: skip
        except ImmunescapeError as error:
            tell_error(error)
            return
        # what came drawn with the layers is taken up where nothing was saved or given
        drawing = self.session.drawing
        saved = tuple(drawing.state) or self.session.annotations_path.is_file()
        if tuple(arrived.drawn) and not saved:
            drawing.push(arrived.drawn, "drawn before")
        arrived.drawn = Regions()  # what a person removes does not come back

    def replace(self, slide: "Slide", study: "Study") -> None:
        """Go on with the slide on the workbench opened as a study says; its layers follow."""
        arrived = self.current
        assert arrived is not None
        self._hide()
        place_slide(self.session.viewer, arrived.slide, slide)
        arrived.slide = slide
        self.session.replace_slide(slide, study)
        self.changed.emit()

    def _follow(self) -> None:
        """Look for a result, once all who listen have taken up the slide."""
        if self.work is not None:
            self.work.cancel()
            self.work = None
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._look.start()

    def _load(self) -> None:
        """Load the result that lies in the folder of the slide, if it still fits."""
        session = self.session
        if session.slide is None:
            return
        try:
            folder = session.folder
        except ImmunescapeError as error:
            tell_error(error)
            return
        brought = self.current.result if self.current is not None else None
        if not (folder / "study.toml").is_file():
            if brought is not None and brought.parent == folder.parent:
                show_warning(
                    f"{brought.name} is not named after its slide; call the folder {folder.name} "
                    "to go on with it"
                )
            else:
                self._hide()
            return
        session.message.emit(f"reading the result in {folder.parent.name}/{folder.name} …")
        slide = session.slide
        work = Work(finish, session.inputs, session.out, session.study, run=False)
        work.returned.connect(lambda finished: self._loaded(slide, finished))
        work.failed.connect(tell_error)
        work.title = f"reading the result of {slide.name}"
        self.work = work.start()

    def _loaded(self, slide: "Slide", finished: Any) -> None:
        session = self.session
        if session.slide is not slide or session.finished is not None:
            return
        if finished is None:
            self._hide()
            session.message.emit(
                f"{session.folder.name} holds a result made with other settings: "
                "Segment and measure makes it anew"
            )
            return
        session.set_finished(finished)
        session.message.emit(f"{len(finished.cells.frame)} cells read from {session.folder.name}")

    def _show(self) -> None:
        slide, finished = self.session.slide, self.session.finished
        if slide is not None and finished is not None:
            self.turns.begin(slide.name, show_result(self.session, finished))

    def _hide(self) -> None:
        if self.session.slide is not None:
            self.turns.drop(self.session.slide.name)
        hide_result(self.session)

    def _dress(self, study: Any = None) -> None:
        now = self.session.slide, self.session.panel
        if now != self._dressed:
            self._dressed = now
            dress_slide(self.session)

    def close_work(self, seconds: float = 60.0) -> None:
        """Stop looking, loading and showing, before the window goes."""
        self.turns.stop()
        for timer in (self._timer, self._look):
            with contextlib.suppress(RuntimeError):
                timer.stop()
        if self.work is not None and self.work.running:
            self.work.cancel()
            self.work.wait(seconds)


def _soon(act: Callable[[], None], parent: QObject | None) -> QTimer:
    """Return a timer that acts once the events at hand are dealt with."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(0)
    timer.timeout.connect(act)
    return timer
