"""The chain of an alert's events: what it finds, and what it lets pass."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import chain, model

Chained = list[tuple[model.Event, chain.Link | None]]

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBER | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_EVENT = st.builds(
    model.Event,
    no=st.just(0),
    alert_no=st.just(7),
    at=st.datetimes(
        datetime(2020, 1, 1),
        datetime(2040, 1, 1),
        timezones=st.just(UTC),
    ),
    kind=st.sampled_from(["raised", "note", "acknowledged", "closed"]),
    by=st.none() | _TEXT,
    reason=st.none() | _TEXT,
    detail=st.dictionaries(_TEXT, _VALUE, min_size=1, max_size=3),
    alert_version=st.integers(1, 100),
)


def chained(events: list[model.Event]) -> tuple[Chained, bytes]:
    """Chain events as they are written, numbers with gaps."""
    before, out = chain.START, Chained()
    for n, said in enumerate(events):
        event = replace(said, no=10 + 3 * n)
        link = chain.link(before, event, salt=bytes([n]) * chain.SALT_BYTES)
        out.append((event, link))
        before = link.hash
    return out, before


_CHAIN = st.lists(_EVENT, min_size=2, max_size=6).map(chained)


def broken(events: Chained, head: bytes | None) -> list[chain.Broken]:
    return list(chain.verify(7, events, head))


@given(_CHAIN)
def test_what_was_written_holds(made: tuple[Chained, bytes]) -> None:
    assert broken(*made) == []


@given(_CHAIN, st.data())
def test_a_change_to_anything_an_event_says_is_found(
    made: tuple[Chained, bytes], data: st.DataObject
) -> None:
    events, head = made
    n = data.draw(st.integers(0, len(events) - 1))
    event, link = events[n]
    other = {
        "no": event.no + 1,
        "alert_no": 8,
        "at": event.at + timedelta(microseconds=1),
        "kind": event.kind + "x",
        "by": (event.by or "") + "x",
        "reason": (event.reason or "") + "x",
        "detail": {**event.detail, "more": 1},
        "alert_version": event.alert_version + 1,
    }
    name = data.draw(st.sampled_from(sorted(other)))
    events[n] = (replace(event, **{name: other[name]}), link)
    assert broken(events, head)


@given(_CHAIN, st.data())
def test_a_change_to_what_chains_an_event_is_found(
    made: tuple[Chained, bytes], data: st.DataObject
) -> None:
    events, head = made
    n = data.draw(st.integers(0, len(events) - 1))
    event, link = events[n]
    assert link is not None
    name = data.draw(st.sampled_from(["salt", "reason_digest", "detail_digest", "hash"]))
    events[n] = (event, replace(link, **{name: bytes(31) + b"\1"}))
    assert broken(events, head)


@given(_CHAIN, st.data())
def test_removing_an_event_is_found(made: tuple[Chained, bytes], data: st.DataObject) -> None:
    events, head = made
    del events[data.draw(st.integers(0, len(events) - 1))]
    assert broken(events, head)


@given(_CHAIN)
def test_removing_all_events_is_found(made: tuple[Chained, bytes]) -> None:
    assert broken([], made[1])


@given(_CHAIN, st.data())
def test_exchanging_two_events_is_found(made: tuple[Chained, bytes], data: st.DataObject) -> None:
    events, head = made
    a, b = sorted(
        data.draw(
            st.lists(st.sampled_from(range(len(events))), min_size=2, max_size=2, unique=True)
        )
    )
    events[a], events[b] = events[b], events[a]
    assert broken(events, head)


@given(_CHAIN, _EVENT, st.data())
def test_an_event_put_in_between_is_found(
    made: tuple[Chained, bytes], event: model.Event, data: st.DataObject
) -> None:
    events, head = made
    n = data.draw(st.integers(0, len(events)))
    last = events[n - 1][1] if n else None
    link = chain.link(last.hash if last else chain.START, replace(event, no=11), salt=bytes(16))
    events.insert(n, (replace(event, no=11), link))
    assert broken(events, head)


@given(_CHAIN, st.data())
def test_an_event_without_a_hash_between_others_is_found(
    made: tuple[Chained, bytes], data: st.DataObject
) -> None:
    events, head = made
    n = data.draw(st.integers(1, len(events)))
    events.insert(n, (replace(events[0][0], no=11), None))
    assert broken(events, head)


@given(_CHAIN, st.data())
def test_erasing_texts_with_their_salt_holds_and_shows(
    made: tuple[Chained, bytes], data: st.DataObject
) -> None:
    events, head = made
    for n in data.draw(st.sets(st.integers(0, len(events) - 1), min_size=1)):
        event, link = events[n]
        assert link is not None
        events[n] = (replace(event, reason=None, detail={}), replace(link, salt=None))
        assert chain.erased(*events[n])  # type: ignore[arg-type]
    assert broken(events, head) == []


@given(_EVENT.filter(lambda e: e.reason is not None))
def test_losing_only_the_reason_is_no_erasure(event: model.Event) -> None:
    events, head = chained([event])
    events[0] = (replace(events[0][0], reason=None), events[0][1])
    (found,) = broken(events, head)
    assert "lost its reason" in found.what


@given(_CHAIN, _EVENT)
def test_events_older_than_the_chain_come_before_it(
    made: tuple[Chained, bytes], old: model.Event
) -> None:
    events, head = made
    assert broken([(replace(old, no=1), None), *events], head) == []
    assert broken([(replace(old, no=1), None)], None) == []


@given(st.dictionaries(_TEXT, _VALUE, max_size=4))
def test_a_detail_is_written_one_way_before_and_after_it_was_json(detail: dict[str, Any]) -> None:
    turned = dict(reversed(json.loads(json.dumps(detail)).items()))
    assert chain.canonical(turned) == chain.canonical(detail)


@pytest.mark.parametrize(
    ("written", "read"),
    [(1.0, 1), (-0.0, 0), (1e22, 10**22), (1e23, 10**23), (5e-324, 5e-324), (True, True)],
)
def test_numbers_that_the_database_writes_otherwise_are_the_same(
    written: float, read: float
) -> None:
    assert chain.canonical({"x": [written]}) == chain.canonical({"x": [read]})


def test_a_time_is_the_same_in_every_zone() -> None:
    event = model.Event(
        no=1, alert_no=7, at=datetime(2026, 1, 1, tzinfo=UTC), kind="note", by=None, reason="x"
    )
    there = replace(event, at=event.at.astimezone(timezone(timedelta(hours=5))))
    assert chain.link(chain.START, event, salt=b"s") == chain.link(chain.START, there, salt=b"s")


def test_a_digest_can_not_be_found_by_trying_texts_once_its_salt_is_gone() -> None:
    """The same text has another digest under another salt: without it there is nothing to try."""
    event = model.Event(
        no=1, alert_no=7, at=datetime(2026, 1, 1, tzinfo=UTC), kind="note", by=None, reason="x"
    )
    one, two = (chain.link(chain.START, event, salt=s) for s in (b"one", b"two"))
    assert one.reason_digest != two.reason_digest
    assert one.detail_digest != two.detail_digest


_HEADS = st.dictionaries(st.integers(1, 2**40), st.binary(min_size=32, max_size=32), max_size=5)
_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def rooted(
    heads: dict[int, bytes], before: chain.Root | None = None, event_no: int = 9
) -> chain.Root:
    return chain.root(before, sorted(heads.items()), event_no=event_no, at=_AT)


@given(_HEADS, _HEADS)
def test_a_root_changes_with_all_that_it_covers(
    heads: dict[int, bytes], earlier: dict[int, bytes]
) -> None:
    before = rooted(earlier, event_no=3)
    root = rooted(heads, before)
    assert (root.heads, root.after, root.before) == (len(heads), 3, before.hash)
    assert root == rooted(dict(reversed(heads.items())), before)
    others = [
        rooted(heads),
        rooted(heads, before, event_no=10),
        rooted(heads, rooted({**earlier, 2**41: bytes(32)}, event_no=3)),
        rooted({**heads, 2**41: bytes(32)}, before),
        chain.root(before, sorted(heads.items()), event_no=9, at=_AT + timedelta(seconds=1)),
    ]
    for no, head in heads.items():
        others.append(rooted({k: v for k, v in heads.items() if k != no}, before))
        others.append(rooted({**heads, no: bytes(b ^ 1 for b in head)}, before))
    assert root.hash not in {o.hash for o in others}


@given(_HEADS)
def test_a_root_is_read_back_as_it_was_published(heads: dict[int, bytes]) -> None:
    root = rooted(heads, rooted({}))
    line = chain.line(root)
    assert "\n" not in line
    assert chain.read_line(line) == root


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"at": 3}', "\0", '{"at": "x", "event": 1}'])
def test_what_is_no_root_is_said_to_be_none(text: str) -> None:
    assert chain.read_line(text) is None
