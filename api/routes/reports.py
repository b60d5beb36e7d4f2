"""Reports: response, burden, coverage, outcomes, evaluation, as JSON or CSV."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from alerts.measures.grouping import By
from api import deps, errors, reports, security, wire

router = APIRouter(tags=["reports"])

_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": wire.Report, "content": {"text/csv": {"schema": {"type": "string"}}}}
}


def _asked(
    report: reports.Name,
    first: Annotated[date, Query(alias="from", description="first local day")],
    last: Annotated[date, Query(alias="to", description="last local day, in it")],
    by: By | None = None,
    baseline_from: Annotated[date | None, Query(description="for outcomes")] = None,
    baseline_to: Annotated[date | None, Query(description="for outcomes")] = None,
) -> reports.Asked:
    return reports.asked(
        report, first=first, last=last, by=by, baseline=(baseline_from, baseline_to)
    )


@router.get(
    "/reports/{report}",
    summary="Measures of some days",
    response_class=StreamingResponse,
    responses=_ANSWERS,
)
def report(
    hub: deps.Hub,
    who: deps.ReportReader,
    asked: Annotated[reports.Asked, Depends(_asked)],
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> StreamingResponse:
    """Answer with the table of a report; what its columns mean stands in its notes.

    The rows of `evaluation` are single alerts under pseudonyms: for roles that may export.
    Outcomes show those who may not export no count below five.
    """
    whole = who.may(security.Permission.REPORTS_EXPORT)
    if asked.name == "evaluation" and not whole:
        raise errors.ForbiddenError(
            role=who.role, permission=security.Permission.REPORTS_EXPORT.value
        )
    deps.seen(
        hub,
        who,
        "reports.view",
        subject=asked.name,
        detail={**asked.said(), "format": form},
    )
    answer = hub.reports.make(asked, small_counts=whole)
    name = f"{asked.name}-{asked.first}-{asked.last}.{form}"
    shown = {"Cache-Control": "no-store"}
    if form == "csv":
        shown["Content-Disposition"] = f'attachment; filename="{name}"'
    return StreamingResponse(
        hub.reports.written(asked, answer, form=form), media_type=_TYPES[form], headers=shown
    )
