"""What conditions can speak of: every signal with its meaning, its unit and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ingest.kernel import vitals

DAY_S: Final = 86_400
DAYS: Final = 16
"""How many local days, today included, are remembered of a quantity and of a count."""
LONGEST_WINDOW_S: Final = (DAYS - 1) * DAY_S
RECENT: Final = 4
"""How many of the newest readings of a quantity are remembered one by one."""

Subject = Literal["person", "home", "device"]

COUNTERS: Final[dict[str, str]] = {
    "bathroom_visits": "bathroom visits in the day",
    "night_bathroom_visits": "bathroom visits between midnight and six",
    "night_motion": "times about between midnight and five",
    "night_bed_exits": "times out of bed between ten in the evening and six",
}
"""What is counted per home and local day, and how it is said. A time that lies within
:data:`SPELL_S` of the one before belongs to the same visit."""
SPELL_S: Final = 600.0  # unsourced: a sensor fires many times during one visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One signal: who has it, in what unit, what it takes, and how it is said."""

    of: tuple[Subject, ...]
    unit: str  # "q": the quantity's own; "s": a length of time; "bool", "1" or a unit
    takes: tuple[str, ...] = ()
    meaning: str
    grows: bool = False  # with the clock, one second a second, until something happens
    days: bool = False  # needs the quantity's days
    numbers_only: bool = True
    state: str = ""  # the quantity whose newest value in the home it is made of


SIGNALS: Final[dict[str, Spec]] = {
    "value": Spec(of=("person", "home", "device"), unit="q", takes=("quantity",),
                  meaning="the latest reading, while it is fresh enough", numbers_only=False),
    "low": Spec(of=("person",), unit="q", takes=("quantity",),
                meaning="the lower limit: the care plan's, the risk band's or the default"),
    "high": Spec(of=("person",), unit="q", takes=("quantity",),
                 meaning="the upper limit: the care plan's, the risk band's or the default"),
    "age": Spec(of=("person",), unit="s", takes=("quantity",), grows=True, numbers_only=False,
                meaning="how old the latest reading is"),
    "gain": Spec(of=("person",), unit="q", takes=("quantity", "window"), days=True,
                 meaning="the latest reading above the lowest day of the window"),
    "loss": Spec(of=("person",), unit="q", takes=("quantity", "window"), days=True,
                 meaning="the latest reading below the highest day of the window"),
    "mean": Spec(of=("person",), unit="q", takes=("quantity", "window", "least"), days=True,
                 meaning="the mean of the days of the window, where there are enough of them"),
    "slope": Spec(of=("person",), unit="q", takes=("quantity", "window"), days=True,
                  meaning="how much it changes a day: least squares over the days of the window"),
    "usual": Spec(of=("person",), unit="q", takes=("quantity",), days=True,
                  meaning="the person's own median of the days before the last three"),
    "z": Spec(of=("person",), unit="1", takes=("quantity",), days=True,
              meaning="the latest reading's distance from usual, in the person's own spreads"),
    "drift_up": Spec(of=("person",), unit="1", takes=("quantity",), days=True,
                     meaning="upward CUSUM of the days against usual, in the person's own spreads"),
    "drift_down": Spec(of=("person",), unit="1", takes=("quantity",), days=True,
                       meaning="downward CUSUM of the days, in the person's own spreads"),
    "held": Spec(of=("home", "device"), unit="s", takes=("quantity",), grows=True,
                 numbers_only=False, meaning="how long a state has been what it is"),
    "still": Spec(of=("home", "person"), unit="s", grows=True,
                  meaning="time without any motion while nobody has gone out"),
    "quiet_hours": Spec(of=("home", "person"), unit="h",
                        meaning="hours without motion, each counted by the share of this home's"
                        " days on which that hour has motion"),
    "away": Spec(of=("home", "person"), unit="s", grows=True,
                 meaning="time since somebody went out by the front door and nothing moved since"),
    "door_minute": Spec(of=("home", "person"), unit="min",
                        meaning="the local minute of the day at which a door to the outside was"
                        " last used"),
    "days_known": Spec(of=("home", "person"), unit="1",
                       meaning="days of the last two weeks on which anything moved in the home"),
    "bed_overdue": Spec(of=("home", "person"), unit="s", state="bed_occupied",
                        meaning="in bed beyond the usual time of the first getting up"),
    "after_fall": Spec(of=("home", "person"), unit="s", grows=True,
                       meaning="time since a fall alarm after which nothing has moved"),
    "count": Spec(of=("home", "person"), unit="1", takes=("what",),
                  meaning="how often so far today"),
    "usual_count": Spec(of=("home", "person"), unit="1", takes=("what",),
                        meaning="the home's own median of the days before"),
    "excess": Spec(of=("home", "person"), unit="1", takes=("what",),
                   meaning="today's count above usual, in the home's own spreads"),
    "light": Spec(of=("home",), unit="lx", state="illuminance",
                  meaning="how light it is where a sensor tells, else 0: taken for dark"),
    "residents": Spec(of=("home", "person"), unit="1", meaning="how many people live there"),
}  # fmt: skip


def quantity_of(name: str) -> vitals.Quantity:
    """Return the quantity of a name, that of all answers for a questionnaire key."""
    return vitals.BY_NAME[name.partition(".")[0]]


def kind_of(name: str) -> vitals.ValueKind:
    """Return how a quantity's values are; an answer is taken for a number."""
    kind = quantity_of(name).kind
    return vitals.ValueKind.NUMBER if kind is vitals.ValueKind.ANSWER else kind


def unit_of(signal: str, quantity: str) -> str:
    """Return the unit of a signal's values: UCUM, ``s``, or ``code:`` with the letters."""
    spec = SIGNALS[signal]
    if spec.unit != "q":
        return spec.unit
    q = quantity_of(quantity)
    return f"code:{q.codes}" if q.codes else q.unit
