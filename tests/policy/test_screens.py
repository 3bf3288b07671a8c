"""Screens that a policy declares: bound to it by their digests, and told where one is wrong."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from safegen.errors import PolicyError
from safegen.policy.load import load_policies, load_policy
from safegen.policy.own_tests import run_tests
from safegen.schemas.screens import ClassifierSettings
from safegen.screens import registry
from safegen.screens.bound import measure_bound
from safegen.screens.classifier import Classifier
from safegen.screens.registry import registered
from safegen.screens.screen import Batch, digest_of
from tests.screens.networks import digits, settings, write_classifier

POLICY = """\
name: {name}
description: No sevens.
{more}
screens:
  seven:
    file: digits.onnx
    digest: {digest}
    classifier:
      input: {{size: [8, 8], colours: grey}}
      labels: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
      forbidden: ["7"]
    threshold: {threshold}
    seconds: 60
rules:
  - id: decent
    stage: release
    require: output.screens.seven < screens.seven.threshold
    because: Sevens stay inside.
tests:
  - it: refuses a seven
    stage: release
    facts: {{output.screens.seven: 0.9, screens.seven.threshold: 0.5}}
    expect: {{decent: failed}}
  - it: refuses what nobody measured
    stage: release
    facts: {{screens.seven.threshold: 0.5}}
    expect: {{decent: error}}
"""


@pytest.fixture
def digest(tmp_path):
    return write_classifier(tmp_path / "digits.onnx")


def write(tmp_path, digest, name="p", threshold="0.5", more="", change=("", "")):
    path = tmp_path / f"{name}.yaml"
    text = POLICY.format(name=name, digest=digest, threshold=threshold, more=more)
    assert change[0] in text
    path.write_text(text.replace(*change))
    return path


def test_a_declared_classifier_is_a_fact_with_its_threshold(tmp_path, digest):
    policy = load_policy(write(tmp_path, digest)).require_screens()
    (asked,) = policy.asked
    assert (asked.name, asked.threshold, asked.denies, asked.seconds) == ("seven", 0.5, "above", 60)
    assert asked.file_digest == digest
    assert [result.problems for result in run_tests(policy)] == [(), ()]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("digits.onnx", "none.onnx"), r"line 5: screens\.seven: cannot read .*none\.onnx"),
        (("  seven:", "  contrast:"), r"screens\.contrast: 'contrast' is a screen already, by"),
        (("  seven:", "  Seven:"), "expected a name of small letters, digits and underscores"),
        (("  seven:", "  while:"), "has the name 'while'"),
        (
            ("file: digits.onnx", "files: d"),
            r"screens\.seven\.files: no such key; did you mean file",
        ),
        (("forbidden:", "forbiden:"), r"classifier\.forbiden: no such key; did you mean forbidden"),
        (("    file: digits.onnx\n", ""), "a classifier has a file and its digest"),
        (("grey}", "blue}"), r"input\.colours: 'blue' is no choice; choose RGB, BGR, grey"),
        (("[8, 8]", "[8]"), r"input\.size"),
        (("[8, 8]", "[8, 0]"), "expected a number of at least 1, found '0'"),
        (("threshold: 0.5", "threshold: high"), "threshold: expected a number, found 'high'"),
        (("threshold: 0.5", "threshold: .nan"), "threshold: expected a"),
        (("seconds: 60", "seconds: 0"), "seconds: expected a number above 0, found '0'"),
        (('["7"]', "[]"), "forbidden: expected a list of at least 1"),
        (("output.screens.seven", "output.screens.sevens"), "did you mean output.screens.seven"),
        (("screens.seven.threshold\n", "screens.seven.limit\n"), "undeclared reference"),
    ],
)
def test_what_is_wrong_in_a_declaration_is_told_with_its_place(tmp_path, digest, change, reason):
    with pytest.raises(PolicyError, match=reason):
        load_policy(write(tmp_path, digest, change=change))


def test_a_file_with_another_digest_does_not_load(tmp_path, digest):
    wrong = "sha256:" + "0" * 64
    with pytest.raises(PolicyError, match=r"digits\.onnx is not the file that was declared"):
        load_policy(write(tmp_path, wrong))
    with pytest.raises(PolicyError, match=r"digest: expected a digest such as sha256:"):
        load_policy(write(tmp_path, digest[:20]))


def test_a_network_of_another_shape_is_told_with_policy_and_screen(tmp_path, digest):
    policy = load_policy(write(tmp_path, digest, change=("[8, 8]", "[9, 9]")))
    with pytest.raises(PolicyError, match=r"policy p: screen seven: .*takes \(n, 1, 8, 8\)"):
        policy.require_screens()


def test_two_policies_mean_the_same_screen_by_a_name_or_do_not_load(tmp_path, digest):
    one, same = write(tmp_path, digest), write(tmp_path, digest, "q")
    both = load_policies([one, same, "baseline"])
    assert [each.name for each in both.asked] == ["contrast", "seven"]
    other = write(tmp_path, digest, "r", threshold="0.9")
    with pytest.raises(PolicyError, match="policies p and r mean different screens by 'seven'"):
        load_policies([one, other])
    calibrated = write(tmp_path, digest, "s", change=('["7"]', '["7"]\n      temperature: 2'))
    with pytest.raises(PolicyError, match="policies p and s mean different screens by 'seven'"):
        load_policies(["baseline", one, calibrated])


def test_what_extends_a_policy_has_its_screens_and_cannot_swap_them(tmp_path, digest):
    write(tmp_path, digest)
    (tmp_path / "q.yaml").write_text(
        "name: q\ndescription: Stricter.\nextends: p.yaml\nrules:\n"
        "  - {id: surely, stage: release, require: output.screens.seven < 0.1, because: None.}\n"
    )
    assert [each.by for each in load_policy(tmp_path / "q.yaml").asked] == ["p"]
    swapped = write(tmp_path, digest, "r", threshold="0.99", more="extends: p.yaml")
    with pytest.raises(PolicyError, match=r"screens\.seven: .*this loosens it: p declares it"):
        load_policy(swapped)


def test_a_policy_names_the_registered_screen_that_it_means_by_its_digest(tmp_path):
    text = (
        "name: p\ndescription: Sharp.\nscreens:\n"
        "  contrast: {digest: %s, threshold: 0.05, denies: below}\n"
        "rules:\n  - {id: a, stage: release, require: output.screens.contrast > 0.1, because: b}\n"
    )
    (tmp_path / "p.yaml").write_text(text % digest_of(registered()["contrast"]))
    (asked,) = load_policy(tmp_path / "p.yaml").asked
    assert (asked.threshold, asked.denies) == (0.05, "below")
    (tmp_path / "p.yaml").write_text(text % ("sha256:" + "1" * 64))
    with pytest.raises(PolicyError, match="registered as 'contrast' is another one: its digest"):
        load_policy(tmp_path / "p.yaml")
    (tmp_path / "p.yaml").write_text((text % ("sha256:" + "1" * 64)).replace("contrast", "sharp"))
    with pytest.raises(PolicyError, match="no screen is registered as 'sharp'"):
        load_policy(tmp_path / "p.yaml")


def test_a_screen_that_is_passed_in_python_is_known_to_rules(tmp_path, digest):
    (tmp_path / "p.yaml").write_text(
        "name: p\ndescription: No sevens.\nrules:\n"
        "  - {id: a, stage: release, require: output.screens.seven < 0.5, because: b}\n"
    )
    screen = Classifier("seven", tmp_path / "digits.onnx", settings())
    (asked,) = load_policy(tmp_path / "p.yaml", screens=[screen]).asked
    assert (asked.digest, asked.file_digest) == (screen.digest, digest)
    with pytest.raises(PolicyError, match=r"undeclared reference to 'output\.screens\.seven'"):
        load_policy(tmp_path / "p.yaml")


PAGE = Path(__file__).resolve().parents[2] / "docs" / "screens.md"


def detector(path, labels):
    """A network of the shape that the page declares."""
    weights = np.zeros((3 * 224 * 224, labels), dtype=np.float32)
    biases = np.zeros(labels, dtype=np.float32)
    return write_classifier(path, shape=("n", 3, 224, 224), weights=weights, biases=biases)


def test_the_policy_on_the_page_works_as_it_stands(tmp_path):
    block = re.compile(r"^```\n(name: no-weapons\n.*?)^```", re.MULTILINE | re.DOTALL)
    (written,) = block.findall(PAGE.read_text())
    digest = detector(tmp_path / "weapons.onnx", labels=3)
    (tmp_path / "p.yaml").write_text(written.replace("sha256:9f3c...", digest))
    policy = load_policy(tmp_path / "p.yaml").require_stages().require_screens()
    (asked,) = policy.asked
    seen = measure_bound([asked], Batch(samples=digits()[0][:2], requests=()))
    assert [each.scores["weapons"] for each in seen] == pytest.approx([2 / 3, 2 / 3])


def test_the_python_on_the_page_runs(tmp_path, monkeypatch, made):
    monkeypatch.chdir(tmp_path)
    Path("no-weapons.yaml").write_text(
        "name: p\ndescription: None.\nrules:\n"
        "  - {id: a, stage: request, require: request.count < 9, because: Few.}\n"
        "  - {id: b, stage: release, require: output.screens.weapons < 0.6, because: None.}\n"
    )
    detector(Path("weapons.onnx"), labels=2)
    detector(Path("faces.onnx"), labels=4)
    monkeypatch.setattr(registry, "_KNOWN", dict(registry.registered()))
    shared = {}
    for body in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        exec(body, shared)
        if "def load" in body:
            shared["keys"] = made.keys
            where = "screens=[weapons], keys=keys, ledger='l.db')"
            exec(body.replace("screens=[weapons])", where), shared)
            release = shared["load"](made.model, "weapons.onnx").generate(1, purpose="x")
            assert release.outputs[0].receipt.decisions[-1].screens[0].name == "weapons"
        if "def screen" in body:
            module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 224 * 224, 2))
            looks = ClassifierSettings(
                input={"size": (224, 224)}, labels=("a", "b"), forbidden=("b",)
            )
            assert shared["screen"](module, looks).name == "weapons"
        if "class Sharpness" in body:
            assert "sharpness" in registry.registered()
        if "def measure" in body and "measure_screen" in body:
            for folder, value in (("harmless", 0), ("weapons", 255)):
                Path(folder).mkdir()
                Image.new("RGB", (8, 8), (value,) * 3).save(f"{folder}/one.png")
            screen = Classifier("weapons", "weapons.onnx", looks)
            assert shared["measure"](screen, made.keys) == (0, pytest.approx(0.975))
    assert {"load", "screen", "enter", "Sharpness", "measure"} <= shared.keys()
