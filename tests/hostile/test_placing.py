"""All of a release and the log, or nothing: on full disks, killed anywhere, and side by side."""

import contextlib
import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys

import pytest

import safegen
from safegen import storage
from safegen.database import InDoubtError
from safegen.errors import StorageError
from safegen.pipeline.generate.outputs import Release
from safegen.provenance.log import placing
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.placing import HIDDEN_PREFIX, JOURNAL_NAME, take_up
from safegen.schemas.canonical import sha256

FILES = 7  # outputs, their receipts and pictures, and the numbers of both


@pytest.fixture(scope="module")
def sealed(model):
    """What waits to leave; nobody logs it by itself."""
    return model.generate(2, label=3, seed=5, purpose="a test", explain="full")


@pytest.fixture
def anew(sealed, tmp_path):
    """The same release again, before a new ledger."""

    def make(name="ledger.db", folder=tmp_path):
        departure = dataclasses.replace(sealed._departure, ledger=Ledger(folder / name))
        return Release(departure, own=sealed.id, seed=sealed.seed), departure.ledger

    return make


def visible(folder):
    return [path for path in folder.rglob("*") if path.is_file() and HIDDEN_PREFIX not in str(path)]


def hidden(folder):
    return list(folder.glob(f"{HIDDEN_PREFIX}*"))


def check_all_or_nothing(folder, ledger):
    """Whether it left; the folder and the log agree about it."""
    found = visible(folder)
    if not found:
        assert len(ledger) == 0
        assert not folder.exists() or not list(folder.iterdir())
        return False
    assert len(found) == FILES
    assert len(ledger) == 4
    assert not hidden(folder)
    return True


def check_trusted(made, folder, ledger, files=4):
    assert ledger.check(anchors=made.root.read_bytes()).faults == ()
    verdicts = safegen.verify_tree([folder], trust=made.root, ledger=ledger._engine.url.database)
    assert [verdict.state for verdict in verdicts] == ["trusted"] * files


# Full disks


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte, really full when it is full."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted here by nobody: needs root and CAP_SYS_ADMIN")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def leave_room(disk, pages):
    """Fill the disk until so many pages are free."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    page = os.statvfs(disk).f_bsize
    ballast.write_bytes(bytes(page * (os.statvfs(disk).f_bavail - pages)))


def attempts(disk, save, step=3):
    """Save with ever more room until it works; how often it did not."""
    for pages in range(0, 250, step):
        leave_room(disk, pages)
        try:
            save(pages)
        except StorageError as error:
            said = str(error)
        else:
            return pages // step
        assert "make room" in said or "full" in said, said
    raise AssertionError("it never worked")


def test_outputs_on_a_full_disk(made, anew, small_disk, tmp_path):
    release, ledger = anew()
    out = small_disk / "deep" / "out"

    def save(pages):
        try:
            release.save(out)
        finally:
            left = check_all_or_nothing(out, ledger)
            assert left or not (small_disk / "deep").exists()

    assert attempts(small_disk, save) > 10
    check_trusted(made, out, ledger)


def test_a_ledger_on_a_full_disk(made, sealed, small_disk, tmp_path):
    def save(pages):
        ledger = Ledger(small_disk / f"{pages}.db")
        departure = dataclasses.replace(sealed._departure, ledger=ledger)
        out = tmp_path / f"out{pages}"
        try:
            Release(departure, own="a", seed=5).save(out)
        finally:
            check_all_or_nothing(out, ledger)
            ledger._engine.dispose()
            for path in small_disk.glob("*.db*"):
                path.unlink()

    assert attempts(small_disk, save) > 5


def test_both_on_one_full_disk(made, sealed, small_disk):
    def save(pages):
        ledger = Ledger(small_disk / f"{pages}.db")
        departure = dataclasses.replace(sealed._departure, ledger=ledger)
        try:
            Release(departure, own="a", seed=5).save(small_disk / "out")
        finally:
            check_all_or_nothing(small_disk / "out", ledger)
            ledger._engine.dispose()
            for path in small_disk.glob("*.db*"):
                path.unlink()

    assert attempts(small_disk, save) > 10


def test_files_that_may_not_grow(made, anew, tmp_path):
    """A limit on a file's size stops in the middle of one, with another error than a full disk."""
    release, ledger = anew()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with pytest.raises(StorageError, match="too large"):
            release.save(tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not check_all_or_nothing(tmp_path / "out", ledger)
    release.save(tmp_path / "out")
    check_trusted(made, tmp_path / "out", ledger)


# Killed at every step

STEPS = [(placing.storage, name) for name in
         ("make_hidden", "write_new", "sync_folder", "rename", "drop_folder")]  # fmt: skip
STEPS += [(Ledger, "append")]


def in_a_child(work):
    """Run in a process of its own; how it ended, as a wait status."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1]


def die_at(patch, number):
    """Be killed before the step of that number, or right after it when the number is odd."""
    passed = iter(range(10**6))

    def mortal(step):
        def run(*arguments, **named):
            if next(passed) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            done = step(*arguments, **named)
            if next(passed) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return run

    for home, name in STEPS:
        patch.setattr(home, name, mortal(getattr(home, name)))


@pytest.mark.parametrize("handed_out", [False, True], ids=["saved", "handed out before"])
def test_killed_at_every_step(made, anew, tmp_path, handed_out):
    left = []
    for number in range(100):
        out, ledger = tmp_path / f"out{number}", tmp_path / f"{number}.db"
        release = None
        if handed_out:
            release, log = anew(f"{number}.db")
            assert release.outputs
            log._engine.dispose()

        def work(number=number, out=out, release=release):
            mine = release or anew(f"{number}.db")[0]
            with pytest.MonkeyPatch.context() as patch:
                die_at(patch, number)
                mine.save(out)

        status = in_a_child(work)
        if not os.WIFSIGNALED(status):
            assert status == 0
            break
        log = Ledger(ledger)
        for path in visible(out):  # what can be seen was logged before, even now
            if path.suffix == ".png":
                assert log.find(sha256(path.read_bytes())) is not None
        settled = take_up(out, log)
        assert settled.foreign == ()
        assert not hidden(out)
        if handed_out:  # the log had it all the time
            assert len(visible(out)) in {0, FILES}
            left.append(bool(visible(out)))
        else:
            left.append(check_all_or_nothing(out, log))
        if not left[-1]:
            again, log = anew(f"again{number}.db")
            again.save(out)
            assert check_all_or_nothing(out, log)
    assert number > 30
    assert left == sorted(left)  # up to one moment nothing has left, and from then on everything
    assert {True, False} == set(left)
    check_trusted(made, tmp_path / f"out{number - 1}", Ledger(tmp_path / f"{number - 1}.db"))


def test_the_next_release_finishes_what_was_cut_off(made, model, tmp_path):
    """Without anybody asking for it, and whoever is killed in between."""
    out = tmp_path / "out"
    loaded = safegen.load(
        made.model, workspace=safegen.Workspace(keys=made.keys, ledger=tmp_path / "l.db")
    )
    release = loaded.generate(2, purpose="x", explain="full")

    def work():
        release._departure.ledger._engine.dispose(close=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(storage, "rename", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            release.save(out)

    assert os.WIFSIGNALED(in_a_child(work))
    assert visible(out) == []
    assert len(Ledger(tmp_path / "l.db")) == 4
    loaded.generate(1, purpose="x", explain="full").save(out)
    assert len(visible(out)) == FILES + 4
    check_trusted(made, out, Ledger(tmp_path / "l.db"), 6)


# What lies in hidden folders


@pytest.fixture
def cut_off(anew, tmp_path, monkeypatch):
    """A release that was logged and never placed."""
    release, ledger = anew()
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(storage, "rename", lambda *_: (_ for _ in ()).throw(StorageError("gone")))
        with pytest.raises(StorageError, match="gone"):
            release.save(out)
    (place,) = hidden(out)
    assert len(ledger) == 4
    assert visible(out) == []
    return release, ledger, out, place


def test_saving_it_again_finishes_it(cut_off, made):
    release, ledger, out, _ = cut_off
    assert len(release.save(out)) == 2
    assert check_all_or_nothing(out, ledger)


def test_another_ledger_leaves_it_alone(cut_off, anew):
    _, _, out, place = cut_off
    other, log = anew("other.db")
    assert take_up(out, log).foreign == (place,)
    assert len(list(place.iterdir())) == FILES + 1
    other.save(out)
    assert len(list(place.iterdir())) == FILES + 1


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("file", {"name": "../escaped.png"}),
        ("file", {"name": "/tmp/escaped.png"}),
        ("file", {"name": ""}),
        ("file", {"staged": "../0"}),
        ("file", {"digest": "sha256:00"}),
        ("whole", {"format": "safegen.placing/2"}),
        ("whole", {"files": "none"}),
    ],
)
def test_a_changed_journal_places_nothing(cut_off, part, said):
    _, ledger, out, place = cut_off
    journal = json.loads((place / JOURNAL_NAME).read_bytes())
    (journal["files"][0] if part == "file" else journal).update(said)
    (place / JOURNAL_NAME).write_text(json.dumps(journal))
    settled = take_up(out, ledger)
    assert (settled.placed, settled.foreign) == ((), (place,))
    assert visible(out) == []
    assert place.is_dir()


def test_a_link_that_looks_like_one_is_not_followed(cut_off, tmp_path):
    _, ledger, out, place = cut_off
    elsewhere = place.rename(tmp_path / "elsewhere")
    (out / f"{HIDDEN_PREFIX}link").symlink_to(elsewhere, target_is_directory=True)
    assert take_up(out, ledger).placed == ()
    assert len(list(elsewhere.iterdir())) == FILES + 1


def test_something_that_took_the_name_meanwhile_stays(cut_off):
    release, _, out, _ = cut_off
    taken = out / release.names[0]
    taken.write_text("mine")
    with pytest.raises(StorageError, match=r"was logged and waits.*move that away"):
        release.save(out)
    assert taken.read_text() == "mine"
    taken.unlink()
    release.save(out)
    assert len(visible(out)) == FILES


def test_a_commit_in_doubt_is_settled_by_the_log(made, anew, tmp_path, monkeypatch):
    """The server went away while it was told to commit; whether it did shows later."""
    for committed in (True, False):
        release, ledger = anew(f"{committed}.db")
        out = tmp_path / f"out{committed}"
        whole = Ledger.append

        def lost(self, entries, *, before_commit, whole=whole, committed=committed, **named):
            def then(appended):
                before_commit(appended)
                if not committed:
                    raise InDoubtError("the database went away")

            whole(self, entries, before_commit=then, **named)
            raise InDoubtError("the database went away")

        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", lost)
            with pytest.raises(InDoubtError):
                release.save(out)
        assert len(hidden(out)) == 1
        assert len(release.save(out)) == 2
        assert check_all_or_nothing(out, ledger)


# Side by side


def test_two_processes_save_into_one_folder(made, model, tmp_path):
    """With names that nobody shares both are saved whole; with shared names one is refused."""
    for name, expected in (("{id}-{number}", [0, 0]), ("{number}", [0, 1])):
        out, ledger = tmp_path / name[1:3] / "out", tmp_path / f"{name[1:3]}.db"
        loaded = safegen.load(
            made.model, workspace=safegen.Workspace(keys=made.keys, ledger=ledger)
        )
        ready, go = os.pipe()
        releases = [
            loaded.generate(2, purpose="x", seed=n, name=name, explain="full") for n in range(2)
        ]
        loaded._context.ledger._engine.dispose()
        children = []
        for release in releases:
            child = os.fork()
            if child == 0:
                os.close(go)
                os.read(ready, 1)  # until the other is there as well
                code = 2
                try:
                    release.save(out)
                    code = 0
                except StorageError:
                    code = 1
                finally:
                    os._exit(code)
            children.append(child)
        os.close(ready)
        os.close(go)
        ended = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
        assert ended == expected
        saved = expected.count(0)
        assert len(visible(out)) == FILES * saved
        assert len(Ledger(ledger)) == 4 * saved
        check_trusted(made, out, Ledger(ledger), 4 * saved)


# A file of one's own, signed in its place

# Imports once and forks for every run; nothing of the C2PA SDK is called before the fork.
SIGNER = """
import os, signal, sys
import safegen
from safegen import storage
from safegen.pipeline import sign
from safegen.provenance.log.ledger import Ledger

def die_at(number):
    passed = iter(range(10**6))
    def mortal(step):
        def run(*arguments, **named):
            if next(passed) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            done = step(*arguments, **named)
            if next(passed) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return done
        return run
    for home, name in [(storage, "make_hidden"), (storage, "write_new"), (storage, "sync_folder"),
                       (storage, "rename"), (storage, "drop_folder"), (Ledger, "append")]:
        setattr(home, name, mortal(getattr(home, name)))

for line in sys.stdin:
    number, path, keys, ledger = line.split()
    child = os.fork()
    if child == 0:
        die_at(int(number))
        safegen.sign(path, keys=keys, ledger=ledger, source="algorithmic")
        os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def signing():
    """Sign a file, and be killed at a step; tells whether that came."""
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask(*words):
        process.stdin.write(" ".join(map(str, words)) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline()) == signal.SIGKILL

    yield ask
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.mark.parametrize(("mime", "suffix"), [("image/png", "png"), ("text/csv", "csv")])
def test_killed_at_every_step_of_signing(made, media, signing, tmp_path, mime, suffix):
    """The old file and no entry, or the new one and its entry; embedded and with a sidecar."""
    left = []
    for number in range(60):
        path = tmp_path / str(number) / f"own.{suffix}"
        path.parent.mkdir()
        path.write_bytes(media[mime])
        killed = signing(number, path, made.keys, tmp_path / f"{number}.db")
        log = Ledger(tmp_path / f"{number}.db")
        take_up(path.parent, log)
        assert not hidden(path.parent)
        state = safegen.verify(path, trust=made.root).state
        assert state in {"trusted", "unsigned", "unsupported"}
        if state != "trusted":
            assert [each.name for each in path.parent.iterdir()] == [path.name]
            assert path.read_bytes() == media[mime]
        assert len(log) == (state == "trusted")
        left.append(state == "trusted")
        if not killed:
            break
    assert not killed
    assert number > 12
    assert left == sorted(left)
    assert {True, False} == set(left)


def test_signing_on_a_full_disk(made, media, small_disk, tmp_path):
    for name, data in (("own.png", media["image/png"]), ("own.csv", media["text/csv"])):
        path = small_disk / name
        path.write_bytes(data)
        ledger = tmp_path / f"{name}.db"

        def save(pages, path=path, data=data, ledger=ledger):
            try:
                safegen.sign(path, keys=made.keys, ledger=ledger, source="algorithmic")
            except StorageError:
                assert path.read_bytes() == data
                assert {each.name for each in small_disk.iterdir()} == {path.name, "ballast"}
                assert len(Ledger(ledger)) == 0
                raise

        assert attempts(small_disk, save, step=1) > 1
        assert safegen.verify(path, trust=made.root, ledger=ledger).state == "trusted"
        assert len(Ledger(ledger)) == 1
        for each in small_disk.iterdir():
            each.unlink()
