import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.runtime.slots import SlotBook, SlotsExhausted

ROOM = {"route": 4, "endpoint": 100}


def plan(book, *routes, now=0.0, retirement=100.0):
    return book.planned({"route": routes}, capacity=ROOM, now=now, retirement=retirement)


def test_numbers_count_from_zero_and_stay():
    book = plan(SlotBook(), "a", "b")
    assert book.active["route"] == {"a": 0, "b": 1}
    book = plan(book, "c", "b", "b")
    assert book.active["route"] == {"c": 2, "b": 1}
    assert book.retired["route"] == {"a": (0, 0.0)}


def test_a_name_that_comes_back_gets_its_number():
    book = plan(plan(plan(SlotBook(), "a", "b"), "b"), "b", "a")
    assert book.active["route"] == {"b": 1, "a": 0}
    assert book.retired["route"] == {}
    assert book.reused == ()


def test_a_retired_number_is_reused_late_and_only_when_none_is_fresh():
    book = plan(SlotBook(), "a", "b", "c")
    book = plan(book, "c", now=10)
    book = plan(book, "c", "d", now=500)
    assert book.active["route"]["d"] == 3
    with pytest.raises(SlotsExhausted, match="no room for route 'e'"):
        plan(book, "c", "d", "e", now=50)
    book = plan(book, "c", "d", "e", now=500)
    assert book.active["route"]["e"] in (0, 1)
    assert book.reused == (("route", book.active["route"]["e"]),)
    assert plan(book, "c", "d", "e").reused == ()


def test_a_plan_that_fails_changes_nothing():
    book = plan(SlotBook(), "a", "b", "c", "d")
    before = repr(book)
    with pytest.raises(SlotsExhausted):
        plan(book, "e")
    assert repr(book) == before


def test_kinds_are_apart():
    book = SlotBook().planned({"route": ["a"], "endpoint": ["a", "b"]}, capacity=ROOM, now=0)
    assert book.active == {"route": {"a": 0}, "endpoint": {"a": 0, "b": 1}}


def test_a_kind_without_room_has_none():
    with pytest.raises(SlotsExhausted):
        SlotBook().planned({"unheard": ["a"]}, capacity=ROOM, now=0)


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=5), max_size=12))
def test_no_two_names_ever_share_a_number(revisions):
    book = SlotBook()
    for step, names in enumerate(revisions):
        try:
            new = book.planned({"route": sorted(names)}, capacity={"route": 6}, now=step, retirement=2)
        except SlotsExhausted:
            continue
        numbers = [*new.active["route"].values(), *(number for number, _ in new.retired["route"].values())]
        assert len(numbers) == len(set(numbers))
        assert set(numbers) <= set(range(6))
        assert set(new.active["route"]) == names
        for name in names & set(book.active.get("route", {})):
            assert new.active["route"][name] == book.active["route"][name]
        book = new


def test_some_names_take_the_place_of_others():
    book = SlotBook().planned({"endpoint": ["a", "b"], "route": ["r"]}, capacity={"endpoint": 3, "route": 3}, now=0.0)
    after = book.exchanged("endpoint", gone=["a"], come=["c"], capacity=3, now=1.0)
    assert after.active == {"endpoint": {"b": 1, "c": 2}, "route": {"r": 0}}
    # one that comes back has its own number again
    assert after.exchanged("endpoint", gone=["c"], come=["a"], capacity=3, now=2.0).active["endpoint"] == {
        "b": 1,
        "a": 0,
    }
    with pytest.raises(SlotsExhausted):
        after.exchanged("endpoint", gone=[], come=["d"], capacity=3, now=2.0)
    late = after.exchanged("endpoint", gone=[], come=["d"], capacity=3, now=9999.0)
    assert late.active["endpoint"]["d"] == 0
    assert late.reused == (("endpoint", 0),)
    assert book.active["endpoint"] == {"a": 0, "b": 1}
