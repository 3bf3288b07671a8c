"""The 30 lines of docs/policies.md, as they stand there, with a real classifier beside them."""

import re
from pathlib import Path

import numpy as np
import pytest

import safegen
from safegen.config.workspace import Workspace
from safegen.errors import Refused
from safegen.policy.load import load_policy
from safegen.policy.own_tests import run_tests

pytest.importorskip("onnxruntime", reason="no runtime: pip install 'safegen[screens]'")
pytest.importorskip("onnx", reason="what writes the test's own network")
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "policies.md"


@pytest.fixture
def studio(tmp_path):
    """The policy, with a network that calls every picture harmless, or every one a weapon."""
    from tests.screens.networks import write_classifier

    def studio(weapon):
        text = re.search(r"in 30 lines\n.*?```\n(.*?)```", DOCUMENT.read_text(), re.DOTALL).group(1)
        assert len(text.splitlines()) <= 32
        logits = np.array([0.0, 9.0 if weapon else -9.0], dtype=np.float32)
        flat = np.zeros((64, 2), dtype=np.float32)
        digest = write_classifier(tmp_path / "weapons.onnx", weights=flat, biases=logits)
        (tmp_path / "studio.yaml").write_text(text.replace("sha256:9f3c...", digest))
        return tmp_path / "studio.yaml"

    return studio


def test_its_own_tests_pass(studio):
    results = run_tests(load_policy(studio(weapon=False)))
    assert len(results) == 2
    assert not [problem for each in results for problem in each.problems]


def test_it_holds_at_a_real_release(studio, made, tmp_path):
    place = Workspace(keys=made.keys, ledger=tmp_path / "ledger.db")

    def ask(count=1, weapon=False, purpose="catalogue", actor="ada"):
        model = safegen.load(made.model, workspace=place, policy=studio(weapon))
        return model.generate(count, purpose=purpose, label=1, actor=actor)

    (path,) = ask().save(tmp_path / "out")
    assert safegen.verify(path, trust=made.root, ledger=tmp_path / "ledger.db").state == "trusted"
    for words, told in (
        ("purpose", {"purpose": "anything"}), ("harmless", {"weapon": True}),
        ("daily", {"count": 49}), ("daily", {"actor": ""}),
    ):  # fmt: skip
        with pytest.raises(Refused, match=words):
            ask(**told)
