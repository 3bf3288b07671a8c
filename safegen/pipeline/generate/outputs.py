"""What a request is given: outputs that were allowed, explained and signed, and leave through here.

They leave when they are saved, or when their bytes are first asked for (`Release.outputs`),
whichever comes first; the log is told at that moment, once. What never leaves is never logged.

A large release is made part by part while it is saved: each part is signed, logged in one
transaction and placed, and then forgotten, so that memory does not grow with the release, and a
crash leaves whole parts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from safegen import storage
from safegen.arguments import checked
from safegen.errors import InputError, StorageError
from safegen.pipeline.generate.leaving import Output
from safegen.pipeline.generate.naming import names_of, new_id
from safegen.pipeline.generate.parts import Part, files_of
from safegen.pipeline.generate.shown import html_of_all
from safegen.provenance.log import placing
from safegen.schemas.canonical import sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.modality.base import Modality
    from safegen.pipeline.generate.leaving import Departure
    from safegen.schemas.receipt import GenerationRequest

__all__ = ["Output", "Release"]


class Release(Sequence[Output]):
    """Everything that one request was given, with the one door through which it leaves.

    It is a sequence of its outputs: to take one, or to go through them, is to ask for `outputs`. To
    print it, to ask how long it is, or to show it in a notebook lets nothing out.

    Attributes:
        id: the release's own short name; by default, its files' names begin with it.
        seed: with which the same samples can be made again.
    """

    def __init__(
        self,
        departure: Departure,
        *,
        own: str,
        seed: int,
        names: Sequence[str] | None = None,
        rest: Sequence[Callable[[], Departure]] = (),
        unstamped: Callable[[], str | None] = lambda: None,
        unmarked: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.id = own
        self.seed = seed
        self._parts = [Part(departure)]  # that were made, and are not written and forgotten
        self._rest = deque(rest)  # how to make the others
        self._names = tuple(self._parts[0].names if names is None else names)
        self._streams = bool(rest)
        self._written: dict[str, str] = {}  # digests, by name, of what was written and forgotten
        self._folder: Path | None = None  # where that lies
        self._ledger = departure.ledger
        self._embeds = departure.embeds
        self._unstamped = unstamped
        self._unmarked = unmarked
        self._alone = threading.RLock()

    def __repr__(self) -> str:
        left = bool(self._written) or any(part.is_logged for part in self._parts)
        return f"<Release {self.id} of {len(self)} outputs, {'logged' if left else 'not left yet'}>"

    def _repr_html_(self) -> str:
        """How a notebook shows it: those of its outputs that have left, and that are remembered."""
        left = [each for part in self._parts if part.is_logged for each in part.outputs()]
        return html_of_all(left, len(self))

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> Output: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Output, ...]: ...
    def __getitem__(self, place: int | slice) -> Output | tuple[Output, ...]:
        return self.outputs[place]

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' file names, in order; to know them is not to let anything out."""
        return self._names

    @property
    def unstamped(self) -> str | None:
        """Why time-stamps that were asked for are missing, in words; None otherwise."""
        return self._unstamped()

    @property
    def unmarked(self) -> str | None:
        """Which outputs carry no mark in their pixels, and why, in words; None where all do."""
        return self._unmarked()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs in order. To ask for them lets them out: the log is told first.

        All of them are then in memory; `save` of a large release is not.

        Raises:
            InputError: they were written and forgotten by `save`.
            KeyMaterialError: the log is somebody else's, or nothing could be signed.
            Refused: of a large release, the policy does not allow an output that was only made now.
            StorageError: the log cannot be written; nothing is handed out.
        """
        with self._alone:
            self._require_remembered()
            self._streams = False
            while self._rest:
                self._make_next()
            return tuple(output for part in self._parts for output in part.outputs())

    @checked
    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write every output, its receipt and its explanation: all of them and the log, or nothing.

        A large release is written part by part, each all or nothing; what stops it leaves whole
        parts behind, and saving again into the same folder goes on. What was saved into the folder
        before is left as it is. What a crash cut off there after the log had it is finished first
        (`safegen.provenance.log.placing`).

        Args:
            folder: made when it is missing. Outputs and receipts go into it, the explanations'
                numbers and pictures into `explanations/`.

        Returns:
            The outputs' paths.

        Raises:
            InputError: a large release was written into another folder before.
            KeyMaterialError: the log is somebody else's, or nothing could be signed.
            Refused: of a large release, the policy does not allow an output that was only made now.
            StorageError: the folder or the log cannot be written, or such a file is there already.
        """
        folder = Path(folder)
        with self._alone, placing.reserved(folder, self._ledger):
            self._require_remembered(folder)
            if self._streams:
                self._stream(folder)
            else:
                for part in self._parts:
                    if not part.is_in(folder):
                        part.place(folder)
        return tuple(folder / name for name in self._names)

    @property
    def _departure(self) -> Departure:
        return self._parts[0].departure

    def _make_next(self) -> None:
        """Make the next part; one that fails is tried again by whoever asks again."""
        self._parts.append(Part(self._rest[0]()))
        self._rest.popleft()

    def _stream(self, folder: Path) -> None:
        if self._parts and self._parts[0].is_in(folder):  # a crash came between the log and us
            self._forget(folder)
        waiting = self._names[len(self._written) :]
        placing.require_room(folder, self._files_of(waiting))
        while self._parts or self._rest:
            if not self._parts:
                self._make_next()
            self._parts[0].place(folder)
            self._forget(folder)

    def _files_of(self, names: Sequence[str]) -> list[str]:
        return [each for name in names for each in files_of(name, embeds=self._embeds)]

    def _forget(self, folder: Path) -> None:
        self._written |= self._parts[0].digests()
        self._folder = folder
        del self._parts[0]

    def _require_remembered(self, folder: Path | None = None) -> None:
        """What was written and forgotten must be where it was written."""
        if not self._written:
            return
        if folder is None or folder.resolve() != (self._folder or folder).resolve():
            raise InputError(
                f"{len(self._written)} outputs of this release were written into {self._folder} "
                "and are kept there alone: read or copy them there"
            )
        for name, digest in self._written.items():
            path = folder / name
            if not path.is_file() or sha256(storage.read(path)) != digest:
                raise StorageError(f"{path} is not what this release wrote there; restore it")


def require_free(
    folder: Path, name: str, requests: Sequence[GenerationRequest], modality: Modality
) -> None:
    """Refuse, before anything is made, a folder that holds files by names that were asked for.

    Raises:
        RequestError: the name is unfit.
        StorageError: nothing is written.
    """
    names = names_of(requests, name, own=new_id(), suffix=modality.suffix)
    embeds = modality.embeds
    placing.require_room(folder, [each for name in names for each in files_of(name, embeds=embeds)])
