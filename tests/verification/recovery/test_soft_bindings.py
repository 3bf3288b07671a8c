"""C2PA's resolution API: what a server would answer."""

import base64
import sqlite3

import pytest

from safegen.errors import DataError, InputError
from safegen.verification.recovery import soft_bindings
from tests.verification.recovery.copies import WAYS, encoded


def test_a_binding_leads_to_its_manifest(releases):
    log, released = releases.ledger, releases.released[11]
    value = base64.b64encode(released.code).decode()
    found = soft_bindings.by_binding(log, alg="io.iscc.v0", value=value)
    (best, *_) = found.matches
    assert best.similarityScore == 100
    store = soft_bindings.manifest(log, best.manifestId)
    assert (store.content, store.mime) == (released.store, "application/c2pa")


def test_content_leads_to_the_same_manifest(releases):
    copy = WAYS["twice the size"](releases.released[12].picture)
    (best, *_) = soft_bindings.by_content(releases.ledger, copy).matches
    assert best.manifestId == releases.released[12].receipt.manifest


def test_matches_come_nearest_first_and_no_more_than_were_asked(releases):
    value = base64.b64encode(releases.released[0].code).decode()
    some = soft_bindings.by_binding(releases.ledger, alg="io.iscc.v0", value=value, max_results=1)
    assert len(some.matches) == 1
    every = soft_bindings.by_binding(releases.ledger, alg="io.iscc.v0", value=value)
    scores = [each.similarityScore for each in every.matches]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("asked", ["", "12", "urn:c2pa:other", "%"])
def test_there_is_no_manifest_by_another_name(releases, asked):
    assert soft_bindings.manifest(releases.ledger, asked) is None


def test_wrong_requests_are_refused(releases):
    log = releases.ledger
    with pytest.raises(InputError, match="no algorithm"):
        soft_bindings.by_binding(log, alg="com.other", value="")
    with pytest.raises(InputError, match="8 bytes in base64"):
        soft_bindings.by_binding(log, alg="io.iscc.v0", value="AAAA")
    with pytest.raises(InputError, match="at least one match"):
        soft_bindings.by_binding(log, alg="io.iscc.v0", value="AAAAAAAAAAA=", max_results=0)
    with pytest.raises(DataError, match="not a readable picture"):
        soft_bindings.by_content(log, b"nothing")


def test_what_is_supported_is_what_is_answered():
    said = soft_bindings.supported_algorithms()
    assert [each.alg for each in said.fingerprints] == ["io.iscc.v0"]
    assert said.watermarks == ()


def test_a_hint_that_the_client_found_itself_helps(releases):
    log, released = releases.ledger, releases.released
    other = base64.b64encode(released[30].code).decode()
    asked = {"hint_alg": "io.iscc.v0", "hint_value": other}
    content = encoded(released[12].picture)
    named = [each.manifestId for each in soft_bindings.by_content(log, content, **asked).matches]
    assert {released[at].receipt.manifest for at in (12, 30)} <= set(named)
    unknown = soft_bindings.by_content(log, content, hint_alg="com.other", hint_value=other)
    assert unknown == soft_bindings.by_content(log, content)


def test_an_answer_has_the_names_of_the_api(releases):
    found = soft_bindings.by_content(releases.ledger, encoded(releases.released[3].picture))
    said = found.model_dump(mode="json")["matches"][0]
    assert said == {"manifestId": releases.released[3].receipt.manifest, "similarityScore": 100}


def test_a_label_that_leads_to_another_row_leads_nowhere(copied):
    with sqlite3.connect(copied.location) as connection:
        connection.execute("UPDATE manifests SET number = 9 WHERE number = 4")
    asked = copied.released[4].receipt.manifest
    assert soft_bindings.manifest(copied.ledger, asked) is None
