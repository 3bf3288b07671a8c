"""One batch of a release: signed together, logged in one transaction, placed all or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen import storage
from safegen.explain.arrays import packed
from safegen.provenance.c2pa import sidecar
from safegen.provenance.log import placing
from safegen.schemas.canonical import sha256
from safegen.schemas.names import EXPLANATIONS, figure_of, receipt_beside
from safegen.schemas.receipt import read_receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from safegen.pipeline.generate.leaving import Departure, Output
    from safegen.pipeline.generate.signing import Sealed


class Part:
    """Outputs that wait in memory until they leave together."""

    def __init__(self, departure: Departure) -> None:
        self.departure = departure
        self._outputs: tuple[Output, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' file names, in order."""
        return tuple(item.sample.name for item in self.departure.sealed)

    @property
    def is_logged(self) -> bool:
        """Whether it has left."""
        return self._outputs is not None

    def outputs(self) -> tuple[Output, ...]:
        """The outputs in order, which the log is told of first."""
        if self._outputs is None:
            self._outputs = self.departure.log()
        return self._outputs

    def digests(self) -> dict[str, str]:
        """Of each output's file, by its name."""
        return {item.sample.name: sha256(item.data) for item in self.departure.sealed}

    def place(self, folder: Path) -> None:
        """Write all of it into a folder that is reserved, and tell the log in the same moment."""
        departure = self.departure
        placing.require_room(folder, [each for item in departure.sealed for each in _files(item)])
        with placing.staged(folder, departure.ledger) as stage:
            stage.add_all([*_contents(departure.sealed), self._arrays])

            def complete(outputs: Iterable[Output]) -> None:
                stage.add_all([_receipt_file(each) for each in outputs])
                stage.finish(str(departure.ledger.origin), departure.digests, last=self.names)

            if self._outputs is None:
                self._outputs = departure.log(complete)
            else:
                complete(self._outputs)
            stage.release()

    def is_in(self, folder: Path) -> bool:
        """Whether a folder has all of it already."""
        name, data = self._arrays
        arrays = folder / name
        return (
            arrays.is_file()
            and storage.read(arrays) == data
            and all(_is_saved(item, folder) for item in self.departure.sealed)
        )

    @property
    def _arrays(self) -> tuple[str, bytes]:
        """The file of all explanations' numbers, below the folder, and its bytes."""
        explained = [item.sample.explanation for item in self.departure.sealed]
        name = f"{EXPLANATIONS}/{explained[0].record.arrays.file}"
        return name, packed([each.attributions for each in explained])


def files_of(name: str, *, embeds: bool = True) -> tuple[str, ...]:
    """The files of an output, below its folder: itself, its explanation's picture, its receipt.

    The picture is there only where a full explanation was asked for.

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


def _contents(sealed: Iterable[Sealed]) -> Iterator[tuple[str, bytes]]:
    """What is known before the log is asked: files, and manifests and pictures beside them."""
    for item in sealed:
        name, figure, _, *beside = _files(item)
        if item.figure is not None:
            yield figure, item.figure
        for each in beside:
            yield each, item.beside or b""
        yield name, item.data


def _is_saved(item: Sealed, folder: Path) -> bool:
    output, figure, receipt, *beside = (folder / each for each in _files(item))
    wanted = {output: item.data} | dict.fromkeys(beside, item.beside or b"")
    if item.figure is not None:
        wanted[figure] = item.figure
    if not all(path.is_file() and not path.is_symlink() for path in (*wanted, receipt)):
        return False
    try:
        told = read_receipt(storage.read(receipt)).file_digest
    except ValidationError:
        return False
    same = all(storage.read(path) == data for path, data in wanted.items())
    return same and told == sha256(item.data)


def _receipt_file(output: Output) -> tuple[str, bytes]:
    data = output.receipt.model_dump_json(indent=2).encode() + b"\n"
    return files_of(output.name)[2], data
