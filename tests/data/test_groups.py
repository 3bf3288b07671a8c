"""Which group each record belongs to, read from a CSV file."""

import numpy as np
import pytest
from PIL import Image

from safegen.data.dataset import assemble
from safegen.data.groups import grouped, read_groups
from safegen.data.sources import load
from safegen.errors import DataError, StorageError

RECORDS = 4


@pytest.fixture
def data():
    return assemble(
        np.zeros((RECORDS, 1, 28, 28), dtype=np.uint8),
        np.zeros(RECORDS, dtype=np.int64),
        ("a",),
        name="few",
        source="a test",
        licence="CC0-1.0",
    )


@pytest.fixture
def pictures(tmp_path):
    """Two classes of two grey pictures each."""
    folder = tmp_path / "clinic"
    for number, name in enumerate(("sick/1.png", "sick/2.png", "well/1.png", "well/2.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 60 * number).save(folder / name)
    return folder


@pytest.fixture
def csv(tmp_path):
    """Writes a CSV file out of its lines."""

    def write(*lines, end="\n", before=b"", after=True):
        path = tmp_path / "groups.csv"
        text = end.join(lines) + (end if after else "")
        path.write_bytes(before + text.encode())
        return path

    return write


def together(data):
    """The sets of record numbers that are one unit."""
    return {frozenset(np.flatnonzero(data.groups == group).tolist()) for group in set(data.groups)}


# The card


def test_the_card_says_that_units_are_groups_and_counts_them(data):
    units = grouped(data, ["anna", "bert", "anna", "carl"])
    assert (units.card.unit, units.card.units, units.card.count) == ("group", 3, RECORDS)
    assert (data.card.unit, data.card.units) == ("record", RECORDS)
    assert data.groups is None


def test_groups_leave_the_records_as_they_are(data):
    """And their digest, or groups would open a fresh budget for the same people."""
    units = grouped(data, ["a", "b", "a", "c"])
    assert units.images is data.images
    assert units.labels is data.labels
    assert units.card.digest == data.card.digest


def test_records_of_one_name_are_one_unit_numbered_from_0(data):
    units = grouped(data, ["zoe", "bert", "zoe", "carl"])
    assert together(units) == {frozenset({0, 2}), frozenset({1}), frozenset({3})}
    assert units.groups.dtype == np.int64
    assert sorted(set(units.groups.tolist())) == [0, 1, 2]


def test_group_ids_may_be_numbers(data):
    assert together(grouped(data, [10, 9, 10, 9])) == {frozenset({0, 2}), frozenset({1, 3})}


def test_every_record_alone_is_as_many_units_as_records(data):
    assert grouped(data, list("abcd")).card.units == RECORDS


# The file


def test_records_by_number_in_any_order(data, csv):
    units = read_groups(csv("record,group", "2,anna", "0,anna", "3,bert", "1,carl"), data)
    assert together(units) == {frozenset({0, 2}), frozenset({1}), frozenset({3})}


def test_records_by_path_in_any_order(pictures, csv):
    lines = ("well/2.png,p2", "sick/1.png,p1", "well/1.png,p1", "sick/2.png,p2")
    units = read_groups(csv("record,group", *lines), load(pictures))
    assert units.names == ("sick/1.png", "sick/2.png", "well/1.png", "well/2.png")
    assert together(units) == {frozenset({0, 2}), frozenset({1, 3})}


def test_numbers_do_not_name_the_records_of_a_folder(pictures, csv):
    path = csv("record,group", "0,a", "1,b", "2,a", "3,b")
    with pytest.raises(DataError, match=r"no group to 4 of 4 records.*sick/1\.png"):
        read_groups(path, load(pictures))


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("after", [True, False], ids=["ended", "open"])
def test_what_spreadsheets_write(data, csv, before, end, after):
    path = csv("record,group", "0,a", "1,b", "2,a", "3,b", end=end, before=before, after=after)
    units = read_groups(path, data)
    assert together(units) == {frozenset({0, 2}), frozenset({1, 3})}


def test_names_with_commas_and_letters_of_any_language(data, csv):
    path = csv("record,group", '0,"Müller, Anna"', "1,Ýmir", '2,"Müller, Anna"', "3,王")
    assert together(read_groups(path, data)) == {frozenset({0, 2}), frozenset({1}), frozenset({3})}


# What is refused


@pytest.mark.parametrize(
    "lines", [(), ("",), ("0,a", "1,b"), ("group,record",), ("record;group",), ("record",)]
)
def test_a_file_without_its_header_is_refused(data, csv, lines):
    with pytest.raises(DataError, match="must begin with the line record,group"):
        read_groups(csv(*lines), data)


def test_records_that_the_file_leaves_out_are_counted_and_the_first_is_named(data, csv):
    with pytest.raises(DataError, match="no group to 2 of 4 records, the first is 1;"):
        read_groups(csv("record,group", "0,a", "2,b"), data)


def test_records_with_an_empty_group_are_counted_and_the_first_is_named(pictures, csv):
    path = csv("record,group", "sick/1.png,a", "sick/2.png,", "well/1.png,  ", "well/2.png,b")
    with pytest.raises(
        DataError, match=r"2 of 4 records have no group id, the first is sick/2\.png;"
    ):
        read_groups(path, load(pictures))


def test_a_record_twice_is_refused_with_its_line(data, csv):
    with pytest.raises(DataError, match="line 4, names a record twice"):
        read_groups(csv("record,group", "0,a", "1,b", "0,b", "2,a", "3,a"), data)


@pytest.mark.parametrize("line", ["1", "1,b,c", ""])
def test_a_line_without_two_columns_is_refused_with_its_number(data, csv, line):
    with pytest.raises(DataError, match="line 3, has not two columns"):
        read_groups(csv("record,group", "0,a", line, "2,a", "3,b"), data)


def test_one_group_alone_is_refused(data, csv):
    with pytest.raises(DataError, match="all records are in group anna"):
        read_groups(csv("record,group", *(f"{number},anna" for number in range(RECORDS))), data)


@pytest.mark.parametrize("count", [0, RECORDS - 1, RECORDS + 1])
def test_too_few_or_too_many_ids_are_refused(data, count):
    with pytest.raises(DataError, match=f"4 records and {count} group ids"):
        grouped(data, [str(number) for number in range(count)])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00r", b'record,group\n0,"a\rb\n', b"record\r0,a"])
def test_a_file_that_is_no_text_in_utf8_is_refused(data, tmp_path, content):
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.csv"):
        read_groups(path, data)


def test_a_missing_file_is_named(data, tmp_path):
    with pytest.raises(StorageError, match=r"absent\.csv"):
        read_groups(tmp_path / "absent.csv", data)


# Loading


def test_digits_load_with_groups(csv):
    plain = load("digits")
    path = csv("record,group", *(f"{number},writer-{number % 43}" for number in range(len(plain))))
    units = load("digits", groups=path)
    assert (units.card.unit, units.card.units, units.card.count) == ("group", 43, 1797)
    assert (units.groups == units.groups[:43][np.arange(1797) % 43]).all()
    assert len(set(units.groups[:43].tolist())) == 43
    assert units.card.digest == plain.card.digest


def test_a_folder_of_pictures_loads_with_groups(pictures, csv):
    lines = ("sick/1.png,p1", "sick/2.png,p2", "well/1.png,p1", "well/2.png,p3")
    units = load(pictures, groups=csv("record,group", *lines))
    assert (units.card.unit, units.card.units) == ("group", 3)
    assert together(units) == {frozenset({0, 2}), frozenset({1}), frozenset({3})}
    assert units.images[:, 0, 0, 0].tolist() == [0, 60, 120, 180]


def test_without_groups_every_record_is_a_unit(pictures):
    plain = load(pictures)
    assert (plain.card.unit, plain.card.units, plain.groups) == ("record", 4, None)


@pytest.mark.parametrize("missing", [None, float("nan"), "", "  "])
def test_strangers_are_not_pooled_into_one_group(missing):
    data = load("digits", size=28)
    ids = [missing, *(str(number) for number in range(1, len(data)))]
    with pytest.raises(DataError, match="1 of 1797 records have no group id"):
        grouped(data, ids)


def test_one_patient_spelt_in_two_ways_is_one_group():
    data = load("digits", size=28)
    ids = [str(number) for number in range(len(data))]
    ids[:4] = ["Jose\u0301", " Jos\u00e9", "Jos\u00e9 ", "Jos\u00e9"]
    by_patient = grouped(data, ids)
    assert len(set(by_patient.groups[:4])) == 1


def test_the_digest_of_a_grouping_tells_who_belongs_together_and_not_what_it_is_called():
    data = load("digits", size=28)
    one = grouped(data, [str(number // 2) for number in range(len(data))]).grouping
    renamed = grouped(data, [f"p{5000 - number // 2}" for number in range(len(data))]).grouping
    other = grouped(data, [str(number % 899) for number in range(len(data))]).grouping
    assert one == renamed != other


def test_groups_of_records_that_are_not_there_are_refused(tmp_path):
    path = tmp_path / "groups.csv"
    lines = [f"{number},{number // 2}" for number in range(1900)]
    path.write_text("\n".join(["record,group", *lines]))
    with pytest.raises(DataError, match=r"103 records that digits does not have.*1797"):
        load("digits", size=28, groups=path)
