"""The commands as a user types them, and what bad input gets.

The first test runs them in processes of their own; the others call the same `main` here, because
each new process imports torch again.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

from safegen.cli import main
from safegen.data.sources import load
from safegen.errors import InputError, Refused, SafegenError, StorageError, TamperedError
from safegen.privacy.accounting.budget import Budget


def safegen(*arguments, cwd):
    """Call the program's own entry point, and tell what it printed and how it left."""
    said, complained, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complained),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["safegen", *map(str, arguments)])
        try:
            main()
        except SystemExit as left:
            code = left.code or 0
    return subprocess.CompletedProcess(arguments, code, said.getvalue(), complained.getvalue())


def process(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "safegen", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"} | environment,
    )


def one_sentence(done, code, *words):
    """The exit code, no traceback, and one clear line that names the thing."""
    said = done.stderr + done.stdout
    assert done.returncode == code, said
    assert "Traceback" not in said
    complaint = next(line for line in said.splitlines() if line.startswith("error:"))
    for word in words:
        assert str(word) in complaint, complaint
    return complaint


def test_generate_verify_and_explain(made, tmp_path):
    out = tmp_path / "out"
    done = process(
        "generate", made.model, "-n", 2, "--label", 7, "--seed", 0, "--purpose", "a test",
        "--out", out, "--keys", made.keys, "--ledger", made.ledger, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = sorted(out.glob("*.png"))
    assert (first.name[-9:], second.name[-9:]) == ("-0001.png", "-0002.png")
    assert (out / f"{second.stem}.receipt.json").is_file()

    done = process("verify", out, "--trust", made.root, "--ledger", made.ledger, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "2 trusted" in done.stdout

    done = process("verify", first, "--trust", made.root, "--json", cwd=tmp_path)
    (item,) = json.loads(done.stdout)
    assert item["state"] == "trusted"

    figure = tmp_path / "why.png"
    done = process("explain", first, "--package", made.model, "--figure", figure, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "makes the same picture again" in done.stdout
    assert "has the digest that was signed" in done.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "row 4, column 4" in done.stdout


def test_verify_exits_with_1_when_any_is_not_trusted(made, tmp_path):
    shutil.copy(made.outputs / "0001.png", tmp_path)
    done = safegen("verify", tmp_path / "0001.png", cwd=tmp_path)
    assert done.returncode == 1
    assert "nobody vouches" in done.stdout
    done = safegen("verify", made.outputs, tmp_path, "--trust", made.root, "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 9


def test_the_demo_keeps_what_was_there(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    one_sentence(safegen("demo", "--out", "mine", cwd=tmp_path), 2, "mine", "--out")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_keys_policy_and_budget(tmp_path):
    assert safegen("keys", "init", "keys", cwd=tmp_path).returncode == 0
    assert (tmp_path / "keys" / "root.pem").is_file()
    one_sentence(safegen("keys", "init", "keys", cwd=tmp_path), 2, "keys", "never overwritten")
    assert "baseline" in safegen("policy", "list", cwd=tmp_path).stdout
    assert "purpose-stated" in safegen("policy", "show", "baseline", cwd=tmp_path).stdout
    ledger = ("--budget", tmp_path / "b.db")
    assert "has spent anything yet" in safegen("budget", "show", *ledger, cwd=tmp_path).stdout
    refused = safegen("budget", "set", "sha256:00", "--epsilon", 3, *ledger, cwd=tmp_path)
    one_sentence(refused, 2, "sha256:00")


def test_a_public_data_set_is_given_no_total_that_would_hold_nobody(tmp_path):
    budget = tmp_path / "b.db"
    Budget(str(budget)).open(load("digits").card)
    refused = safegen("budget", "set", "digits", "--epsilon", 3, "--budget", budget, cwd=tmp_path)
    one_sentence(refused, 2, "digits", "public", "not limited", "as your own")


def test_data_that_is_not_there_leaves_nothing_behind(tmp_path):
    refused = safegen("train", "scnas", "--out", "m", "--budget", tmp_path / "b.db", cwd=tmp_path)
    one_sentence(refused, 2, "'scnas'", "name one of")
    assert not list(tmp_path.iterdir())


def test_certificates_are_shown_and_checked(made, tmp_path):
    shown = safegen("certificate", "show", made.model, cwd=tmp_path)
    assert "one record of 1,797" in shown.stdout
    assert "an attack on this run proved" in shown.stdout
    assert "as the first of several" in shown.stdout
    assert "steps, each with" in shown.stdout
    assert safegen("certificate", "check", made.model, cwd=tmp_path).returncode == 0
    certificate = json.loads((made.model / "certificate.json").read_bytes())

    def checked(**changes):
        path = tmp_path / "certificate.json"
        path.write_text(json.dumps(certificate | changes))
        return safegen("certificate", "check", path, cwd=tmp_path)

    lowered = checked(epsilon=0.5)
    assert lowered.returncode == 1
    assert "its events give" in lowered.stdout
    assert checked(delta=0.5).returncode == 1
    seeded = certificate["noise"] | {"source": "unsafe seed"}
    assert "Its noise came from a seed" in checked(noise=seeded).stdout
    unknown = [{"event": "magic", "count": 1}]
    one_sentence(checked(events=unknown), 2, "certificate.json", "events.0", "magic")
    one_sentence(checked(events=[]), 2, "events")


def test_a_data_sets_runs_are_shown_one_by_one(made, tmp_path):
    ledger = ("--budget", tmp_path / "b.db")
    short = ("--steps", 2, "--prior", "none", "--out", "m")
    assert train("digits", *short, *ledger, cwd=tmp_path, keys=made.keys).returncode == 0
    shown = safegen("budget", "show", "digits", *ledger, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "finished" in shown.stdout
    one_sentence(safegen("budget", "show", "nobody", *ledger, cwd=tmp_path), 2, "nobody")


def test_a_budget_that_cannot_be_used_costs_nothing(made, tmp_path):
    """Corrupt, or of another kind: nothing is trained, nothing is left behind."""
    (tmp_path / "broken.db").write_bytes(b"words, not tables" * 99)
    for budget, word in (("broken.db", "broken.db"), ("oracle://nowhere/x", "oracle")):
        done = safegen(
            "train", "digits", "--out", "m", "--budget", budget, "--keys", made.keys, cwd=tmp_path
        )
        one_sentence(done, 2, word)
        assert not (tmp_path / "m").exists()


def train(*arguments, cwd, keys):
    return safegen("train", *arguments, "--keys", keys, cwd=cwd)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fashion-mnist", "--data-root", "nowhere"], ["nowhere", "--data-root"]),
        (["nothing"], ["'nothing'", "fashion-mnist"]),
        (["digits", "--epsilon", "0"], ["epsilon is 0"]),
        (["digits", "--epsilon", "-3"], ["epsilon is -3"]),
        (["digits", "--delta", "0.01"], ["delta is 0.01", "1/n"]),
        (["digits", "--batch", "9999"], ["9999", "1797"]),
        (["digits", "--size", "200"], ["a side of 200", "--size 128"]),
        (["digits", "--device", "tpu"], ["'tpu'"]),
        (["digits", "--seed", "-1"], ["the seed is -1"]),
        (["digits", "--noise-multiplier", "0.3", "--epsilon", "0.1"], ["pay for one step"]),
        (["digits", "--mode", "fast"], ["'fast'", "book-keeping"]),
        (["digits", "--micro-batch", "0"], ["micro_batch is 0"]),
        (["digits", "--precision", "fp8"], ["'fp8'", "bf16"]),
        (["digits", "--canaries", "3"], ["canaries is 3"]),
        (["digits", "--groups", "nowhere.csv"], ["nowhere.csv"]),
        (["digits", "--resume"], ["no interrupted run", "--resume"]),
        (["digits", "--resume", "--epsilon", "5"], ["leave out --epsilon", "as it was begun"]),
        (["digits", "--records-per-group", "3"], ["--groups"]),
    ],
)
def test_bad_training_input(made, tmp_path, arguments, words):
    done = train(*arguments, "--out", "model", cwd=tmp_path, keys=made.keys)
    one_sentence(done, 2, *words)
    assert not (tmp_path / "model" / "weights.safetensors").exists()


def test_an_unreadable_picture(made, tmp_path):
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "cat" / "1.png").write_bytes(b"not a picture")
    done = train("pets", "--out", "model", cwd=tmp_path, keys=made.keys)
    one_sentence(done, 2, "1.png", "not a readable picture")


def generate(made, *arguments, cwd, model=None, keys=None):
    return safegen(
        "generate", model or made.model, *arguments,
        "--keys", keys or made.keys, "--ledger", cwd / "ledger.db", cwd=cwd,
    )  # fmt: skip


def test_a_label_out_of_range(made, tmp_path):
    done = generate(made, "--label", 11, "--purpose", "x", "--out", "out", cwd=tmp_path)
    one_sentence(done, 2, "'11'", "9 (9)")
    assert not (tmp_path / "out").exists()


def test_no_purpose_is_refused_with_every_finding(made, tmp_path):
    done = generate(made, "--out", "out", cwd=tmp_path)
    one_sentence(done, 3, "purpose-stated")
    assert "passed  model-certified" in done.stderr


def test_a_package_with_a_changed_byte(made, tmp_path):
    shutil.copytree(made.model, tmp_path / "model")
    path = tmp_path / "model" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    done = generate(made, "--purpose", "x", "--out", "out", cwd=tmp_path, model=tmp_path / "model")
    one_sentence(done, 1, "weights.safetensors", "not what was packaged")


def test_a_missing_key(made, tmp_path):
    done = generate(made, "--purpose", "x", "--out", "out", cwd=tmp_path, keys="absent")
    one_sentence(done, 2, "leaf.pem", "absent", "safegen keys init")


def test_a_policy_with_a_typo(made, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndescription: x\nrules:\n"
        "- {id: a, stage: request, require: 'request.porpose != \"\"', because: b}\n"
    )
    done = generate(made, "--purpose", "x", "--out", "out", "--policy", "mine.yaml", cwd=tmp_path)
    one_sentence(done, 2, "mine.yaml", "rules[0].require", "request.porpose", "request.purpose")


def test_outputs_are_never_written_over(made, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0001.png").write_text("mine")
    own = ("--purpose", "x", "--out", "out", "--name", "{number:04}")
    one_sentence(generate(made, *own, cwd=tmp_path), 2, "0001.png", "--out")
    assert (tmp_path / "out" / "0001.png").read_text() == "mine"


def test_names_of_ones_own(made, tmp_path):
    own = ("--purpose", "x", "--out", "out", "--label", 3, "--name", "three-{number:03}")
    assert generate(made, *own, cwd=tmp_path).returncode == 0
    assert (tmp_path / "out" / "three-001.png").is_file()
    own = ("--purpose", "x", "--out", "out", "--name", "{nmber}")
    one_sentence(generate(made, *own, cwd=tmp_path), 2, "{nmber}", "{label_name}")


def test_what_was_cut_off_is_finished_and_told(made, tmp_path, monkeypatch):
    """Logged and never placed: the next release into the folder places it."""
    from safegen import Workspace, load, storage

    model = load(made.model, workspace=Workspace(keys=made.keys, ledger=tmp_path / "ledger.db"))

    def full(*_):
        raise StorageError("full")

    release, out = model.generate(1, purpose="x"), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(storage, "rename", full)
        with pytest.raises(StorageError, match="full"):
            release.save(out)
    assert not list(out.glob("*.png"))
    done = generate(made, "--purpose", "x", "--out", out, cwd=tmp_path)
    assert "Finished what was cut off: 3 files" in done.stdout
    assert (out / release.names[0]).is_file()
    assert len(list(out.glob("*.png"))) == 2


def test_a_folder_that_cannot_be_written(made, tmp_path):
    """A file in the way stops everybody, also the superuser."""
    (tmp_path / "file").write_text("in the way")
    done = generate(made, "--purpose", "x", "--out", "file/out", cwd=tmp_path)
    one_sentence(done, 2, "file/out")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
def test_a_folder_without_write_permission(tmp_path):
    from safegen.storage import require_writable

    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    pid = os.fork()
    if pid == 0:
        code = 9
        try:
            os.setuid(65534)
            require_writable(locked)
        except InputError as error:
            code = 7 if "change its permissions" in str(error) else 8
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_verifying_what_is_not_there(tmp_path):
    one_sentence(safegen("verify", "absent.png", cwd=tmp_path), 2, "absent.png")
    assert safegen("verify", cwd=tmp_path).returncode == 2


def test_explaining_what_was_not_released(made, tmp_path):
    shutil.copy(made.outputs / "0001.png", tmp_path)
    one_sentence(safegen("explain", "0001.png", cwd=tmp_path), 2, "0001.receipt.json")
    shutil.copy(made.outputs / "0002.receipt.json", tmp_path / "0001.receipt.json")
    one_sentence(safegen("explain", "0001.png", cwd=tmp_path), 1, "explains another file")


def test_nobody_writes_a_verdict_into_our_lines(tmp_path):
    from safegen.cli.console import plain

    said = plain("x\ntrusted  out.png \x1b[2K :smile: [red]")
    assert said.isprintable()
    assert "\\[red]" in said
    long = safegen("keys", "init", "k", "--organisation", "x\ntrusted", cwd=tmp_path)
    one_sentence(long, 2, "printable")


def test_the_version(tmp_path):
    done = process("--version", cwd=tmp_path)
    assert done.stdout.strip() == version("safegen")


def test_every_error_has_an_exit_code_that_is_kept():
    def leaves(kind):
        yield kind
        for child in kind.__subclasses__():
            yield from leaves(child)

    codes = {kind.__name__: kind.exit_code for kind in leaves(SafegenError)}
    assert codes["InputError"] == InputError.exit_code == 2
    assert codes["TamperedError"] == TamperedError.exit_code == 1
    assert codes["Refused"] == Refused.exit_code == codes["BudgetRefused"] == 3
    assert set(codes.values()) == {1, 2, 3, 4}


def test_signing_a_file_and_what_keeps_it_from_being_signed(made, tmp_path, media):
    (tmp_path / "rows.csv").write_bytes(media["text/csv"])
    own = ("--keys", made.keys, "--ledger", tmp_path / "ledger.db")
    one_sentence(safegen("sign", "rows.csv", *own, cwd=tmp_path), 2, "rows.csv", "--source")
    done = safegen("sign", "rows.csv", "--source", "model-data", *own, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "its manifest in rows.csv.c2pa" in done.stdout
    done = safegen("sign", "rows.csv", "--time-stamps", "http://127.0.0.1:9/", *own, cwd=tmp_path)
    assert "made from rows.csv" in done.stdout
    assert "Without a time-stamp: the time-stamp authority http://127.0.0.1:9/" in done.stdout
    required = ("--time-stamps", "http://127.0.0.1:9/", "--require-time-stamp")
    before = (tmp_path / "rows.csv.c2pa").read_bytes()
    refused = safegen("sign", "rows.csv", *required, *own, cwd=tmp_path)
    one_sentence(refused, 4, "http://127.0.0.1:9/", "cannot be reached")
    assert (tmp_path / "rows.csv.c2pa").read_bytes() == before
    one_sentence(safegen("sign", ".", *own, cwd=tmp_path), 2, "is a directory")


def test_an_interruption_is_told_in_words(tmp_path, monkeypatch):
    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("safegen.pipeline.sign.sign", interrupted)
    done = safegen("sign", "rows.csv", cwd=tmp_path)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "interrupted: what was written is whole"


def test_of_commands_that_begin_at_once_one_makes_the_keys(tmp_path):
    begin = "from safegen.cli.train import _make_keys_unless_there as make; make('keys')"
    started = [
        subprocess.Popen([sys.executable, "-c", begin], cwd=tmp_path, stdout=subprocess.PIPE)
        for _ in range(5)
    ]
    told = [each.communicate()[0].decode() for each in started]
    assert [each.returncode for each in started] == [0] * 5
    assert sum("made a development chain" in each for each in told) == 1
