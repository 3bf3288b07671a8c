"""A screen as a policy means it: which one it is, by its digest, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen.errors import InputError
from safegen.schemas.measurement import ScreenMeasurement
from safegen.screens.classifier import Classifier
from safegen.screens.likeness import Embedder, Likeness
from safegen.screens.measure import TIMEOUT_SECONDS, Screened, measure, within
from safegen.screens.onnx import require_digest
from safegen.screens.registry import require_protocol
from safegen.screens.screen import digest_of
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from safegen.schemas.screens import Denies, ScreenDocument
    from safegen.screens.screen import Batch, Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundScreen:
    """A screen that cannot be swapped for another of its name.

    Attributes:
        screen: what measures.
        digest: of the screen when the policy was loaded.
        seconds: within which it must answer for a batch.
        threshold: of its score; None where the policy names none.
        denies: on which side of the threshold scores are forbidden.
        by: the policy that declares it; None of one that is only registered.
        measurement: of its error rates, as it was found beside the policy: nobody has checked yet
            who signed it, nor whether it is of this screen.
    """

    screen: Screen
    digest: str
    seconds: float = TIMEOUT_SECONDS
    threshold: float | None = None
    denies: Denies = "above"
    by: str | None = None
    measurement: ScreenMeasurement | None = None

    @property
    def name(self) -> str:
        """The screen's."""
        return self.screen.name

    @property
    def file_digest(self) -> str | None:
        """Of its network; None where it has none."""
        stated = getattr(self.screen, "file_digest", None)
        return stated if isinstance(stated, str) else None

    def open(self) -> None:
        """Open what it needs, so that what is wrong is known before anything is made.

        Raises:
            InputError: its file is another one, or of another shape, or takes too long.
        """
        opening = getattr(self.screen, "open", None)
        if callable(opening):
            told = within(self.seconds, opening, self.screen)
            if isinstance(told, InputError):
                raise told
            if isinstance(told, BaseException):
                raise InputError(f"it could not be opened: {told}") from told

    def agrees(self, other: BoundScreen) -> bool:
        """Whether two policies mean the same by a name."""
        mine = (self.digest, self.threshold, self.denies, self.measurement)
        return mine == (other.digest, other.threshold, other.denies, other.measurement)


def bound(
    screen: Screen, *, threshold: float | None = None, denies: Denies = "above"
) -> BoundScreen:
    """A screen as it is now.

    Args:
        screen: that is registered, or one of your own.
        threshold: of its score.
        denies: on which side of the threshold scores are forbidden.
    """
    seconds = getattr(screen, "seconds", None)
    return BoundScreen(
        screen=screen,
        digest=digest_of(screen),
        threshold=threshold,
        denies=denies,
        seconds=float(seconds) if isinstance(seconds, int | float) else TIMEOUT_SECONDS,
    )


def declared(
    name: str, document: ScreenDocument, folder: Path, known: Mapping[str, Screen], by: str
) -> BoundScreen:
    """The screen that a policy declares.

    Args:
        name: of the screen.
        document: what the policy says of it.
        folder: the policy's, beside whose file the screen's lies.
        known: screens that are registered, or were passed in Python.
        by: the policy's name.

    Raises:
        InputError: the name is taken or unknown, or the registered screen is another one.
        StorageError: its file cannot be read.
    """
    if document.classifier is None and document.likeness is None:
        if name not in known:
            raise InputError(
                f"no screen is registered as {name!r}; give its file and classifier, or import it "
                "before the policy is loaded"
            )
        screen = known[name]
        _require_pinned(screen, document.digest)
    else:
        if name in known:
            raise InputError(
                f"{name!r} is a screen already, by {type(known[name]).__module__}; give this one "
                "another name"
            )
        screen = _made(name, document, folder)
    require_protocol(screen)
    usual = bound(screen)
    return BoundScreen(
        screen=screen,
        digest=usual.digest,
        seconds=usual.seconds if document.seconds is None else document.seconds,
        threshold=document.threshold,
        denies=document.denies,
        by=by,
        measurement=_measurement(folder / document.measured) if document.measured else None,
    )


def _measurement(path: Path) -> ScreenMeasurement:
    try:
        return ScreenMeasurement.model_validate_json(read(path))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise InputError(
            f"{path} is no record of `safegen screens measure`: {where}: {problem['msg']}"
        ) from error


def _made(name: str, document: ScreenDocument, folder: Path) -> Screen:
    """The screen that a policy brings along, with files that have the digests that it names."""
    file = None if document.file is None else folder / document.file
    if file is not None and document.digest is not None:
        require_digest(file, document.digest)
    if document.likeness is None:
        assert file is not None
        assert document.classifier is not None
        return Classifier(name, file, document.classifier, digest=document.digest)
    wanted = document.likeness
    embedder = None
    if file is not None and wanted.input is not None:
        embedder = Embedder(file, wanted.input, digest=document.digest, output=wanted.output)
    place = folder / wanted.registry
    return Likeness(name, place, embedder=embedder, registry_digest=wanted.digest)


def measure_bound(screens: Sequence[BoundScreen], batch: Batch) -> tuple[Screened, ...]:
    """Measure a whole batch; a screen that is not what it was when the policy was loaded fails.

    Args:
        screens: asked one after the other, each once.
        batch: of samples.

    Returns:
        As `safegen.screens.measure`.
    """
    same = [each for each in screens if digest_of(each.screen) == each.digest]
    seconds = {each.name: each.seconds for each in same}
    swapped = {
        each.name: "it is another screen than the one with which the policy was loaded"
        for each in screens
        if each not in same
    }
    seen = measure([each.screen for each in same], batch, seconds=seconds)
    return tuple(Screened(scores=one.scores, failures={**one.failures, **swapped}) for one in seen)


def _require_pinned(screen: Screen, digest: str | None) -> None:
    found = digest_of(screen)
    if digest is not None and digest != found:
        raise InputError(
            f"the screen that is registered as {screen.name!r} is another one: its digest is "
            f"{found}, and the policy says {digest}"
        )
