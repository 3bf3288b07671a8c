"""What verify says of what a file was made from: sound, broken and declared, broken and not."""

import dataclasses
import json
import subprocess
import sys

import pytest

import safegen
from safegen.errors import SafegenError
from safegen.provenance.c2pa import claims, manifest
from safegen.report import junit, sarif
from safegen.report.verdicts import render

NAME = b"\x65tests"  # the claim generator, in a signed claim


def finding(verdict, step):
    return next(finding for finding in verdict.findings if finding.step == step)


@pytest.fixture
def look(forge, tmp_path):
    """Verify some bytes under the forge's own root."""

    def look(data, **options):
        (tmp_path / "file.png").write_bytes(data)
        return safegen.verify(tmp_path / "file.png", trust=forge.trust, **options)

    return look


@pytest.fixture
def broken(forge, mend):
    """A signed picture whose claim was changed."""
    return mend(changed(forge.signed(), NAME))


def changed(data, start, place=2):
    """One letter of what begins so is another, where it comes first."""
    copy = bytearray(data)
    copy[copy.index(start) + place] ^= 1
    return bytes(copy)


def test_what_holds_passes_and_what_has_no_manifest_is_not_checked(forge, look, media):
    assert finding(look(forge.signed()), "ingredients").codes == ("safegen.ingredients.none",)
    sound = look(forge.signed(ingredients=[("sound.png", forge.signed())]))
    assert finding(sound, "ingredients").codes == ("safegen.ingredients.sound",)
    plain = look(forge.signed(ingredients=[("plain.png", media["image/png"])]))
    assert finding(plain, "ingredients").codes == ("safegen.ingredients.unsigned",)
    assert {sound.state, plain.state} == {"trusted"}


def test_a_declared_failure_is_told_first_and_leaves_the_state(forge, look, broken):
    png = forge.signed(ingredients=[("sound.png", forge.signed()), ("broken.png", broken)])
    verdict = look(png)
    assert verdict.state == "trusted"
    said = finding(verdict, "ingredients")
    assert (said.outcome, said.codes) == (
        "warned",
        ("safegen.ingredients.declared-broken", "claimSignature.mismatch"),
    )
    assert said.text == (
        "It was made from broken.png, whose signature does not fit its manifest, as whoever used "
        "it says."
    )
    assert said.text in verdict.text
    assert finding(verdict, "integrity").outcome == "passed"
    sound, bad = verdict.ingredients
    assert (sound.state, sound.codes, bad.state) == ("sound", (), "broken")
    assert bad.codes == bad.declared == ("claimSignature.mismatch",)


def test_whoever_asks_strictly_refuses_it(forge, look, broken):
    png = forge.signed(ingredients=[("broken.png", broken)])
    verdict = look(png, strict=True)
    assert verdict.state == "invalid"
    assert finding(verdict, "ingredients").codes[0] == "safegen.ingredients.refused"
    assert verdict.text.startswith("It was made from broken.png, whose signature does not fit")
    assert look(forge.signed(), strict=True).state == "trusted"


def test_it_stays_declared_further_down_the_line(forge, look, broken):
    once = forge.signed(ingredients=[("broken.png", broken)])
    verdict = look(forge.signed(ingredients=[("once.png", once)]))
    assert verdict.state == "trusted"
    assert "from once.png, which was made from broken.png, whose signature" in verdict.text


def test_a_failure_that_only_a_later_signer_declared(forge, look, mend):
    """The ingredient's own signer knew of nothing; whoever used it saw it and wrote it down."""
    sound = forge.signed()
    made = forge.signed(ingredients=[("sound.png", sound)])
    spoilt = mend(changed(made, NAME))  # inside the ingredient, which comes first
    assert look(spoilt).state == "invalid"
    verdict = look(forge.signed(ingredients=[("spoilt.png", spoilt)]))
    assert verdict.state == "trusted"
    assert finding(verdict, "ingredients").outcome == "warned"
    assert "ingredient.manifest.mismatch" in finding(verdict, "ingredients").codes
    assert "from spoilt.png, which was made from sound.png, whose" in verdict.text


def test_what_was_changed_since_is_no_declared_failure(forge, look, mend, broken):
    png = forge.signed(ingredients=[("sound.png", forge.signed())])
    declared = forge.signed(ingredients=[("broken.png", broken)])
    for data in (changed(png, NAME), changed(declared, b"\x65tdsts", 3)):
        verdict = look(mend(data))
        assert verdict.state == "invalid"
        assert finding(verdict, "integrity").codes[0] == "safegen.integrity.ingredient"
        assert finding(verdict, "ingredients").codes[0] == "safegen.ingredients.broken"
        assert verdict.text.startswith("It was made from ")


def test_documents_for_programs_agree_with_the_exit_code(forge, broken, tmp_path):
    path = tmp_path / "file.png"
    path.write_bytes(forge.signed(ingredients=[("broken.png", broken)]))
    for options, code in (((), 0), (("--strict",), 1)):
        command = [sys.executable, "-m", "safegen", "verify", path, "--trust", forge.trust]
        done = subprocess.run([*command, *options], capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        assert b"broken.png, whose signature does not fit its manifest" in done.stdout
    warned = safegen.verify(path, trust=forge.trust)
    report = json.loads(sarif.render([warned]))["runs"][0]
    (result,) = report["results"]
    assert (result["ruleId"], result["level"]) == (
        "safegen.ingredients.declared-broken",
        "warning",
    )
    assert report["invocations"][0]["exitCode"] == 0
    assert 'failures="0"' in junit.render([warned])
    assert "warned: ingredients. It was made from broken.png" in junit.render([warned])


def test_several_files_are_asked_as_strictly(forge, broken, tmp_path):
    for name, parts in (("a.png", ()), ("b.png", [("broken.png", broken)])):
        (tmp_path / name).write_bytes(forge.signed(ingredients=parts))
    for strict, states in ((False, ["trusted", "trusted"]), (True, ["trusted", "invalid"])):
        verdicts = safegen.verify_tree([tmp_path], trust=forge.trust, strict=strict)
        assert [verdict.state for verdict in verdicts] == states


def test_we_declare_no_failures_ourselves(signer, media, broken):
    """Whoever signs with us is stopped: a broken ingredient is refused, not written down."""
    claim = claims.created_claim(
        title="x.png", mime="image/png", source_type=claims.SOURCE_TYPES["model"]
    )
    part = claims.Ingredient(
        name="part", title="b.png", mime="image/png", relationship="componentOf", content=broken
    )
    with pytest.raises(SafegenError, match=r"withheld.*claim signature is not valid"):
        manifest.sign(media["image/png"], dataclasses.replace(claim, ingredients=(part,)), signer)


def test_who_vouches_for_what_it_was_made_from(forge, made, media, signer, tmp_path):
    """Only an ingredient whose signer a list knows has a tick; further back nobody is asked."""
    source = claims.SOURCE_TYPES["digital-creation"]
    claim = claims.created_claim(title="x", mime="image/png", source_type=source)
    strange, _ = manifest.sign(media["image/png"], claim, signer)
    middle = forge.signed(ingredients=[("strange.png", strange)])
    path = tmp_path / "file.png"
    path.write_bytes(forge.signed(ingredients=[("strange.png", strange), ("middle.png", middle)]))
    vouched = {}
    for lists in ((), (forge.trust,), (made.root,), (forge.trust, made.root)):
        verdict = safegen.verify(path, trust=lists)
        first, second = verdict.ingredients
        vouched[len(lists), made.root in lists] = first.trusted, second.trusted
        (again,) = second.ingredients
        assert again.trusted == first.trusted
        shown = render([verdict]).partition("made from\n")[2].splitlines()
        marks = ["✓" if each.trusted else "~" for each in (first, second, again)]
        assert [line.strip()[0] for line in shown if line.strip()] == marks
        assert ("for whom no list of yours vouches" in first.text) != bool(first.trusted)
    assert vouched == {
        (0, False): (False, False), (1, False): (False, True),
        (1, True): (True, False), (2, True): (True, True),
    }  # fmt: skip
    only_times = safegen.verify(path, trust=forge.trust, time_trust=made.root)
    assert only_times.ingredients[0].trusted is False


def test_a_record_that_somebody_was_trusted_proves_nothing_further_back(
    forge, made, media, signer, tmp_path
):
    source = claims.SOURCE_TYPES["digital-creation"]
    claim = claims.created_claim(title="x", mime="image/png", source_type=source)
    first, _ = manifest.sign(media["image/png"], claim, signer)
    part = claims.Ingredient(
        name="part", title="first.png", mime="image/png", relationship="componentOf", content=first
    )
    second, _ = manifest.sign(  # which records that its maker's list vouches for the first
        media["image/png"], dataclasses.replace(claim, ingredients=(part,)), signer
    )
    path = tmp_path / "file.png"
    path.write_bytes(forge.signed(ingredients=[("second.png", second)]))
    for lists, expected in (((forge.trust,), (False, None)), ((made.root,), (True, None))):
        (item,) = safegen.verify(path, trust=lists).ingredients
        assert (item.trusted, item.ingredients[0].trusted) == expected
        assert "~ first.png" in render([safegen.verify(path, trust=lists)])
