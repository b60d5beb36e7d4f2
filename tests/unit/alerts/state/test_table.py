"""Tables of columns and the two look-ups, against lists and dicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.state import table
from alerts.state.table import ABSENT, ByColumn, Column, Numbered, Paired, Table


class Small(Table):
    COLUMNS = {  # noqa: RUF012  (read only)
        "no": Column("i8", 7),
        "seen": Column("f8", -np.inf),
        "byte": Column("u1", 0, (2,)),
    }


def test_a_new_row_holds_what_its_columns_say() -> None:
    small = Small()
    rows = small.add(3)
    assert rows.tolist() == [0, 1, 2]
    assert small.no[rows].tolist() == [7] * 3
    assert np.isneginf(small.seen[rows]).all()
    assert small.byte[rows].tolist() == [[0, 0]] * 3
    assert small.add(0).size == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 40), st.lists(st.integers(0, 9), max_size=5)), max_size=8))
def test_growing_and_keeping_rows_is_what_a_list_would_do(steps: list[int | list[int]]) -> None:
    small, plain = Small(), []
    for step in steps:
        if isinstance(step, int):
            rows = small.add(step)
            small.no[rows] = range(len(plain), len(plain) + step)
            plain += range(len(plain), len(plain) + step)
        else:
            kept = [k for k in dict.fromkeys(step) if k < len(plain)]
            small.keep(np.array(kept, dtype=np.int64))
            plain = [plain[k] for k in kept]
        assert small.count == len(plain)
        assert small.no[: small.count].tolist() == plain
        assert np.isneginf(small.seen[: small.count]).all()


def test_a_row_that_was_dropped_leaves_nothing_to_the_next_in_its_place() -> None:
    small = Small()
    rows = small.add(20)
    small.byte[rows] = 9
    small.keep(np.array([3]))
    assert small.byte[small.add(2)].tolist() == [[0, 0]] * 2


def test_a_column_grows_wider_and_never_narrower() -> None:
    small = Small()
    small.byte[small.add(2)] = [[1, 2], [3, 4]]
    small.widen("byte", 3)
    small.widen("byte", 1)
    assert small.byte[:2].tolist() == [[1, 2, 0], [3, 4, 0]]
    rows = small.add(40)
    small.byte[rows] = 5
    small.keep(np.array([1]))
    assert small.byte[:1].tolist() == [[3, 4, 0]]
    assert Small().byte.shape[1] == 2  # nobody else's


def test_dumped_rows_come_back_and_are_copies() -> None:
    small, other = Small(), Small()
    small.no[small.add(5)] = [5, 6, 7, 8, 9]
    dumped = small.dump(np.array([1, 3]))
    small.no[:5] = 0
    other.add(1)
    assert other.extend(dumped).tolist() == [1, 2]
    assert other.no[:3].tolist() == [7, 6, 8]
    assert other.extend(small.dump(np.zeros(0, dtype=np.int64))).size == 0
    assert other.nbytes == sum(getattr(other, c).nbytes for c in other.columns)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 5_000), st.integers(0, 99), max_size=30),
       st.lists(st.integers(-5, 6_000), max_size=30))  # fmt: skip
def test_numbers_find_their_rows_as_in_a_dict(put: dict[int, int], asked: list[int]) -> None:
    numbered = Numbered()
    numbered.put(np.array(list(put), dtype=np.int64), np.array(list(put.values()), dtype=np.int64))
    found = numbered.rows(np.array(asked, dtype=np.int64))
    assert found.tolist() == [put.get(a, ABSENT) for a in asked]
    assert [numbered.row(a) for a in asked] == found.tolist()
    assert numbered.nbytes > 0


def test_numbers_set_anew_are_the_only_ones() -> None:
    numbered = Numbered()
    numbered.put(np.array([5, 9_000]), np.array([0, 1]))
    numbered.reset(np.array([2_000, 5]))
    assert numbered.rows(np.array([5, 2_000, 9_000])).tolist() == [1, 0, ABSENT]
    numbered.reset(np.zeros(0, dtype=np.int64))
    assert numbered.row(5) == ABSENT


pairs = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 255))


few = st.tuples(st.integers(0, 500), st.sampled_from([0, 2, 7, 255]))
wide = st.tuples(st.sampled_from([0, 1, 2**24 - 2, 2**24 - 1, 2**24, 2**31 - 1]), st.integers(0, 9))


@pytest.mark.parametrize("kind", [Paired, ByColumn])
@settings(max_examples=50, deadline=None)
@given(batches=st.lists(st.lists(few, max_size=40), max_size=6), asked=st.lists(few, max_size=20))
def test_pairs_find_their_rows_as_in_a_dict(
    kind: type[Paired | ByColumn], batches: list[list[tuple[int, int]]], asked
) -> None:
    as_in_a_dict(kind(), batches, asked)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.one_of(pairs, wide), max_size=40), max_size=6), st.lists(wide))
def test_pairs_of_any_number_find_their_rows(batches: list[list[tuple[int, int]]], asked) -> None:
    as_in_a_dict(Paired(), batches, asked)


def as_in_a_dict(
    index: Paired | ByColumn, batches: list[list[tuple[int, int]]], asked: list[tuple[int, int]]
) -> None:
    plain: dict[tuple[int, int], int] = {}
    for batch in batches:
        new = [p for p in dict.fromkeys(batch) if p not in plain]
        rows = range(len(plain), len(plain) + len(new))
        plain |= dict(zip(new, rows, strict=True))
        index.put(np.array([a for a, _ in new], dtype=np.int64),
                  np.array([b for _, b in new], dtype=np.int64),
                  np.array(rows, dtype=np.int64))  # fmt: skip
    asked = [*asked, *plain, (ABSENT, 2)]
    slots = np.array([a for a, _ in asked], dtype=np.int64)
    small = np.array([b for _, b in asked], dtype=np.int64)
    wanted = [plain.get(p, ABSENT) for p in asked]
    assert index.find(slots, small).tolist() == wanted
    assert slots.tolist() == [a for a, _ in asked]  # what was asked is left alone
    for one in {b for _, b in asked}:
        some = [plain.get((a, one), ABSENT) for a, _ in asked]
        assert index.find(slots, one).tolist() == some


@pytest.mark.parametrize("kind", [Paired, ByColumn])
def test_many_pairs_of_neighbours_find_their_rows_and_stay_small(
    kind: type[Paired | ByColumn],
) -> None:
    paired = kind()
    slots, small = (x.ravel() for x in np.meshgrid(np.arange(5_000), np.arange(12)))
    for part in np.array_split(np.arange(slots.size), 7):
        paired.put(slots[part], small[part], part)
    assert (paired.find(slots, small) == np.arange(slots.size)).all()
    assert (paired.find(slots + 5_000, small) == ABSENT).all()
    assert (paired.find(slots, 200) == ABSENT).all()
    assert paired.nbytes <= 60_000 * 12 * 4


def test_the_pair_of_somebody_who_is_absent_is_absent() -> None:
    paired = Paired()
    paired.put(np.array([0]), np.array([255]), np.array([3]))
    assert paired.find(np.array([-1, -1, 0]), np.array([255, 0, 255])).tolist() == [-1, -1, 3]
    assert paired.find(np.zeros(0, dtype=np.int64), 3).size == 0


@pytest.mark.parametrize("keep", [[], [0], [2, 0], [0, 1, 2]])
def test_old_rows_know_their_new_place_and_the_absent_stays_absent(keep: list[int]) -> None:
    new = table.renumbered(keep, 3)
    assert [new[k] for k in (0, 1, 2)] == [keep.index(k) if k in keep else ABSENT for k in range(3)]
    assert new[ABSENT] == ABSENT


@settings(deadline=None)
@given(st.decimals(-999, 999, places=3))
def test_a_number_kept_in_four_bytes_comes_back_as_it_was_measured(value) -> None:
    kept = np.array([float(value)]).astype(np.float32)
    assert table.exact(kept)[0] == float(value)


def test_what_was_not_measured_stays_so_and_an_absent_limit_has_no_end() -> None:
    kept = table.exact(np.array([np.nan, np.inf, -np.inf, 200_000.0], dtype=np.float32))
    assert np.isnan(kept[0])
    assert kept[1:].tolist() == [np.inf, -np.inf, 200_000.0]
