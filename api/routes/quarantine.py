"""What could not be taken, why, and sending it through again."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from api import deps, errors, wire
from api.storage import quarantine as quarantines
from ingest.kernel import ids

router = APIRouter(tags=["quarantine"])


@router.get("/quarantine", summary="Messages set aside, newest first")
def entries(
    hub: deps.Hub,
    who: deps.QuarantineReader,
    site: Annotated[str | None, Query(max_length=64)] = None,
    device: Annotated[str | None, Query(max_length=64)] = None,
    state: Literal["waiting", "queued", "replayed", "refused"] | None = None,
    reason: Annotated[str | None, Query(max_length=100)] = None,
    limit: deps.Limit = 50,
    cursor: deps.Cursor = None,
) -> wire.Page[wire.Quarantined]:
    """Return messages that were not taken, each with its reason, without what they said."""
    before = deps.whole(deps.opened(cursor, 1)[0]) if cursor else None
    found = hub.quarantine.page(
        site=site, device=device, state=state, reason=reason, before=before, limit=limit + 1
    )
    after = deps.cursor([found[limit - 1].no]) if len(found) > limit else None
    return wire.Page(items=[wire.Quarantined(**_members(e)) for e in found[:limit]], next=after)


@router.get("/quarantine/{entry}", summary="One message with its bytes")
def one(hub: deps.Hub, who: deps.QuarantineReader, entry: str) -> wire.QuarantinedFully:
    """Return a message as it came. It may say something about a person: looking is audited."""
    found = hub.quarantine.one(deps.number("quarantine", entry))
    if found is None:
        raise errors.NotFoundError(what="quarantined message")
    kept, payload = found
    deps.seen(hub, who, "quarantine.view", subject=entry)
    return wire.QuarantinedFully(
        **_members(kept), payload=base64.b64encode(payload).decode("ascii")
    )


@router.post("/quarantine/{entry}/replay", status_code=202, summary="Take a message once more")
def replay(hub: deps.Hub, who: deps.QuarantineReplayer, entry: str) -> wire.Quarantined:
    """Hand a waiting or refused message to the gateways again. What is stored stays stored once."""
    no = deps.number("quarantine", entry)
    queued = hub.quarantine.queue(no=no)
    found = hub.quarantine.one(no)
    if found is None:
        raise errors.NotFoundError(what="quarantined message")
    if not queued and found[0].state != "queued":
        raise errors.ConflictError(what=f"The message is {found[0].state} already")
    deps.seen(hub, who, "quarantine.replay", subject=entry)
    return wire.Quarantined(**_members(found[0]))


def _members(entry: quarantines.Entry) -> dict[str, Any]:
    return {
        "id": ids.public("quarantine", entry.no),
        "site": entry.site,
        "device": entry.device,
        "topic": entry.topic,
        "content_type": entry.content_type,
        "reason": entry.reason,
        "refused": entry.refused,
        "bytes": entry.size,
        "received_at": entry.received_at,
        "last_received_at": entry.last_received_at,
        "times": entry.times,
        "state": entry.state,
        "replayed_at": entry.replayed_at,
    }
