"""Likeness of what is protected: codes or embeddings, consents that end, and no pictures kept."""

import io
import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from safegen.cli.commands import build
from safegen.errors import InputError, PolicyError, StorageError
from safegen.modality.registry import modality_of
from safegen.policy.load import load_policy
from safegen.schemas.canonical import sha256
from safegen.schemas.card import PictureShape
from safegen.schemas.screens import PictureInput
from safegen.screens import likeness
from safegen.screens.likeness import Embedder, Likeness, protect
from safegen.screens.measure import measure
from safegen.screens.screen import Batch
from tests.screens.networks import SIDE, digits, write_classifier

TOMORROW = datetime.now(UTC).date() + timedelta(days=1)


def faces(count=6):
    """Smooth random RGB pictures of 64 x 64 pixels, each unlike the others."""
    rough = np.random.default_rng(3).integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    grown = [np.asarray(Image.fromarray(one).resize((64, 64))) for one in rough]
    return np.stack(grown).transpose(0, 3, 1, 2)


def batch(pictures):
    channels, height, width = pictures.shape[1:]
    shape = PictureShape(channels=channels, height=height, width=width)
    return Batch(samples=pictures, requests=(), modality=modality_of(shape))


def compressed(pictures):
    """The same after JPEG, darker."""
    again = []
    for one in pictures:
        file = io.BytesIO()
        Image.fromarray((one.transpose(1, 2, 0) * 0.9).astype(np.uint8)).save(
            file, "JPEG", quality=60
        )
        again.append(np.asarray(Image.open(file)).transpose(2, 0, 1))
    return np.stack(again)


def protected(registry, pictures, **said):
    """Enter pictures as files, as people have them."""
    paths = []
    for place, one in enumerate(pictures):
        paths.append(registry.parent / f"entered-{place}.png")
        Image.fromarray(one[0] if len(one) == 1 else one.transpose(1, 2, 0)).save(paths[-1])
    return protect(registry, paths, **said)


def scores(screen, pictures):
    seen = measure([screen], batch(pictures))
    assert not [each.failures for each in seen if each.failures]
    return [each.scores["people"] for each in seen]


def test_a_copy_is_found_by_its_code_and_others_are_not(tmp_path):
    protected(tmp_path / "r.json", (faces()[:2]), name="J. Doe", what="person")
    screen = Likeness("people", tmp_path / "r.json")
    found = scores(screen, np.concatenate([compressed(faces()[:2]), faces()[2:]]))
    assert min(found[:2]) > 0.9
    assert max(found[2:]) < 0.8


def embedder(tmp_path, **wanted):
    write_classifier(tmp_path / "embed.onnx")
    wanted = {"size": (SIDE, SIDE), "colours": "grey"} | wanted
    return Embedder(tmp_path / "embed.onnx", PictureInput.model_validate(wanted))


def test_embeddings_are_compared_by_their_angle(tmp_path):
    """A classifier's logits as an embedding: digits of one class lie close."""
    pictures, labels = digits()
    protected(
        tmp_path / "r.json", (pictures[labels == 7][:20]), name="seven", what="mark",
        embedder=embedder(tmp_path),
    )  # fmt: skip
    screen = Likeness("people", tmp_path / "r.json", embedder=embedder(tmp_path))
    found = np.array(scores(screen, pictures[100:400]))
    sevens = labels[100:400] == 7
    assert np.median(found[sevens]) > 0.9
    assert np.median(found[~sevens]) < 0.6
    assert 0 <= found.min() <= found.max() <= 1


def test_a_registry_holds_no_picture(tmp_path):
    protected(tmp_path / "r.json", (faces()), name="J. Doe", what="person")
    kept = json.loads((tmp_path / "r.json").read_bytes())
    assert {len(entry["features"]) for entry in kept["entries"]} == {12}  # 8 bytes as base64
    assert len((tmp_path / "r.json").read_bytes()) < 150 * len(faces())


def consented(tmp_path, until):
    protected(
        tmp_path / "r.json", (faces()[:1]), name="J. Doe", what="person",
        consent=("contract 114", until),
    )  # fmt: skip
    return protected(tmp_path / "r.json", (faces()[1:2]), name="A. Roe", what="person")


def test_whoever_consented_may_be_resembled_until_the_last_day(tmp_path, monkeypatch):
    consented(tmp_path, TOMORROW)
    screen = Likeness("people", tmp_path / "r.json")
    doe, roe = scores(screen, faces()[:2])
    assert doe < 0.8
    assert roe == 1
    monkeypatch.setattr(likeness, "_today", lambda: TOMORROW)
    assert scores(screen, faces()[:1]) == [doe]
    monkeypatch.setattr(likeness, "_today", lambda: TOMORROW + timedelta(days=1))
    (seen,) = measure([screen], batch(faces()[3:4]))
    assert "the consent of 'J. Doe' (contract 114) ended on" in seen.failures["people"]
    with pytest.raises(InputError, match=r"the consent of 'J\. Doe' .* renew it, or take it out"):
        Likeness("people", tmp_path / "r.json")


def test_where_all_consented_nothing_is_resembled(tmp_path):
    protected(
        tmp_path / "r.json", (faces()[:1]), name="J. Doe", what="person",
        consent=("contract 114", TOMORROW),
    )  # fmt: skip
    assert scores(Likeness("people", tmp_path / "r.json"), faces()[:1]) == [0.0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda said: said | {"entries": []}, "entries: Tuple should have at least 1 item"),
        (lambda said: said | {"method": "embeddings"}, "embeddings have an embedder"),
        (lambda said: said | {"picture": "..."}, "picture: Extra inputs are not permitted"),
        (
            lambda said: said | {"entries": [said["entries"][0] | {"features": "?"}]},
            r"entries\.0\.features",
        ),
        (
            lambda said: (
                said | {"entries": [*said["entries"], said["entries"][0] | {"features": "AAAA"}]}
            ),
            "features of different lengths",
        ),
    ],
)
def test_a_registry_that_cannot_be_read_is_refused(tmp_path, change, reason):
    protected(tmp_path / "r.json", (faces()[:1]), name="J. Doe", what="person")
    said = json.loads((tmp_path / "r.json").read_bytes())
    (tmp_path / "r.json").write_text(json.dumps(change(said)))
    with pytest.raises(InputError, match=reason):
        Likeness("people", tmp_path / "r.json")
    with pytest.raises(StorageError, match="cannot read"):
        Likeness("people", tmp_path / "none.json")


def test_a_registry_of_another_network_is_refused(tmp_path):
    protected(
        tmp_path / "r.json",
        (digits()[0][:3]),
        name="x",
        what="mark",
        embedder=embedder(tmp_path),
    )
    with pytest.raises(InputError, match="was made with another network; give the network"):
        Likeness("people", tmp_path / "r.json", embedder=embedder(tmp_path, white=255))
    with pytest.raises(InputError, match="was made with another network"):
        Likeness("people", tmp_path / "r.json")
    with pytest.raises(InputError, match="holds embeddings of another making; begin a new"):
        protected(tmp_path / "r.json", (digits()[0][:3]), name="x", what="mark")
    with pytest.raises(InputError, match="what: Input should be 'person' or 'mark'"):
        protected(tmp_path / "s.json", (faces()[:1]), name="x", what="animal")
    assert not (tmp_path / "s.json").exists()


POLICY = """
name: likeness
description: Nobody is resembled who did not consent.
screens:
  people:
    likeness:
      registry: r.json
      digest: %s
    threshold: 0.85
rules:
  - id: nobody
    stage: release
    require: output.screens.people < screens.people.threshold
    because: It resembles nobody who is protected.
"""


def test_a_policy_names_its_registry_by_digest(tmp_path):
    digest = consented(tmp_path, TOMORROW)
    (tmp_path / "p.yaml").write_text(POLICY % digest)
    (asked,) = load_policy(tmp_path / "p.yaml").require_screens().asked
    assert (asked.file_digest, asked.threshold) == (digest, 0.85)
    protected(tmp_path / "r.json", (faces()[2:3]), name="more", what="mark")
    with pytest.raises(PolicyError, match=r"screens\.people: .*r\.json is not the file that was"):
        load_policy(tmp_path / "p.yaml")


def test_a_policy_whose_registry_has_an_expired_consent_does_not_load(tmp_path):
    digest = consented(tmp_path, date(2026, 1, 31))
    (tmp_path / "p.yaml").write_text(POLICY % digest)
    with pytest.raises(
        PolicyError, match=r"consent of 'J\. Doe' \(contract 114\) ended on 2026-01-31"
    ):
        load_policy(tmp_path / "p.yaml")


def test_a_policy_gives_its_likeness_a_network(tmp_path):
    network = write_classifier(tmp_path / "embed.onnx")
    digest = protected(
        tmp_path / "r.json",
        (digits()[0][:3]),
        name="x",
        what="mark",
        embedder=embedder(tmp_path),
    )
    text = (POLICY % digest).replace(
        "    likeness:\n", f"    file: embed.onnx\n    digest: {network}\n    likeness:\n"
        "      input: {size: [8, 8], colours: grey}\n",
    )  # fmt: skip
    (tmp_path / "p.yaml").write_text(text)
    (asked,) = load_policy(tmp_path / "p.yaml").require_screens().asked
    (seen, *_) = measure([asked.screen], batch(digits()[0][:2]))
    assert seen.scores["people"] == pytest.approx(1)
    (tmp_path / "p.yaml").write_text(
        text.replace("      input: {size: [8, 8], colours: grey}\n", "")
    )
    with pytest.raises(PolicyError, match="a network for a likeness has a file, its digest and an"):
        load_policy(tmp_path / "p.yaml")


def test_the_command_enters_pictures_and_says_the_digest(tmp_path):
    paths = []
    for place, one in enumerate(faces()[:2]):
        paths.append(str(tmp_path / f"{place}.png"))
        Image.fromarray(one.transpose(1, 2, 0)).save(paths[-1])

    def typed(*words):
        return CliRunner().invoke(build(["screens"]), ["screens", "protect", *map(str, words)])

    registry = tmp_path / "r.json"
    done = typed(registry, *paths, "--name", "J. Doe", "--what", "person")
    assert done.exit_code == 0
    assert sha256(registry.read_bytes()) in done.output
    assert max(scores(Likeness("people", registry), faces()[:2])) == 1
    more = typed(registry, paths[0], "--name", "mark", "--what", "mark", "--consent", "x")
    assert "a consent has a reference and a last day" in str(more.exception)
    day = typed(
        registry, paths[0], "--name", "mark", "--what", "mark", "--consent", "x", "--until", "soon"
    )
    assert "--until is 'soon'; give a day such as 2027-06-30" in str(day.exception)
    (tmp_path / "no.png").write_text("no picture")
    none = typed(registry, tmp_path / "no.png", "--name", "mark", "--what", "mark")
    assert "no.png: not a readable picture; mend it, or leave it out" in str(none.exception)
