"""Fuzz `safegen.verify` with atheris (coverage of our Python; the C2PA SDK is compiled).

    pip install atheris
    python tests/hostile/fuzz_verify.py FOLDER -max_total_time=1500

`FOLDER/keys` signs the corpus and is trusted; both are made when they are missing. A crash, ten
seconds, a gigabyte, or a trusted file whose statements nobody signed ends the run.
"""

import random
import shutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["safegen"]):
    from safegen.provenance.c2pa import claims, manifest
    from safegen.provenance.keys import pki
    from safegen.provenance.keys.opener import open_signer
    from safegen.provenance.keys.trust import read_trust, trust_in
    from safegen.provenance.media import formats, kinds
    from safegen.verification.one_file import verify_file
    from safegen.verification.workers.limits import limit_memory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import _film, _picture, _sound

LIMITS = ("-close_fd_mask=2", "-timeout=10", "-rss_limit_mb=1024", "-max_len=131072")


class Target:
    """One place where every input is written and verified."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "keys" / "root.pem"
        self._trust = read_trust([self.root])
        self._place = Path(tempfile.mkdtemp(prefix="fuzz"))
        self._signed = {}
        for path in sorted((folder / "corpus").iterdir()):
            verdict, said = self._look(path.read_bytes())
            if verdict.state == "trusted":
                self._signed[said.label] = self._plain(verdict), said

    def _look(self, data: bytes):
        kind = kinds.kind_of(data[: kinds.HEAD_BYTES])
        path = self._place / f"file{formats.EMBEDDABLE_TYPES.get(kind, '.png')}"
        path.write_bytes(data)
        verdict = verify_file(path, self._trust)  # here, where its coverage is seen
        said = None
        if verdict.state == "trusted":
            said = manifest.read(data, kind, trust=trust_in(self.root.read_bytes()))
        return verdict, said

    def _plain(self, verdict):
        return verdict.model_dump(exclude={"path"})

    def __call__(self, data: bytes) -> None:
        verdict, said = self._look(data)
        if verdict.state == "trusted" and (self._plain(verdict), said) != self._signed[said.label]:
            raise AssertionError(f"trusted, and says something else than was signed: {verdict}")


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change one window, so that most of a signed file stays what it was."""
    pick = random.Random(seed)
    if len(data) < 64 or pick.random() < 0.1:
        return atheris.Mutate(data, max_size)
    start = pick.randrange(len(data))
    window = data[start : start + pick.choice((4, 16, 64, 1024))]
    room = max(max_size - len(data) + len(window), 1)
    return (data[:start] + atheris.Mutate(window, min(room, 2048)) + data[start + len(window) :])[
        :max_size
    ]


def seed_corpus(folder: Path) -> None:
    if not (folder / "keys").exists():
        pki.init(folder / "keys")
    corpus = folder / "corpus"
    if corpus.exists():
        return
    corpus.mkdir(parents=True)
    signer = open_signer(folder / "keys")
    plain = {f"image/{kind.lower()}": _picture(kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF")}
    plain |= {"image/avif": _picture("AVIF"), "image/gif": _picture("GIF")}
    for mime, data in (plain | {"audio/wav": _sound(), "video/mp4": _film()}).items():
        claim = claims.created_claim(
            title="seed", mime=mime, source_type=claims.SOURCE_TYPES["algorithmic"]
        )
        signed, _ = manifest.sign(data, claim, signer)
        (corpus / f"seed{formats.EMBEDDABLE_TYPES[mime]}").write_bytes(signed)


def main() -> None:
    folder = Path(sys.argv[1])
    limit_memory()  # as a process of `safegen verify` does
    seed_corpus(folder)
    target = Target(folder)
    work = folder / "found"
    work.mkdir(exist_ok=True)
    shutil.copytree(folder / "corpus", work, dirs_exist_ok=True)
    options = [sys.argv[0], str(work), f"-artifact_prefix={folder}/", *LIMITS, *sys.argv[2:]]
    atheris.Setup(options, target, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
