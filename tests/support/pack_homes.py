"""What the rules have to say of the homes of the scenarios `packs` and `packs_night`, and no more.

In one home of each pair a rule speaks; its neighbour has the same devices and the same conditions,
and ordinary readings.
"""

from __future__ import annotations

ALARMS = frozenset(("fall", "sos", "smoke"))
"""Rules of devices' own alarms; all others are found in readings."""

SPEAKS: dict[str, dict[str, dict[str, str]]] = {  # scenario -> pack -> home -> rule
    "packs": {
        "news2": {"packs-1": "news2"},
        "limits": {"packs-3": "limits.body_temperature"},
        "copd": {"packs-5": "copd.resp_rate_rising", "packs-7": "copd.exacerbation"},
        "heart_failure": {"packs-9": "heart_failure.weight_gain"},
        "hypertension": {"packs-11": "hypertension.severe"},
        "diabetes": {"packs-13": "diabetes.hypoglycaemia"},
        "falls": {"packs-15": "falls.repeated"},
        "telecare": {"packs-17": "sos"},
        "inactivity": {"packs-19": "inactivity.still_in_bed"},
        "environment": {"packs-21": "environment.cold", "packs-23": "smoke"},
        "equipment": {
            "packs-25": "equipment.battery_low",
            "packs-27": "equipment.tamper",
            "packs-31": "equipment.mains_lost",
        },
        "care plan": {"packs-29": "care_plan.early"},
    },
    "packs_night": {
        "inactivity": {"packs-night-3": "inactivity.door_open_at_night"},
    },
}
FELL = {"packs-15": "fall", "packs-16": "fall"}
"""Both of these homes have a fall; only for one of them it is not the first."""
TOO_SLOW = {
    "equipment": "silence takes at least 30 min on the hub's clock",
    "falls": "nothing moving after a fall takes 15 min on the hub's clock",
    "inactivity": "stillness and being away count only while the hub listens: hours",
}
"""What a pack has besides, and why it can't be shown in a minute and a half."""
DARK = "light-1"
"""The light that has to be switched on; the one next door hangs where it is light enough."""
LIGHT_HOME = "packs-night-1"


def neighbour(home: str) -> str:
    """Return the home next door, in which everything is as usual."""
    street, _, number = home.rpartition("-")
    return f"{street}-{int(number) + 1}"


def expected(scenario: str) -> dict[str, list[str]]:
    """Return all alerts that there should be, by home."""
    found: dict[str, list[str]] = {}
    for homes in SPEAKS[scenario].values():
        for home, rule in homes.items():
            found.setdefault(home, []).append(rule)
    for home, rule in FELL.items():
        if scenario == "packs":
            found.setdefault(home, []).append(rule)
    return {home: sorted(rules) for home, rules in found.items()}
