"""What every key service must do, whoever runs it."""

import re

import pytest

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.opener import check_signer, open_signer


@pytest.fixture
def makes_trusted_pictures(root, sealed_is_trusted):
    """Opens a key by its URI, and signs a picture that others trust."""

    def check(uri, algorithm):
        signer = open_signer(uri)
        assert signer.algorithm == algorithm
        assert signer.key_pem is None
        assert sealed_is_trusted(signer, root.pem)

    return check


@pytest.fixture
def cannot_be_used():
    """A key is refused with the service's own words, and `keys check` says so; gives the words."""

    def check(uri, words):
        place, _, reason = words.partition(" ")
        with pytest.raises(KeyMaterialError, match=f"{place} cannot be used: {reason}") as raised:
            open_signer(uri)
        (finding,) = check_signer(uri)
        assert finding.code == "cannot-sign"
        assert re.search(reason, finding.text)
        return str(raised.value)

    return check
