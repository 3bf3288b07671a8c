import base64
import re

import pytest

import safegen
from safegen.cli.tamper import with_one_bit_changed
from safegen.privacy.accounting.events import epsilon_of
from safegen.report.run import Checked, RunReport, render


@pytest.fixture(scope="module")
def page(made, model, tmp_path_factory):
    release = model.generate(2, seed=1, purpose="a page & its <tags>")
    folder = tmp_path_factory.mktemp("page")
    paths = release.save(folder)
    copy = folder / "copy.png"
    copy.write_bytes(with_one_bit_changed(release.outputs[0].data))
    certificate = model.certificate
    report = RunReport(
        title="A <page>",
        model=model.config.name,
        model_digest=model.digest,
        certificate=certificate,
        recomputed=epsilon_of(certificate.events, certificate.delta),
        checked=tuple(
            Checked(output=output, verdict=safegen.verify(path, trust=made.root))
            for output, path in zip(release.outputs, paths, strict=True)
        ),
        tampered=safegen.verify(copy, trust=made.root),
        tampered_file=copy.read_bytes(),
        commands=("safegen verify out",),
    )
    return render(report)


def test_the_page_loads_nothing_from_anywhere(page):
    sources = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']*)", page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<script" not in page
    assert "@import" not in page


def test_the_page_tells_what_checking_found(page, model):
    assert "2 trusted" in page
    assert "refused" in page
    assert f"recomputed {model.certificate.epsilon:.4f}" in page
    assert f"at least {model.certificate.lower_bound.epsilon:.2f}" in page
    for step in ("manifest", "integrity", "signer", "fingerprint", "ledger", "privacy", "policy"):
        assert f"<th>{step}</th>" in page


def test_what_users_wrote_is_escaped(page):
    assert "A &lt;page&gt;" in page
    assert "<page>" not in page


def test_a_picture_saved_from_the_page_can_still_be_verified(page, made, tmp_path):
    first = re.search(r'class="sample" src="data:image/png;base64,([^"]+)"', page)
    (tmp_path / "saved.png").write_bytes(base64.b64decode(first.group(1)))
    verdict = safegen.verify(tmp_path / "saved.png", trust=made.root, ledger=made.ledger)
    assert verdict.state == "trusted"
