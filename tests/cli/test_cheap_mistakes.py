"""What is plainly wrong is answered before torch is loaded, which takes seconds."""

import json
import subprocess
import sys

MISTAKES = {
    "verify none": "no file or folder none",
    "verify --nope": "No such option",
    "sign none --keys keys": "cannot read none",
    "explain none": "cannot read none",
    "explain none --package nowhere": "nowhere is not a model package",
    "generate nowhere --out out": "nowhere is not a model package: there is no such folder",
    "generate . --out out": "it has no digests.json",
    "audit nowhere": "nowhere is not a model package",
    "audit": "nothing to audit",
    "evaluate nowhere --data digits": "nowhere is not a model package",
    "train digits --out out --epsilon 0": "epsilon is 0",
    "train digits --out out --steps -1": "steps is -1",
    "train nothing --out out": "no data set 'nothing'",
    "ledger check none.db": "no database at none.db",
    "certificate show nowhere": "cannot read nowhere",
    "keys show nowhere": "no leaf.pem in nowhere",
    "policy show nothing": "no policy nothing",
    "nothing": "No such command",
    "generate model --out out -n 0": "cannot make 0 outputs at once",
    "generate model --out out --policy basline": "did you mean baseline",
}
PROGRAM = """
import json, sys
from typer.testing import CliRunner
from safegen.cli.commands import build_for
for said in json.loads(sys.argv[1]):
    done = CliRunner().invoke(build_for(said.split()), said.split())
    told = " ".join(f"{done.exception} {done.output}".split())
    print(json.dumps([told, "torch" in sys.modules]))
"""


def test_mistakes_are_told_before_torch_is_loaded(made, tmp_path):
    (tmp_path / "keys").symlink_to(made.keys)
    (tmp_path / "model").symlink_to(made.model)
    command = [sys.executable, "-c", PROGRAM, json.dumps(list(MISTAKES))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for (said, words), (told, torch) in zip(MISTAKES.items(), answers, strict=True):
        assert words in told, (said, told)
        assert not torch, said


def test_an_explanation_is_read_without_torch(made):
    code = (
        "import sys; from pathlib import Path\n"
        "from safegen.pipeline.explain import read_explained\n"
        "print(read_explained(Path(sys.argv[1])).request.label, 'torch' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(made.outputs / "0001.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "False"
