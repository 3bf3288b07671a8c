"""Time-stamps from an authority (RFC 3161): required, or taken while the authority answers.

A time-stamp proves that a signature was made before its certificate expired, so that what was
signed stays valid afterwards.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from safegen.errors import KeyMaterialError, TimeStampError
from safegen.provenance.c2pa import manifest

if TYPE_CHECKING:
    from safegen.provenance.c2pa.claims import Claim
    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.keys.signer import Signer


class Stamping:
    """Signs with time-stamps; one that is not required is missed in silence but not in secret.

    An authority that is silent is waited for during half a minute, the only limit that the C2PA
    SDK has. So among many threads one asks first, and if it fails, all others go without.

    Attributes:
        url: the authority's address; None when no time-stamps are asked for.
        required: whether nothing may be signed without one.
        times: PEM roots of authorities whose time-stamps on earlier signatures are believed.
        missed: why a signature had to do without, in words; None while all have theirs.
    """

    def __init__(
        self, url: str | None, *, required: bool = False, times: bytes | None = None
    ) -> None:
        """Choose an authority.

        Raises:
            KeyMaterialError: time-stamps are required, and no authority is named, or it has no
                address of the web.
        """
        if required and url is None:
            raise KeyMaterialError(
                "time-stamps are required: name an authority with --time-stamps URL"
            )
        if url is not None:
            _require_address(url)
        self.url = url
        self.required = required
        self.times = times
        self.missed: str | None = None
        self._answers = False
        self._first = threading.Lock()

    def anew(self) -> Stamping:
        """The same for another piece of work, in which the authority is asked again."""
        return Stamping(self.url, required=self.required, times=self.times)

    def sign(self, data: bytes, claim: Claim, signer: Signer) -> tuple[bytes, Manifest]:
        """As `manifest.sign`, with a time-stamp where one is to be had.

        Raises:
            TimeStampError: one is required, and the authority gave none; nothing was signed.
        """
        return self._stamped(data, claim, signer, beside=False)

    def sign_beside(self, data: bytes, claim: Claim, signer: Signer) -> tuple[bytes, Manifest]:
        """As `manifest.sign_beside`, likewise."""
        return self._stamped(data, claim, signer, beside=True)

    def _stamped(
        self, data: bytes, claim: Claim, signer: Signer, *, beside: bool
    ) -> tuple[bytes, Manifest]:
        sign = partial(
            manifest.sign_beside if beside else manifest.sign,
            data,
            claim,
            signer,
            times=self.times,
        )
        with nullcontext() if self._answers else self._first:
            stamped = self._with_stamp(sign)
        return stamped or sign()

    def _with_stamp(self, sign: partial[tuple[bytes, Manifest]]) -> tuple[bytes, Manifest] | None:
        """Sign with a time-stamp; None when there is none and it may go without."""
        if self.url is None:
            return None
        if self.missed is None:
            try:
                signed = sign(stamps=self.url)
                _require_stamped(signed[1])
            except TimeStampError as error:
                self.missed = str(error)  # and never asked again
                if self.required:
                    raise
            else:
                self._answers = True
                return signed
        if self.required:
            raise TimeStampError(self.missed)
        return None


def _require_stamped(signed: Manifest) -> None:
    """An authority can also give a time-stamp that nobody will accept."""
    if signed.time_stamp is None:
        raise TimeStampError(
            "the time-stamp authority gave a time-stamp that does not hold; name another one, or "
            "sign without one where the policy allows it"
        )


def _require_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit or not url.isascii() or not url.isprintable() or " " in url:
        shown = url.partition("?")[0].rpartition("@")[2]  # a password may be in front of it
        raise KeyMaterialError(
            f"{shown!r} is no address of a time-stamp authority; name one like http://tsa.example/"
        )
