"""A release that was cut off: what of it is there, as the receipts in its folder tell.

Parts are written whole or not at all, so what lies in the folder is some of the parts. Each receipt
has the signed request and names the release's file of numbers: that is all that is needed to make
the others as they would have been made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen import storage
from safegen.errors import InputError, StorageError
from safegen.schemas.canonical import sha256
from safegen.schemas.explanation import Explanation
from safegen.schemas.names import ARRAYS_SUFFIX, RECEIPT_SUFFIX
from safegen.schemas.receipt import read_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from safegen.schemas.receipt import AnyReceipt, GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A release of which some parts are there.

    Attributes:
        own: its short name.
        seed: of its samples.
        there: what each output that is there was asked as, and its file's name, by its place.
    """

    own: str
    seed: int
    there: dict[int, tuple[GenerationRequest, str]]

    def missing(
        self, requests: Sequence[GenerationRequest], names: Sequence[str], part: int
    ) -> list[int]:
        """Where the parts begin that are to be made.

        Args:
            requests: as they are asked now.
            names: as files would be called now.
            part: how many outputs a part has.

        Raises:
            InputError: what is there was asked, or called, otherwise.
        """
        for place, (request, name) in self.there.items():
            if requests[place] != request:
                raise InputError(
                    f"{name} was asked for otherwise; ask as when the release was begun, or leave "
                    "--resume away"
                )
            if names[place] != name:
                raise InputError(
                    f"{name} would now be called {names[place]}; give the same name and format"
                )
        starts = range(0, len(requests), part)
        left = [start for start in starts if start not in self.there]
        expected = {
            place
            for start in starts
            if start not in left
            for place in range(start, min(start + part, len(requests)))
        }
        if expected != set(self.there):
            raise InputError("some outputs of a part are gone; restore them, or begin anew")
        return left


def find_begun(folder: Path, model: str, *, count: int, purpose: str, seed: int | None) -> Begun:
    """The one release of a request that was begun in a folder, and not finished.

    Args:
        folder: it was saved into.
        model: the digest of what made it.
        count: of all its outputs.
        purpose: of its request.
        seed: of its samples, where several were begun; None for whichever was.

    Raises:
        InputError: there is none, it is whole, or there are several.
        StorageError: a file is not what its receipt says.
    """
    found: dict[str, Begun] = {}
    for receipt in _receipts(folder):
        request = receipt.request
        asked = (receipt.model, request.count, request.purpose)
        if asked != (model, count, purpose.strip()) or seed not in {None, request.seed}:
            continue
        _require_whole(folder / receipt.file, receipt.file_digest)
        own = _own(receipt)
        begun = found.setdefault(own, Begun(own=own, seed=request.seed, there={}))
        begun.there[request.index] = (request, receipt.file)
    open_ones = [each for each in found.values() if len(each.there) < count]
    if not open_ones:
        text = "it is whole already" if found else f"no release of {count} outputs was begun there"
        raise InputError(f"{folder}: {text}, for this purpose and by this model; nothing is made")
    if len(open_ones) > 1:
        seeds = ", ".join(str(each.seed) for each in open_ones)
        raise InputError(f"{folder}: several such releases were begun; give the --seed: {seeds}")
    return open_ones[0]


def _receipts(folder: Path) -> Iterator[AnyReceipt]:
    for path in sorted(folder.glob(f"*{RECEIPT_SUFFIX}")):
        try:
            receipt = read_receipt(storage.read(path))
        except ValidationError:
            continue
        if isinstance(receipt.explanation, Explanation):
            yield receipt


def _own(receipt: AnyReceipt) -> str:
    """A release's short name, of which its files of numbers are called."""
    assert isinstance(receipt.explanation, Explanation)
    return receipt.explanation.arrays.file.removesuffix(ARRAYS_SUFFIX).partition("-")[0]


def _require_whole(path: Path, digest: str) -> None:
    if not path.is_file() or sha256(storage.read(path)) != digest:
        raise StorageError(f"{path} is not what the release wrote there; restore it")
