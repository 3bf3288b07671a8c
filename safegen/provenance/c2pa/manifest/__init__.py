"""A manifest store in values: signed into a file or beside it, read back, and said.

values       what a manifest says and what validating it found
reading      bytes to these values, more strictly than C2PA's reader
signing      a claim to signed bytes, read back before they leave
statements   whose word each statement is
ingredients  what a file was made from, each with its state; `ancestry`: what those say
identities   who else stands for a file
credentials  the certificates that it was signed with
statuses     what C2PA's codes are about
"""

from safegen.provenance.c2pa.manifest.ingredients import TRUSTED
from safegen.provenance.c2pa.manifest.reading import read
from safegen.provenance.c2pa.manifest.signing import sign, sign_beside
from safegen.provenance.c2pa.manifest.statuses import UNTRUSTED
from safegen.provenance.c2pa.manifest.values import SIGNED, UNBOUND, Manifest, TimeStamp
from safegen.provenance.c2pa.sdk import EXPIRED, UnreadableManifestError

__all__ = [
    "EXPIRED",
    "SIGNED",
    "TRUSTED",
    "UNBOUND",
    "UNTRUSTED",
    "Manifest",
    "TimeStamp",
    "UnreadableManifestError",
    "read",
    "sign",
    "sign_beside",
]
