"""The certificates in a manifest store, and stores that are not in the form they should be."""

import contextlib
import io
import json
import ssl

import c2pa
import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from safegen.provenance.c2pa.manifest.credentials import _decoded, certificates_in
from safegen.provenance.keys import algorithms, house, shown


@pytest.fixture(scope="module")
def store(seal, certified, issuing):
    """A signed store with its label and its certificates."""
    leaf = certified["es256"]
    sealed = seal(
        "es256", leaf.pem + issuing.pem, lambda data: algorithms.sign("es256", leaf.key, data)
    )
    with c2pa.Reader("image/png", io.BytesIO(sealed)) as reader:
        label = json.loads(reader.json())["active_manifest"]
        target = io.BytesIO()
        reader.resource_to_stream(label, target)
    return target.getvalue(), label, (leaf.certificate, issuing.certificate)


def test_they_are_read_leaf_first(store):
    data, label, chain = store
    assert certificates_in(data, label) == chain


def test_another_manifest_has_none_here(store):
    data, label, _ = store
    with pytest.raises(ValueError, match="no signature of"):
        certificates_in(data, f"{label}x")


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_certificate_that_cannot_be_taken_apart_is_none(certified, issuing):
    """Whichever bit is wrong: what is read gives names and a key, or nothing is read at all."""
    whole = certified["es256"].certificate.public_bytes(Encoding.DER)
    lost = 0
    for bit in range(8 * len(whole)):
        copy = bytearray(whole)
        copy[bit // 8] ^= 1 << bit % 8
        pem = ssl.DER_cert_to_PEM_cert(bytes(copy)).encode()
        read = house.certificates(pem + issuing.pem)
        lost += not read
        for each in read:
            assert house.key_id(each)
            assert shown.issuer_name(each)
        assert not house.same_house(read, (issuing.certificate,), (issuing.certificate,))
    assert 100 < lost < 8 * len(whole)


HEADER = b"\x18\x21\x82\x59"  # label 33, and a list of two byte strings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (HEADER, b"\x18\x22\x82\x59"),  # no chain at all
        (HEADER, b"\x18\x21\x83\x59"),  # a third that is not there
        (HEADER, b"\x18\x21\x9f\x59"),  # of no stated length
        (HEADER, b"\x18\x21\x82\x5b"),  # longer than any file
        (b"\xd2\x84", b"\xd2\x83"),
        (b"\xd2\x84", b"\xd2\xff"),
        (b"\xd2\x84", b"\x84\x84"),
    ],
)
def test_what_is_no_chain_is_refused(store, old, new):
    data, label, _ = store
    assert data.count(old) == 1
    with pytest.raises(ValueError, match=r"\w"):
        certificates_in(data.replace(old, new), label)


@given(data=st.data())
def test_whatever_is_broken_is_refused_in_one_way(store, data):
    whole, label, _ = store
    place = data.draw(st.integers(0, len(whole) - 1))
    junk = data.draw(st.binary(max_size=8))
    for broken in (whole[:place], whole[:place] + junk + whole[place + len(junk) :], junk):
        with contextlib.suppress(ValueError):
            certificates_in(broken, label)


single = st.one_of(
    st.none(), st.integers(-(2**64), 2**64 - 1), st.binary(max_size=300), st.text(max_size=300)
)
items = st.recursive(
    single,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.integers(-(2**31), 2**31), st.text()), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(items)
def test_cbor_is_read_as_a_library_reads_it(item):
    assert _decoded(cbor2.dumps(item)) == item
