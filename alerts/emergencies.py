"""What an alarm becomes: a new alert, another page on an open one, or a mark. Pure.

Emergencies always page; only a broker's retained copy, the declared import path and a declared test
don't. They are never muted, held for a possible cancel, or too old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from alerts import lifecycle, model, routing, words
from alerts.policies import responses
from alerts.rules import pack
from ingest.kernel import vitals
from ingest.kernel.observation import Alarm, Quality

AlarmKey = tuple[str, str, str, int]
"""What tells an alarm from another: site, device, alarm id, quantity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """The alarm raises nothing, and why."""

    reason: str


def key(alarm: Alarm) -> AlarmKey:
    """Return what a press and its cancel have in common."""
    return (alarm.site, alarm.device, alarm.alarm_id, alarm.quantity)


def silent(alarm: Alarm) -> Silent | None:
    """Say why an alarm raises nothing, None when it has to be heard."""
    if alarm.flags & Quality.RETAINED:
        return Silent(reason="the broker's copy of an old message")
    if alarm.flags & Quality.IMPORTED:
        return Silent(reason="sent through the import path")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMode:
    """From when to when somebody said that a device is being tested. [s, Unix]"""

    no: int
    starts: float
    ends: float
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCall:
    """An alarm that is a test, and by which word; a cancel of one belongs to no mode."""

    mode: TestMode | None


def test_call(
    alarm: Alarm,
    modes: Sequence[TestMode],
    *,
    open_alert: model.Alert | None,
    tried: Set[AlarmKey],
) -> TestCall | None:
    """Say by which test an alarm pages nobody; None: it is real, as all is that is in doubt.

    It is a test when it was pressed and came wholly within the time. What was pressed before and
    came late, what came at or after the end, what can't be read, and every press while an alert of
    the same is open are real. A cancel is one only of a press that was.
    """
    if alarm.cancel:
        return TestCall(mode=None) if key(alarm) in tried else None
    if open_alert is not None or alarm.quantity == vitals.UNKNOWN_ALARM:
        return None
    for mode in modes:
        if mode.starts < alarm.time < mode.ends and mode.starts < alarm.received < mode.ends:
            return TestCall(mode=mode)
    return None


def rule_for(alarm: Alarm, rules: Mapping[int, pack.AlarmRule]) -> pack.AlarmRule:
    """Return the rule of an alarm's kind; what has none is treated as unreadable."""
    return rules.get(alarm.quantity) or rules[vitals.UNKNOWN_ALARM]


def episode(alarm: Alarm, rule: pack.AlarmRule) -> str:
    """Return what is one alert: the person and rule, else the home, else the device."""
    if alarm.person_no is not None:
        return f"person:{alarm.person_no}/{rule.id}"
    if alarm.dwelling_no is not None:
        return f"home:{alarm.dwelling_no}/{rule.id}"
    return f"device:{alarm.site}/{alarm.device}/{rule.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known around an alarm when it is judged."""

    rule: pack.AlarmRule
    open: model.Alert | None  # the open alert of the same episode
    pressed: Set[AlarmKey]  # alarms known to have been pressed, ever
    cancelled: Set[AlarmKey]  # alarms known to have been cancelled at the device, ever
    linked: Set[AlarmKey]  # presses the open alert speaks for
    routed: routing.Routed
    responses: responses.Responses
    late_after_s: float
    zone: tzinfo
    now: float


def judge_or_page(alarm: Alarm, scene: Scene) -> lifecycle.Change:
    """Decide what becomes of an alarm; should that fail, page with what is certain.

    One alarm with something unheard of in it must neither be lost nor hold up the others.
    """
    try:
        return judge(alarm, scene)
    except (ValueError, TypeError, ArithmeticError, LookupError, OSError):
        plain = replace(
            alarm, time=scene.now, received=scene.now, place="", cancel=False,
            detail="it holds something that could not be put into words",
        )  # fmt: skip
        return judge(plain, scene)


def judge(alarm: Alarm, scene: Scene) -> lifecycle.Change:
    """Decide what becomes of an alarm that has to be heard."""
    if alarm.cancel:
        return _cancel(alarm, scene)
    at = datetime.fromtimestamp(scene.now, UTC)
    late = scene.now - alarm.time > scene.late_after_s
    reason = words.alarm_reason(scene.rule, alarm, late=late, now=scene.now, zone=scene.zone)
    taken_back = key(alarm) in scene.cancelled
    if taken_back:
        reason += " It was cancelled at the device."
    if scene.open is not None:
        others = scene.linked - scene.cancelled
        return lifecycle.press_again(
            scene.open,
            severity=scene.rule.severity,
            title=words.alarm_title(scene.rule, alarm),
            reason=reason,
            evidence=_evidence(alarm),
            reading_at=datetime.fromtimestamp(alarm.time, UTC),
            late=late,
            cleared=taken_back and not others,
            now=at,
            response=scene.responses.choose("", scene.rule.severity, scene.rule.alert_class),
        )
    alert = _alert(alarm, scene, severity=scene.rule.severity, reason=reason, late=late)
    condition = model.Condition.CLEARED if taken_back else model.Condition.ACTIVE
    return _raised(replace(alert, condition=condition), scene, now=at)


def _cancel(alarm: Alarm, scene: Scene) -> lifecycle.Change:
    at = datetime.fromtimestamp(scene.now, UTC)
    when = words.when(alarm.time, now=scene.now, zone=scene.zone)
    if scene.open is not None:
        active = scene.linked - scene.cancelled - {key(alarm)}
        return lifecycle.cancel(
            scene.open,
            reason=f"Cancelled at the device at {when}.",
            all_cancelled=not active,
            now=at,
        )
    known = key(alarm) in scene.pressed
    said = "after its alert was closed" if known else "but the alarm itself never arrived"
    alert = _alert(
        alarm,
        scene,
        severity=model.Severity.INFORMATION,
        reason=f"An alarm was cancelled at the device at {when}, {said}.",
        late=scene.now - alarm.time > scene.late_after_s,
    )
    return _raised(replace(alert, condition=model.Condition.CLEARED), scene, now=at)


def _raised(alert: model.Alert, scene: Scene, *, now: datetime) -> lifecycle.Change:
    return lifecycle.raised(alert, now=now, detail={"routing": scene.routed.detail()})


def _alert(
    alarm: Alarm, scene: Scene, *, severity: model.Severity, reason: str, late: bool
) -> model.Alert:
    title = words.alarm_title(scene.rule, alarm)
    alert_class = scene.rule.alert_class
    # a cancel that comes alone is for information, whatever the alarm would have been
    name = scene.routed.response if severity is scene.rule.severity else ""
    response = scene.responses.choose(name, severity, alert_class)
    return model.Alert(
        no=0,
        episode=episode(alarm, scene.rule),
        source=model.Source.DEVICE,
        rule_id=scene.rule.id,
        rule_version=scene.rule.version,
        severity=severity,
        title=f"{title}, cancelled" if alarm.cancel else title,
        reason=reason,
        evidence=_evidence(alarm),
        person_no=alarm.person_no,
        dwelling_no=alarm.dwelling_no,
        device_no=alarm.device_no,
        site=alarm.site,
        raised_at=datetime.fromtimestamp(scene.now, UTC),
        reading_at=datetime.fromtimestamp(alarm.time, UTC),
        late=late,
        state=model.State.OPEN,
        condition=model.Condition.ACTIVE,
        team_no=scene.routed.team.no,
        routed_because=scene.routed.because,
        alert_class=alert_class,
        response=response.id,
        chain=response.frozen(),
    )


def _evidence(alarm: Alarm) -> model.Evidence:
    q = vitals.BY_NO.get(alarm.quantity)
    item: dict[str, object] = {
        "code": q.name if q else "unreadable",
        "value": not alarm.cancel,
        "unit": "1",
        "time": datetime.fromtimestamp(alarm.time, UTC).isoformat().replace("+00:00", "Z"),
    }
    if alarm.place:
        item["place"] = alarm.place
    return (item,)
