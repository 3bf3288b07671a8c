"""Time-stamps from an authority (RFC 3161): required, or taken while the authority answers.

A time-stamp proves that a signature was made before its certificate expired, so that what was
signed stays valid afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import KeyMaterialError, TimeStampError
from safegen.provenance import manifest

if TYPE_CHECKING:
    from safegen.provenance.claims import Claim
    from safegen.provenance.manifest import Manifest
    from safegen.provenance.signer import Signer


class Stamping:
    """Signs with time-stamps; one that is not required is missed in silence but not in secret.

    Attributes:
        url: the authority's address; None when no time-stamps are asked for.
        required: whether nothing may be signed without one.
        missed: why a signature had to do without, in words; None while all have theirs.
    """

    def __init__(self, url: str | None, *, required: bool = False) -> None:
        """Choose an authority.

        Raises:
            KeyMaterialError: time-stamps are required, and no authority is named, or it has no
                address of the web.
        """
        if required and url is None:
            raise KeyMaterialError(
                "the policy requires time-stamps: name an authority with --time-stamps URL"
            )
        if url is not None and not url.startswith(("http://", "https://")):
            raise KeyMaterialError(f"{url} is no address of a time-stamp authority; it is http(s)")
        self.url = url
        self.required = required
        self.missed: str | None = None

    def anew(self) -> Stamping:
        """The same for another piece of work, in which the authority is asked again."""
        return Stamping(self.url, required=self.required)

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
        sign = manifest.sign_beside if beside else manifest.sign
        if self.url is not None and self.missed is None:
            try:
                return sign(data, claim, signer, stamps=self.url)
            except TimeStampError as error:
                if self.required:
                    raise
                self.missed = str(error)  # and never asked again: it may take half a minute
        return sign(data, claim, signer)
