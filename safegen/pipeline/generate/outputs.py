"""What a request is given: outputs that were allowed, explained and signed, and leave through here.

They leave when they are saved, or when their bytes are first asked for (`Release.outputs`),
whichever comes first; the log is told at that moment, once. What never leaves is never logged.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen import storage
from safegen.arguments import checked
from safegen.pipeline.generate.leaving import Output
from safegen.pipeline.generate.naming import names_of, new_id
from safegen.provenance.c2pa import sidecar
from safegen.provenance.log import placing
from safegen.schemas.canonical import sha256
from safegen.schemas.names import figure_of, receipt_beside
from safegen.schemas.receipt import read_receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from safegen.modality.base import Modality
    from safegen.pipeline.generate.leaving import Departure
    from safegen.pipeline.generate.signing import Sealed
    from safegen.schemas.receipt import GenerationRequest, Receipt

__all__ = ["Output", "Release"]


class Release:
    """Everything that one request was given, with the one door through which it leaves.

    Attributes:
        id: the release's own short name; by default, its files' names begin with it.
        seed: with which the same samples can be made again.
        unstamped: why time-stamps that were asked for are missing, in words; None otherwise.
    """

    def __init__(
        self, departure: Departure, *, own: str, seed: int, unstamped: str | None = None
    ) -> None:
        self.id = own
        self.seed = seed
        self.unstamped = unstamped
        self._departure = departure
        self._outputs: tuple[Output, ...] | None = None
        self._alone = threading.RLock()

    def __repr__(self) -> str:
        left = "not left yet" if self._outputs is None else "logged"
        return f"<Release {self.id} of {len(self)} outputs, {left}>"

    def __len__(self) -> int:
        return len(self._departure.sealed)

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' file names, in order; to know them is not to let anything out."""
        return tuple(item.sample.name for item in self._departure.sealed)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs in order. To ask for them lets them out: the log is told first.

        Raises:
            KeyMaterialError: the log is somebody else's, or nothing could be signed.
            StorageError: the log cannot be written; nothing is handed out.
        """
        with self._alone:
            if self._outputs is None:
                self._outputs = self._departure.log()
            return self._outputs

    @checked
    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write every output, its receipt and its explanation: all of them and the log, or nothing.

        What was saved into the folder before is left as it is. What a crash cut off there after the
        log had it is finished first (`safegen.provenance.log.placing`).

        Args:
            folder: made when it is missing. Outputs and receipts go into it, the explanations'
                pictures into `explanations/`.

        Returns:
            The outputs' paths.

        Raises:
            KeyMaterialError: the log is somebody else's, or nothing could be signed.
            StorageError: the folder or the log cannot be written, or such a file is there already.
        """
        folder = Path(folder)
        with self._alone, placing.reserved(folder, self._departure.ledger):
            if not self._is_in(folder):
                self._place(folder)
        return tuple(folder / name for name in self.names)

    def _place(self, folder: Path) -> None:
        departure = self._departure
        placing.require_room(folder, [each for item in departure.sealed for each in _files(item)])
        with placing.staged(folder, departure.ledger) as stage:
            for item in departure.sealed:
                name, figure, _, *beside = _files(item)
                stage.add(figure, item.figure)
                for each in beside:
                    stage.add(each, item.beside or b"")
                stage.add(name, item.data)

            def complete(outputs: Iterable[Output]) -> None:
                for output in outputs:
                    stage.add(files_of(output.name)[2], _written(output.receipt))
                stage.finish(str(departure.ledger.origin), departure.digests, last=self.names)

            if self._outputs is None:
                self._outputs = departure.log(complete)
            else:
                complete(self._outputs)
            stage.release()

    def _is_in(self, folder: Path) -> bool:
        """Whether a folder has all of this release already."""
        return all(_is_saved(item, folder) for item in self._departure.sealed)


def files_of(name: str, *, embeds: bool = True) -> tuple[str, ...]:
    """The files of an output, below its folder: itself, its explanation's picture, its receipt.

    Args:
        name: of its file.
        embeds: whether its manifest lies in it; if not, the manifest's file is the last.

    >>> files_of("a.webp")
    ('a.webp', 'explanations/a.png', 'a.receipt.json')
    >>> files_of("a.csv", embeds=False)[-1]
    'a.csv.c2pa'
    """
    path = Path(name)
    made = name, figure_of(path).as_posix(), receipt_beside(path).as_posix()
    return made if embeds else (*made, sidecar.beside(path).as_posix())


def _files(item: Sealed) -> tuple[str, ...]:
    return files_of(item.sample.name, embeds=item.beside is None)


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


def _is_saved(item: Sealed, folder: Path) -> bool:
    paths = [folder / each for each in _files(item)]
    if not all(path.is_file() and not path.is_symlink() for path in paths):
        return False
    data, figure, receipt, *beside = map(storage.read, paths)
    try:
        told = read_receipt(receipt).file_digest
    except ValidationError:
        return False
    signed = [] if item.beside is None else [item.beside]
    return (data, figure, told, beside) == (item.data, item.figure, sha256(item.data), signed)


def _written(receipt: Receipt) -> bytes:
    return receipt.model_dump_json(indent=2).encode() + b"\n"
