"""The language of conditions: what it says, three-valued, and what is refused, and where."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alerts.rules import language, vocabulary
from alerts.rules.language import Every, Holds, LanguageError, Number, Signal, Some, parse


class Said:
    """One subject of which values are said outright, by the signal as it is written."""

    def __init__(self, minute: int = 0, **values: float) -> None:
        self.values = {k.replace("__", "."): v for k, v in values.items()}
        self.at = minute
        self.newest: list[tuple[float, float]] = []
        self.size = 1

    def signal(self, signal: Signal) -> NDArray[np.float64]:
        return np.array([self.values.get(str(signal), math.nan)])

    def recent(self, signal: Signal, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values, ages = np.full((1, n), np.nan), np.full((1, n), np.inf)
        for k, (value, age) in enumerate(self.newest[:n]):
            values[0, k], ages[0, k] = value, age
        return values, ages

    def minute(self) -> NDArray[np.float64]:
        return np.array([float(self.at)])

    def parameter(self, n: int) -> NDArray[np.float64]:
        return np.array([self.values[f"p{n}"]])


def truth(text: str, env: Said) -> bool | None:
    yes, no = language.judge(parse(text), env)
    assert not (yes[0] and no[0])
    return True if yes[0] else False if no[0] else None


EVERYTHING = [
    "spo2 < 93", "93 > spo2", "spo2 <= 93.5", "spo2 == 93", "spo2 != 93", "heart_rate >= 100",
    "fall", "not mains", "door_open", "symptom.breathless >= 2", "acvpu == 'C'", "acvpu != 'A'",
    "spo2 < low(spo2)", "spo2 > high(spo2)", "age(weight) > '3 d'", "gain(weight, '3 d') > '2 kg'",
    "loss(weight, '15 d') > 2", "mean(systolic, '7 d', 4) >= 135", "mean(systolic, '7 d') >= 135",
    "slope(weight, '7 d') > 0.15", "usual(weight) > 80", "z(spo2) <= -3.5", "drift_up(weight) >= 5",
    "drift_down(weight) >= 5", "held(door_open) >= '15 min'", "still() >= '12 h'",
    "quiet_hours() >= 6", "away() >= '24 h'", "days_known() < 7", "bed_overdue() >= '2 h'",
    "after_fall() >= '15 min'", "count('night_motion') >= 6", "usual_count('night_motion') > 1",
    "excess('bathroom_visits') >= 3.5", "light() < '10 lx'", "residents() == 1",
    "hours('22:00', '06:00')", "hours('22:00', '06:00', door_minute())",
    "times(spo2 < 90, 2, 3, '2 h')", "times(fall, 2, 4, '365 d')",
    "least(2, fall, mains, door_open)", "spo2 < usual(spo2) * 0.9 - 1 + 2", "not (fall and mains)",
    "fall or mains or spo2 < 3", "spo2 < -1 * z(spo2)", "gain(symptom.breathless, '1 d') > 1",
]  # fmt: skip


@pytest.mark.parametrize("text", EVERYTHING)
def test_every_construct_is_read(text: str) -> None:
    node = parse(text)
    assert language.signals(node) or isinstance(node, language.Hours)
    language.judge(node, Said())  # and judged, of a subject of whom nothing is known


def test_every_signal_of_the_vocabulary_is_among_the_constructs() -> None:
    used = {s.name for text in EVERYTHING for s in language.signals(parse(text))}
    assert used == set(vocabulary.SIGNALS)


@pytest.mark.parametrize(
    ("text", "problem", "column"),
    [
        ("", "this is no condition", 0),
        ("spo2 <", "this is no condition", None),
        ("spo2 < 93; fall", "this is no condition", 10),
        ("spo < 93", "'spo' is no quantity of the nomenclature", 1),
        ("fall and spo < 93", "'spo' is no quantity of the nomenclature", 10),
        ("symptom >= 2", "'symptom' needs the key of a question: symptom.breathless", 1),
        ("93", "this is a number, not a condition", 1),
        ("'yes'", "this is a number, not a condition", 1),
        ("spo2", "'spo2' is a number: compare it with something", 1),
        ("fall and still()", "'still()' is a number", 10),
        ("90 < spo2 < 93", "one comparison at a time: join two with 'and'", 1),
        ("spo2 in (1, 2)", "compare with one of <, <=, >, >=, ==, !=", 1),
        ("spo2 is 93", "compare with one of", 1),
        ("1 < 2", "nothing measured is compared here", 1),
        ("spo2 < -spo2", "a minus sign stands before numbers only", 8),
        ("spo2 / 2 < 3", "this can't stand here", 1),
        ("spo2 ** 9 < 3", "this can't stand here", 1),
        ("weight.lost > 3", "this is not known here", 1),
        ("lowest(spo2) > 3", "'lowest' is not known; known are after_fall, age,", 1),
        ("value(spo2) > 3", "'value' is not known", 1),
        ("low() < spo2", "'low' needs a quantity, for example low(weight)", 1),
        ("low(93) < spo2", "'low' needs a quantity, for example low(weight)", 1),
        ("low(high(spo2)) < spo2", "'low' needs a quantity", 1),
        ("low(spo2, 3) < spo2", "'low' takes quantity and no more", 1),
        ("still(3) > 3", "'still' takes nothing and no more", 1),
        ("gain(weight) > 2", "'gain' needs a length of time such as '3 d', in quotes", 1),
        ("gain(weight, 3) > 2", "'gain' needs a length of time such as '3 d', in quotes", 1),
        ("gain(weight, '3 weeks') > 2", "'3 weeks' is no length of time", 1),
        ("gain(weight, '16 d') > 2", "a window is a number of whole days, 1 to 15", 1),
        ("gain(weight, '0 d') > 2", "a window is a number of whole days, 1 to 15", 1),
        ("gain(weight, '36 h') > 2", "a window is a number of whole days, 1 to 15", 1),
        ("mean(weight, '7 d', 0) > 2", "the least number of days must be a whole number", 21),
        ("mean(weight, '7 d', True) > 2", "the least number of days must be a whole number", 21),
        ("gain(fall, '3 d') > 2", "'gain' needs a quantity that is a number, not fall", 1),
        ("z(acvpu) > 2", "'z' needs a quantity that is a number, not acvpu", 1),
        ("count('sneezes') > 2", "'sneezes' is not counted; counted are bathroom_visits,", 1),
        ("count() > 2", "'count' needs what is counted, in quotes", 1),
        ("count(fall) > 2", "'count' needs what is counted, in quotes", 1),
        ("least(2, fall)", "least(2, one condition, another, a third) needs", 1),
        ("least(3, fall, mains)", "3 of 2 can never hold", 1),
        ("least(0, fall, mains)", "how many have to hold must be a whole number", 7),
        ("least(1, fall, mains, more=2)", "this is not known here", 1),
        ("times(spo2 < 90, 2, 3)", "times(spo2 < 90, 2, 3, '2 h') needs", 1),
        ("times(fall and mains, 2, 3, '2 h')", "times() takes one comparison of a reading", 1),
        ("times(90 > spo2, 2, 3, '2 h')", "with the reading on its left", 1),
        ("times(age(spo2) > '2 h', 2, 3, '2 h')", "with the reading on its left", 1),
        ("times(spo2 < 90, 3, 2, '2 h')", "how often must be at most of how many", 1),
        ("times(spo2 < 90, 2, 5, '2 h')", "and that at most 4", 1),
        ("times(spo2 < 90, 2, 3, 7200)", "within what time is a text such as '2 h'", 1),
        ("times(spo2 < 90, 2, 3, '-1 h')", "'-1 h' is no length of time", 24),
        ("hours('22:00')", "needs two different local times of day", 1),
        ("hours('22:00', '22:00')", "needs two different local times of day", 1),
        ("hours('22', '06:00')", "needs two local times of day", 1),
        ("hours('22:60', '06:00')", "needs two local times of day", 1),
        ("hours('24:00', '06:00')", "needs two different local times of day", 1),
        ("hours('²:00', '06:00')", "needs two local times of day", 1),
        ("hours('22:00', '06:00', still())", "hours() may have a third part", 1),
        ("hours('22:00', '06:00', 7)", "hours() may have a third part", 1),
        ("hours('22:00', '06:00', door_minute(), 7)", "hours() may have a third part", 1),
        ("hours(22, 6)", "needs two local times of day", 1),
        ("acvpu == 'X'", "'X' is none of A, C, V, P, U", 10),
        ("acvpu == 'CV'", "'CV' is none of A, C, V, P, U", 10),
        ("spo2 < '93 kg'", "'kg' is no unit of this; its unit is %", 8),
        ("spo2 < 'many %'", "'many %' is no number with a unit, such as '2.0 kg'", 8),
        ("spo2 < 'nan %'", "no bound", 1),
        ("spo2 < 1e999", "no bound", 1),
        ("spo2 < " + "9" * 400, "no bound", 1),
        ("z(spo2) > '2 %'", "'%' is no unit of this; its unit is 1", 11),
        ("still() > '2'", "'2' is no length of time", 11),
        ("gain(body_temperature, '3 d') > '2 [degF]'", "is a point, not a difference", 33),
        ("body_temperature > usual(body_temperature) + '1 [degF]'", "say it in Cel", 46),
        ("(lambda: fall)()", "this is not known here", 1),
        ("(spo2 := 3) < 2", "this can't stand here", 2),
        ("f'{spo2}' < 3", "this can't stand here", 1),
        ("b'1' < spo2", "this can't stand here", 1),
        ("1j < spo2", "this can't stand here", 1),
        ("None < spo2", "this can't stand here", 1),
        ("[fall][0]", "this is a number, not a condition", 1),
        ("fall if mains else tamper", "this is a number, not a condition", 1),
        ("[x for x in (fall,)]", "this is a number, not a condition", 1),
        ("__import__('os').system('x')", "this is not known here", 1),
        ("__import__('os') > 1", "'__import__' is not known", 1),
        ("fall.__class__", "this is not known here", 1),
        ("fall\x00", "this is no condition", 0),
        ("спо2 < 93", "'спо2' is no quantity of the nomenclature", 1),
        ("(" * 300 + "fall" + ")" * 300, "this is no condition", None),
        ("not " * 60 + "fall", "this is nested too deeply to be read", 0),
        ("spo2 < " + "1 + " * 60 + "1", "this is nested too deeply to be read", 0),
        ("fall or " * 2_000 + "fall", "a condition has at most 4000 characters", 0),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_what_and_where(
    text: str, problem: str, column: int | None
) -> None:
    with pytest.raises(LanguageError) as refused:
        parse(text)
    assert problem in refused.value.problem
    assert column is None or refused.value.column == column


@pytest.mark.parametrize(
    "inner", ["not ", "(", "-", "low(", "least(1, fall, ", "[", "{", "spo2 + "]
)
@pytest.mark.parametrize("times", [30, 45, 200, 1_000])
def test_deep_nesting_is_refused_or_read_and_never_runs_out_of_stack(
    inner: str, times: int
) -> None:
    for text in (inner * times + "fall", inner * times + "fall" + ")" * times):
        try:
            node = parse(text)
        except LanguageError:
            continue
        list(language.walk(node))
        hash(node)
        repr(node)
        language.judge(node, Said())


words = st.sampled_from(
    ["spo2", "fall", "weight", "symptom", "breathless", "low", "gain", "least", "times", "hours",
     "count", "and", "or", "not", "(", ")", ",", ".", "<", ">=", "==", "+", "-", "*", "**", "/",
     "2", "0.5", "1e999", "'3 d'", "'22:00'", "'night_motion'", "lambda", ":", ":=", "[", "]", "{",
     "}", "__class__", "import", "await", "if", "else", "for", "in", "f'{spo2}'", "b'x'", "...",
     "*", "=", "None", "True", "é", "\x00", "\n", "#", "'", '"', "²"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(words, max_size=14).map(" ".join)))
@example("hours('²:00', '6:00')")
@example("spo2 < " + "9" * 3_000)
@example("\ud800 < 3")
def test_whatever_is_written_is_read_or_refused_in_words(text: str) -> None:
    try:
        node = parse(text)
    except LanguageError:
        return
    language.judge(node, Said())


def test_nothing_written_is_ever_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr("builtins.print", lambda *a: ran.append(str(a)))
    for text in (
        "print('x')", "print('x') > 3", "least(1, print('x'), fall)", "low(print('x')) > 3",
        "spo2 < print('x')", "symptom.__init__ > 3", "(lambda: print('x'))()",
        "f'{print(1)}' < spo2",
    ):  # fmt: skip
        try:
            language.judge(parse(text), Said())
        except LanguageError:
            continue
    assert ran == []


# -- three values --------------------------------------------------------------------------------

VALUES = {True: 1.0, False: 0.0, None: math.nan}
NAMES = ("fall", "mains", "tamper")


@pytest.mark.parametrize("given", list(itertools.product((True, False, None), repeat=3)))
def test_all_any_not_and_least_are_sure_only_of_what_no_reading_could_change(
    given: tuple[bool | None, ...],
) -> None:
    """Whatever is unknown is tried both ways: where all agree it is known, else it isn't."""
    env = Said(**{n: VALUES[v] for n, v in zip(NAMES, given, strict=True)})
    worlds = list(itertools.product(*[(v,) if v is not None else (True, False) for v in given]))

    def sure(hold: list[bool]) -> bool | None:
        return hold[0] if len(set(hold)) == 1 else None

    assert truth("fall and mains and tamper", env) is sure([all(w) for w in worlds])
    assert truth("fall or mains or tamper", env) is sure([any(w) for w in worlds])
    assert truth("not fall", env) is sure([not w[0] for w in worlds])
    for n in (1, 2, 3):
        said = truth(f"least({n}, fall, mains, tamper)", env)
        assert said is sure([sum(w) >= n for w in worlds])


@pytest.mark.parametrize("op", ["<", "<=", ">", ">=", "==", "!="])
def test_a_comparison_with_something_unknown_is_unknown(op: str) -> None:
    assert truth(f"spo2 {op} 93", Said()) is None
    assert truth(f"spo2 {op} usual(spo2)", Said(spo2=93.0)) is None
    assert truth(f"spo2 {op} usual(spo2) * 2 + 1", Said(spo2=93.0)) is None
    for value in (92.0, 93.0, 94.0):
        wanted = eval(f"{value} {op} 93")
        assert truth(f"spo2 {op} 93", Said(spo2=value)) is wanted
        assert truth(f"93 {op} spo2", Said(spo2=value)) is eval(f"93 {op} {value}")


@pytest.mark.parametrize("bound", [4.1, 4.4, 37.6, 36.9, 93.3, 129.1])
def test_a_value_kept_in_four_bytes_that_lies_on_its_bound_is_on_it(bound: float) -> None:
    kept = Said(glucose=float(np.float32(bound)))
    assert truth(f"glucose < {bound}", kept) is False
    assert truth(f"glucose > {bound}", kept) is False
    assert truth(f"glucose == {bound}", kept) is True
    assert truth(f"glucose < {bound}", Said(glucose=bound - 0.001)) is True
    kept.newest = [(float(np.float32(bound)), 0.0)] * 2
    assert truth(f"times(glucose < {bound}, 1, 2, '1 h')", kept) is False


def test_sums_of_decimal_fractions_do_not_miss_their_bound() -> None:
    env = Said(weight=0.3, height=1.0)
    env.values["usual(weight)"] = 0.1
    assert truth("weight <= usual(weight) + 0.2", env) is True
    assert truth("weight > usual(weight) + 0.2", env) is False
    assert truth("weight == usual(weight) * 3 - 0", env) is True


def test_infinity_is_a_limit_that_is_not_there() -> None:
    env = Said(spo2=99.0)
    env.values |= {"low(spo2)": -math.inf, "high(spo2)": math.inf}
    assert truth("spo2 < low(spo2) or spo2 > high(spo2)", env) is False
    assert truth("spo2 >= low(spo2) + 1 and spo2 <= high(spo2) - 1", env) is True


@pytest.mark.parametrize(
    ("newest", "said"),
    [
        ([], None),
        ([(89, 0)], False),  # one reading can't be two times
        ([(89, 0), (89, 60)], True),
        ([(89, 0), (91, 60), (89, 120)], True),
        ([(91, 0), (89, 60), (89, 120)], True),
        ([(91, 0), (91, 60), (89, 120)], False),
        ([(89, 0), (91, 60), (91, 90), (89, 120)], False),  # beyond the last three
        ([(89, 0), (89, 7_200)], True),
        ([(89, 0), (89, 7_201)], False),  # too long ago
        ([(89, 7_201), (89, 7_202)], None),  # nothing that is fresh enough
        ([(90, 0), (90, 1)], False),
        ([(math.nan, 0), (89, 1), (89, 2)], None),
    ],
)
def test_times_counts_the_last_readings_within_their_time(
    newest: list[tuple[float, float]], said: bool | None
) -> None:
    env = Said()
    env.newest = newest
    assert truth("times(spo2 < 90, 2, 3, '2 h')", env) is said
    assert truth("not times(spo2 < 90, 2, 3, '2 h')", env) is (None if said is None else not said)


def test_times_against_something_unknown_is_unknown() -> None:
    env = Said()
    env.newest = [(89.0, 0.0), (89.0, 1.0)]
    assert truth("times(spo2 < usual(spo2) - 3, 2, 3, '36 h')", env) is None
    env.values["usual(spo2)"] = 93.0
    assert truth("times(spo2 < usual(spo2) - 3, 2, 3, '36 h')", env) is True


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("hours('22:00', '06:00')", lambda m: m >= 1_320 or m < 360),
        ("hours('09:30', '17:00')", lambda m: 570 <= m < 1_020),
        ("hours('00:00', '05:00')", lambda m: m < 300),
        ("hours('23:59', '00:00')", lambda m: m == 1_439),
    ],
)
def test_hours_hold_from_their_first_minute_until_before_their_last(text: str, inside) -> None:
    node = parse(text)
    for minute in range(1_440):
        yes, no = language.judge(node, Said(minute))
        assert (yes[0], no[0]) == (inside(minute), not inside(minute)), minute


@pytest.mark.parametrize(
    ("minute", "held"), [(1_379, False), (1_380, True), (359, True), (360, False), (math.nan, None)]
)
def test_hours_of_the_door_are_about_when_it_was_used_and_not_about_now(
    minute: float, held: bool | None
) -> None:
    for now in (0, 720):
        env = Said(now)
        env.values["door_minute()"] = minute
        assert truth("hours('23:00', '06:00', door_minute())", env) is held


# -- numbers with units --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("body_temperature > '99.5 [degF]'", 37.5),
        ("body_temperature > '310.65 K'", 37.5),
        ("body_temperature > '37.5 Cel'", 37.5),
        ("body_temperature > '37.5'", 37.5),
        ("weight > '5 [lb_av]'", 2.26796185),
        ("gain(weight, '7 d') > '5 [lb_av]'", 2.26796185),
        ("'70000 g' < weight", 70.0),
        ("glucose < '72 mg/dL'", 72 / 18.0156),
        ("spo2 < '0.9 /'", 90.0),
        ("systolic > '16 kPa'", 120.009872),
        ("heart_rate > '2 Hz'", 120.0),
        ("still() > '90 min'", 5_400.0),
        ("age(weight) > '1.5 d'", 129_600.0),
        ("away() >= '30 s'", 30.0),
        ("quiet_hours() >= '6 h'", 6.0),
        ("light() < '10 lux'", 10.0),
        ("acvpu == 'A'", 0.0),
        ("acvpu == 'U'", 4.0),
        ("'C' == acvpu", 1.0),
        ("weight > -'5 kg'", -5.0),
        ("spo2 < usual(spo2) - '3 %'", 3.0),
        ("mains == True", 1.0),
    ],
)
def test_a_number_with_a_unit_is_read_in_the_hubs_unit(text: str, value: float) -> None:
    numbers = [p.value for p in language.walk(parse(text)) if isinstance(p, Number)]
    assert numbers == [pytest.approx(value, rel=1e-6)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0 s", 0.0), ("20 min", 1_200.0), ("1.5 h", 5_400.0), (" 3  d ", 259_200.0)],
)
def test_a_length_of_time_is_read_in_seconds(text: str, seconds: float) -> None:
    assert language.duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "3", "d", "3d", "3 w", "-1 h", "inf h", "nan h", "3 D", "٣ x"]
)
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(LanguageError, match="is no length of time"):
        language.duration(text)


@settings(deadline=None)
@given(st.integers(1, 10**7))
def test_a_length_of_time_is_written_as_it_is_read(seconds: int) -> None:
    assert language.duration(language.duration_text(float(seconds))) == pytest.approx(
        seconds, rel=1e-5
    )


@pytest.mark.parametrize("text", [t for t in EVERYTHING if "'" in t or "(" in t])
def test_a_signal_is_written_as_it_can_be_read(text: str) -> None:
    for signal in language.signals(parse(text)):
        again = language.signals(parse(f"{signal} == {signal}" if signal.name else ""))
        assert again == (signal,)


# -- looking into a tree -------------------------------------------------------------------------


def test_signals_come_once_each_in_the_order_they_are_written() -> None:
    node = parse("spo2 < low(spo2) or (spo2 > high(spo2) and not fall)")
    assert [str(s) for s in language.signals(node)] == ["spo2", "low(spo2)", "high(spo2)", "fall"]
    assert language.quantities(node) == {"spo2", "fall"}
    assert language.quantities(parse("still() > '2 h' and symptom.dizzy > 1")) == {"symptom.dizzy"}
    assert [str(s) for s in language.signals(parse("times(fall, 2, 4, '9 d')"))] == ["fall"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("spo2 < 90", "spo2 < 88", True),
        ("spo2 < 90", "spo2 <= 90", False),
        ("spo2 < 90", "heart_rate < 90", False),
        ("weight > '5 [lb_av]'", "weight > '3 kg'", True),
        ("gain(weight, '3 d') > 2", "gain(weight, '7 d') > 2", False),
        ("times(spo2 < 90, 2, 3, '2 h')", "times(spo2 < 85, 2, 3, '2 h')", True),
        ("times(spo2 < 90, 2, 3, '2 h')", "times(spo2 < 90, 2, 4, '2 h')", False),
        ("spo2 < 90 and not weight > 3", "spo2 < 91 and not weight > 2", True),
        ("least(1, fall, spo2 < 90)", "least(2, fall, spo2 < 90)", False),
        ("spo2 < usual(spo2) * 0.9 - 2", "spo2 < usual(spo2) * 0.8 - 3", True),
        ("hours('22:00', '06:00')", "hours('23:00', '06:00')", False),
        ("acvpu == 'C'", "acvpu == 'V'", True),
    ],
)
def test_conditions_that_differ_in_numbers_only_are_of_one_form(
    one: str, other: str, same: bool
) -> None:
    first, numbers = language.generalised(parse(one))
    second, _ = language.generalised(parse(other))
    assert (first == second) is same
    assert not any(isinstance(p, Number) for p in language.walk(first))
    assert numbers == tuple(p.value for p in language.walk(parse(one)) if isinstance(p, Number))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ["spo2 < {} or weight > {}", "not (spo2 < {} and weight > {})", "spo2 < weight * {} - {}",
         "least(1, spo2 < {}, weight < {})", "times(spo2 < {}, 1, 2, '1 h') or spo2 > {}"]
    ),
    st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100),
)  # fmt: skip
def test_a_form_with_its_numbers_says_what_the_condition_says(
    form: str, a: int, b: int, spo2: int, weight: int
) -> None:
    text = form.format(a, b)
    env = Said(spo2=float(spo2), weight=float(weight))
    env.newest = [(float(spo2), 0.0)]
    node, numbers = language.generalised(parse(text), start=3)
    env.values |= {f"p{n}": v for n, v in enumerate(numbers, start=3)}
    said = language.judge(node, env)
    assert [bool(x[0]) for x in said] == [bool(x[0]) for x in language.judge(parse(text), env)]


@pytest.mark.parametrize("text", [*EVERYTHING, "not fall", "not not fall"])
@pytest.mark.parametrize("value", [0.0, 1.0, 2.0, 93.0, 200.0, math.nan])
def test_the_contrary_of_a_condition_holds_exactly_where_it_does_not(
    text: str, value: float
) -> None:
    node = parse(text)
    env = Said()
    env.values = {str(s): value for s in language.signals(node)}
    env.newest = [(value, 0.0)]
    yes, no = language.judge(node, env)
    contrary = language.judge(language.negated(node), env)
    assert (contrary[0][0], contrary[1][0]) == (no[0], yes[0])


def test_the_contrary_is_said_without_a_not_where_that_can_be() -> None:
    assert language.negated(parse("spo2 < 93")) == parse("spo2 >= 93")
    assert language.negated(parse("not fall")) == Holds(Signal("value", "fall"))
    assert language.negated(parse("fall or mains")) == parse("not (fall or mains)")


def test_nobody_at_all_can_be_judged() -> None:
    class Nobody(Said):
        def __init__(self) -> None:
            super().__init__()
            self.size = 0

        def signal(self, signal: Signal) -> NDArray[np.float64]:
            return np.zeros(0)

    yes, no = language.judge(parse("(spo2 < 93 + 2 and fall) or least(1, fall, mains)"), Nobody())
    assert yes.shape == no.shape == (0,)


def test_trees_are_what_they_look_like() -> None:
    assert parse("fall and mains") == Every((parse("fall"), parse("mains")))
    assert parse("fall or mains") == Some((parse("fall"), parse("mains")), 1)
    assert parse("least(2, fall, mains)") == Some((parse("fall"), parse("mains")), 2)
    assert parse("times(fall, 2, 4, '1 d')") == parse("times(fall > 0, 2, 4, '1 d')")
    assert parse("  spo2 < 93 ") == parse("spo2<93")
