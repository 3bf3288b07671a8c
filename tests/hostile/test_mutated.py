"""Files that were cut, mixed and stirred at random: always a verdict, never an undeserved one."""

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import safegen
from safegen.provenance.media import formats

SETTINGS = settings(
    max_examples=200,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PLACE = st.floats(0, 1, exclude_max=True)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("bytes"), PLACE, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("cut"), PLACE, st.integers(1, 4096)),
        st.tuples(st.just("insert"), PLACE, st.binary(min_size=1, max_size=64)),
        st.tuples(st.just("repeat"), PLACE, st.integers(1, 512)),
        st.tuples(st.just("end"), PLACE, st.just(0)),
        st.tuples(st.just("length"), PLACE, st.sampled_from([0, 1, 2**31, 2**32 - 1])),
    ),
    min_size=1,
    max_size=4,
)


def changed(data, changes):
    for kind, share, value in changes:
        place = int(share * len(data))
        if kind == "bytes":
            data = data[:place] + value + data[place + len(value) :]
        elif kind == "cut":
            data = data[:place] + data[place + value :]
        elif kind == "insert":
            data = data[:place] + value + data[place:]
        elif kind == "repeat":
            data = data[:place] + data[place : place + value] + data[place:]
        elif kind == "length":
            data = data[:place] + value.to_bytes(4, "big") + data[place + 4 :]
        else:
            data = data[:place]
    return data


def unchanged(verdict, original):
    return verdict.model_dump(exclude={"path"}) == original.model_dump(exclude={"path"})


@pytest.mark.parametrize("mime", sorted(formats.EMBEDDABLE_TYPES))
@seed(1)
@SETTINGS
@given(changes=CHANGES)
def test_a_changed_file_has_a_verdict(made, subjects, originals, tmp_path, mime, changes):
    subject = subjects[mime]
    path = tmp_path / f"file{subject.suffix}"
    data = changed(subject.data, changes)
    path.write_bytes(data)
    verdict = safegen.verify(path, trust=made.root)
    assert verdict.state != "trusted" or unchanged(verdict, originals[mime])
    if data != subject.data:
        logged = safegen.verify(path, trust=made.root, ledger=made.ledger)
        assert logged.state not in {"trusted", "valid"}


@seed(1)
@SETTINGS
@given(
    first=st.sampled_from(sorted(formats.EMBEDDABLE_TYPES)),
    second=st.sampled_from(sorted(formats.EMBEDDABLE_TYPES)),
    cut=PLACE,
    resumed=PLACE,
)
def test_two_files_spliced(made, subjects, originals, tmp_path, first, second, cut, resumed):
    one, two = subjects[first].data, subjects[second].data
    data = one[: int(cut * len(one))] + two[int(resumed * len(two)) :]
    path = tmp_path / "spliced"
    path.write_bytes(data)
    verdict = safegen.verify(path, trust=made.root)
    assert verdict.state != "trusted" or any(
        unchanged(verdict, original) for original in originals.values()
    )


@pytest.fixture(scope="module")
def originals(made, subjects, tmp_path_factory):
    """What is said of each untouched file alone."""
    folder = tmp_path_factory.mktemp("alone")
    found = {}
    for mime, subject in subjects.items():
        path = folder / f"file{subject.suffix}"
        path.write_bytes(subject.data)
        found[mime] = safegen.verify(path, trust=made.root)
        assert found[mime].state == "trusted"
    return found
