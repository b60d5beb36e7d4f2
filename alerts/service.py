"""What people do to alerts: the queue, taking on, ringing, sending, closing, muting, the events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from alerts import errors, escalation, lifecycle, model, ports, routing, suppression
from ingest.kernel import ids
from ingest.kernel.clock import Clock

_CONCERNS = {
    model.Concern.FALL: (model.AlertClass.TELECARE, "fall"),
    model.Concern.CARER_CRISIS: (model.AlertClass.CARER, "carer_crisis"),
    model.Concern.OTHER: (model.AlertClass.REFERRAL, "referral"),
}
"""What a concern is as an alert: its class and what it is filed under."""
MOST_EVENTS = 1_000


class Alerts:
    """The alerts as the outside works with them. Safe to share among threads.

    Whatever is done to an alert names the version that was looked at, and raises
    UnknownAlertError, StaleVersionError (with the present alert in ``current``) or
    TransitionRefusedError (with the ``reason``).
    """

    def __init__(self, *, store: ports.AlertStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    # -- what contacts answer ---------------------------------------------------------------------

    def answer(self, delivery_no: int, *, going: bool) -> bool:
        """Take in whether a contact is going; False where their link has been used before."""
        now = self._clock.now()
        return self._store.answer(
            delivery_no,
            lambda a, rank: lifecycle.answered(a, contact=rank, going=going, now=now),
            now=now,
        )

    def can_be_answered(self, delivery_no: int) -> bool:
        """Tell whether a contact's link still waits for an answer."""
        return self._store.can_be_answered(delivery_no)

    # -- reading ----------------------------------------------------------------------------------

    def queue(
        self,
        *,
        team: str | None = None,
        state: str | None = None,
        severity: str | None = None,
        person_no: int | None = None,
        owner: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> tuple[list[model.Alert], str | None]:
        """Return alerts in working order: worst first, what came too late to page, then oldest.

        Without a state those that are not closed; ``team`` is the team's id, and what it was told
        of beside its own is among them; the second value is the opaque cursor of the next page,
        None on the last.
        """
        wanted = ports.Wanted(
            team=team, state=state, severity=severity, person_no=person_no, owner=owner,
            limit=limit, after=after,
        )  # fmt: skip
        return self._store.queue(wanted)

    def get(self, no: int) -> model.Alert | None:
        """Return an alert, None when there is none of that number."""
        return self._store.get(no)

    def several(self, numbers: Sequence[int]) -> dict[int, model.Alert]:
        """Return those of some alerts that there are, by number."""
        return self._store.several(numbers)

    def history(self, no: int) -> list[model.Event]:
        """Return everything that happened to an alert, oldest first."""
        return self._store.history(no)

    def related(self, alert: model.Alert) -> list[model.Alert]:
        """Return the other open alerts of the same person, or of the home."""
        return self._store.related(alert)

    def next_steps(self, numbers: Sequence[int]) -> Mapping[int, escalation.Due]:
        """Return what falls due next of each alert that has something to come."""
        return self._store.next_steps(numbers)

    def dispatches(self, no: int) -> list[model.Dispatch]:
        """Return who was sent for an alert, in order."""
        return self._store.dispatches(no)

    # -- doing ------------------------------------------------------------------------------------

    def _change(
        self,
        no: int,
        version: int,
        do: Callable[[model.Alert, datetime], lifecycle.Change | lifecycle.Refused],
    ) -> model.Alert:
        """Do something to an alert now, as it stood in the version that was looked at."""
        now = self._clock.now()
        return self._store.change(no, expected_version=version, decide=lambda a: do(a, now))

    def acknowledge(
        self, no: int, *, by: str, expected_version: int, note: str | None = None
    ) -> model.Alert:
        """Give an open alert to somebody; its devices are told."""
        return self._change(
            no, expected_version, lambda a, now: lifecycle.acknowledge(a, by=by, note=note, now=now)
        )

    def note(self, no: int, *, by: str, expected_version: int, text: str) -> model.Alert:
        """Write something down on an alert."""
        return self._change(
            no, expected_version, lambda a, now: lifecycle.note(a, by=by, text=text, now=now)
        )

    def assign(
        self, no: int, *, by: str, expected_version: int, to: str, note: str | None = None
    ) -> model.Alert:
        """Give it to somebody else."""
        return self._change(
            no,
            expected_version,
            lambda a, now: lifecycle.assign(a, by=by, to=to, note=note, now=now),
        )

    def offer(
        self, no: int, *, by: str, expected_version: int, to: str, note: str | None = None
    ) -> model.Alert:
        """Offer it to somebody, who has to accept."""
        return self._change(
            no,
            expected_version,
            lambda a, now: lifecycle.offer(a, by=by, to=to, note=note, now=now),
        )

    def accept(
        self, no: int, *, by: str, expected_version: int, note: str | None = None
    ) -> model.Alert:
        """Take over what was offered."""
        return self._change(
            no, expected_version, lambda a, now: lifecycle.accept(a, by=by, note=note, now=now)
        )

    def decline(
        self, no: int, *, by: str, expected_version: int, note: str | None = None
    ) -> model.Alert:
        """Leave an offer with whom it is, or take one's own offer back."""
        return self._change(
            no, expected_version, lambda a, now: lifecycle.decline(a, by=by, note=note, now=now)
        )

    def snooze(
        self, no: int, *, by: str, expected_version: int, until: datetime, reason: str
    ) -> model.Alert:
        """Put it off for a bounded time."""
        return self._change(
            no,
            expected_version,
            lambda a, now: lifecycle.snooze(a, by=by, until=until, reason=reason, now=now),
        )

    def snooze_for(
        self, no: int, *, by: str, expected_version: int, minutes: float, reason: str
    ) -> model.Alert:
        """Put it off for some minutes from now."""
        until = self._clock.now() + timedelta(minutes=minutes)
        return self.snooze(no, by=by, expected_version=expected_version, until=until, reason=reason)

    def contact(
        self, no: int, *, by: str, expected_version: int, whom: str, outcome: str,
        note: str | None = None,
    ) -> model.Alert:  # fmt: skip
        """Write down that somebody was rung, and what came of it."""
        return self._change(
            no,
            expected_version,
            lambda a, now: lifecycle.contact(
                a, by=by, whom=whom, outcome=outcome, note=note, now=now
            ),
        )

    def dispatch(
        self, no: int, *, by: str, expected_version: int, to: str, team: str | None = None,
        note: str | None = None,
    ) -> model.Alert:  # fmt: skip
        """Send somebody: in words, or a team of the hub by its id, which then has it too."""
        return self._change(
            no,
            expected_version,
            lambda a, now: lifecycle.dispatch(a, by=by, to=to, team=team, note=note, now=now),
        )

    def set_out(
        self, no: int, *, by: str, expected_version: int, note: str | None = None
    ) -> model.Alert:
        """Write down that the team that was sent last goes; its devices are told."""
        sent = self._waiting(no)
        return self._change(
            no,
            expected_version,
            lambda a, now: lifecycle.set_out(
                a, by=by, to=sent.to, sending=sent.no, note=note, now=now
            ),
        )

    def turn_down(
        self, no: int, *, by: str, expected_version: int, note: str | None = None
    ) -> model.Alert:
        """Write down that the team that was sent last can't go: the alert asks more people."""
        sent = self._waiting(no)
        history = self._store.history(no)
        return self._change(
            no,
            expected_version,
            lambda a, now: lifecycle.turn_down(
                a,
                by=by,
                to=sent.to,
                sending=sent.no,
                note=note,
                now=now,
                position=lifecycle.further(history, a.chain),
            ),
        )

    def arrive(
        self, no: int, *, by: str, expected_version: int, note: str | None = None
    ) -> model.Alert:
        """Write down that somebody is there."""
        return self._change(
            no, expected_version, lambda a, now: lifecycle.arrive(a, by=by, note=note, now=now)
        )

    def escalate(
        self, no: int, *, by: str, expected_version: int, note: str | None = None
    ) -> model.Alert:
        """Ask whom its response tells next, at once; at its end the last ones again."""
        history = self._store.history(no)  # a step told meanwhile is told once more, not missed
        return self._change(
            no,
            expected_version,
            lambda a, now: lifecycle.escalate(
                a, by=by, position=lifecycle.further(history, a.chain), note=note, now=now
            ),
        )

    def close(
        self, no: int, *, by: str, expected_version: int, disposition: str,
        note: str | None = None, outcome: Mapping[str, Any] | None = None,
        also: Sequence[tuple[int, int]] = (),
    ) -> model.Alert:  # fmt: skip
        """End an alert and say what came of it; its devices are told.

        ``also`` is the numbers and versions of others of the same person that end with it, in
        the same way: all of them or none.
        """
        now = self._clock.now()
        if also:
            self._must_be_related(no, [other for other, _ in also])

        def wish(number: int, version: int) -> ports.Wish:
            # events are only ever added: what was read here is there
            kinds = [e.kind for e in self._store.history(number)]
            return ports.Wish(
                no=number, version=version,
                decide=lambda a: lifecycle.close(
                    a, by=by, disposition=disposition, note=note, now=now, history=kinds,
                    outcome=outcome,
                ),
            )  # fmt: skip

        wishes = [wish(no, expected_version), *(wish(n, version) for n, version in also)]
        return self._store.change_all(wishes)[0]

    def _must_be_related(self, no: int, others: Sequence[int]) -> None:
        alert = self._store.get(no)
        if alert is None:
            raise errors.UnknownAlertError(no=no)
        known = {a.no: a for a in self._store.related(alert)}
        if len(set(others)) < len(others) or no in others:
            raise errors.TransitionRefusedError(reason="an alert to close is named twice")
        for other in others:
            if other not in known:
                raise errors.TransitionRefusedError(
                    reason=f"{ids.public('alert', other)} is no open alert of the same person"
                )

    def _waiting(self, no: int) -> model.Dispatch:
        waiting = [d for d in self._store.dispatches(no) if d.waits]
        if not waiting:
            raise errors.TransitionRefusedError(reason="no team was sent that has yet to answer")
        return waiting[-1]

    # -- from people ------------------------------------------------------------------------------

    def raise_manual(
        self,
        *,
        by: str,
        title: str,
        reason: str,
        severity: model.Severity,
        person_no: int | None = None,
        kind: model.TeamKind = model.TeamKind.DISTRICT_NURSING,
        concern: model.Concern = model.Concern.OTHER,
    ) -> model.Alert:
        """Put what a person reports into the same queue as what devices report.

        A fall is a fall, whoever tells of it: it is routed, answered and closed like a device's.
        A carer's crisis is urgent at least: nobody looks after two people then.
        """
        alert_class, rule_id = _CONCERNS[concern]
        if concern is model.Concern.CARER_CRISIS:
            severity = max(severity, model.Severity.URGENT, key=lambda s: s.rank)
        now = self._clock.now()
        routed = self._store.route(
            routing.Request(
                alert_class=alert_class,
                severity=severity,
                kind=kind,
                source=model.Source.PERSON,
                rule_id=rule_id,
                now=now,
                person_no=person_no,
            )
        )
        alert = model.Alert(
            no=0,
            episode=f"referral:{ids.token(12)}",
            source=model.Source.PERSON,
            rule_id=rule_id,
            rule_version="1",
            severity=severity,
            title=title,
            reason=reason,
            evidence=(),
            person_no=person_no,
            dwelling_no=None,
            device_no=None,
            site=None,
            raised_at=now,
            reading_at=None,
            late=False,
            state=model.State.OPEN,
            condition=model.Condition.ACTIVE,
            team_no=routed.team.no,
            routed_because=f"{routed.because}; reported by {by}",
            alert_class=alert_class,
            response=routed.response,
        )
        return self._store.open(alert, detail={"routing": routed.detail()})

    # -- following --------------------------------------------------------------------------------

    def events_after(self, event_no: int, limit: int = 100) -> list[model.Event]:
        """Return events with a higher number, in order. None is ever skipped."""
        return self._store.events_after(event_no, min(limit, MOST_EVENTS))

    def last_event_no(self) -> int:
        """Return the number of the newest event, 0 when there is none."""
        return self._store.last_event_no()


class Mutes:
    """The times in which a person, home or device pages nobody, but for emergencies."""

    def __init__(self, *, store: ports.MuteStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def add(self, mute: suppression.Mute) -> ports.KnownMute:
        """Begin one.

        Raises
        ------
        MuteRefusedError
            It has no end that lies ahead and within bounds, or says nothing.
        """
        wrong = suppression.problem(mute, now=self._clock.now())
        if wrong is not None:
            raise errors.MuteRefusedError(reason=wrong)
        return self._store.add(mute)

    def listed(self, *, person_no: int | None = None) -> list[ports.KnownMute]:
        """Return those that are not over, of everybody or of one person, the first to end first."""
        return self._store.listed(now=self._clock.now(), person_no=person_no)

    def get(self, no: int) -> ports.KnownMute | None:
        """Return one, None where there is none."""
        return self._store.get(no)

    def end(self, no: int) -> ports.KnownMute | None:
        """End one now: what it held back pages, unless another holds it. None: no such one."""
        return self._store.end(no, now=self._clock.now())
