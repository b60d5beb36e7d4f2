"""A backtest as files: alerts as CSV, figures as JSON, a page of HTML with plots."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from alerts.backtest import figures
from alerts.backtest.run import Run
from alerts.backtest.sweep import Point

COLUMNS: Final = (
    "person", "rule", "version", "severity", "audience", "raised_at", "reading_at", "cleared_at",
    "late", "title", "home", "device", "told", "muted",
)  # fmt: skip
_DPI: Final = 100
_COLOURS: Final = ("#1d5d8c", "#b3541e", "#5b7f3a", "#7a4f8a", "#8a8a2a", "#444444")
_FEWEST_DRAWN: Final = 20
"""Labelled days of a type below which a line says nothing. Unsourced."""
Plots = Mapping[str, bytes]
"""Name of a plot -> PNG."""


def write_alerts(run: Run, path: Path) -> None:
    """Write every alert as a row of CSV, in the order of being raised."""
    source = run.source
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for e in run.episodes:
            out.writerow((
                source.person_ids.get(e.person_no or 0, ""), e.rule_id, e.version,
                e.severity.value, run.rules[e.rule_id].audience, moment(e.raised_at),
                moment(e.reading_at), "" if e.cleared_at is None else moment(e.cleared_at),
                "true" if e.late else "false", e.title, source.home_ids.get(e.home_no or 0, ""),
                source.device_ids.get(e.device_no or 0, ""), e.told, e.muted,
            ))  # fmt: skip


def moment(at: float) -> str:
    """Return an instant in RFC 3339, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(
    path: Path, sides: Mapping[str, Mapping[str, Any]], points: Sequence[Point], *, about: str
) -> list[Path]:
    """Write a report: the page, the same figures as JSON beside it, the plots and the curve.

    Parameters
    ----------
    path
        Of the page.
    sides
        Name of what was judged by -> its figures, see :func:`alerts.backtest.figures.summary`.
        Two are compared.
    points
        Of the sweep, empty where none was asked for.
    about
        What tells this run from others: rules' digest, version.

    Returns
    -------
    list[Path]
        What was written.
    """
    pictures = plots(sides, points)
    written = [path]
    path.write_text(page(sides, points, pictures, about=about), encoding="utf-8")
    said = {"about": about, "sides": sides, "curve": curve(points)}
    written.append(path.with_suffix(".json"))
    written[-1].write_text(json.dumps(_no_nan(said), indent=1) + "\n", encoding="utf-8")
    for name, png in pictures.items():
        written.append(path.with_name(f"{path.stem}-{name}.png"))
        written[-1].write_bytes(png)
    first = next(iter(sides.values()))
    tables = {
        "curve": curve(points), "homes": homes(first),
        "rules": [{"rule": r, **_flat(f)} for r, f in first["by_rule"].items()],
    }  # fmt: skip
    for name, rows in tables.items():
        if rows:
            written.append(path.with_name(f"{path.stem}-{name}.csv"))
            _write_table(written[-1], rows)
    return written


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows({k: _rounded(v) for k, v in row.items()} for row in rows)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return value


def curve(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the sweep as rows: a factor and a type of label each."""
    return [
        {
            "factor": p.factor, "nurse_alerts": p.nurse.alerts,
            "nurse_per_person_day": p.nurse.per_day, "nurse_low": p.nurse.low,
            "nurse_high": p.nurse.high, "type": s.type, "labelled_days": s.labelled,
            "found_days": s.found, "alert_days": s.alert_days, "recall": s.recall,
            "recall_low": s.recall_95[0], "recall_high": s.recall_95[1],
            "precision": s.precision, "f1": s.f1,
        }
        for p in points for s in p.scores.values()
    ]  # fmt: skip


def homes(side: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figures home by home, with what was found of each type of label."""
    rows = [dict(row) for row in side["by_home"]]
    for score in side.get("labels", ()):
        by_home = {row["home"]: row for row in score["by_home"]}
        for row in rows:
            mine = by_home.get(row["home"], {})
            row[f"{score['type']}: labelled"] = mine.get("labelled_days", 0)
            row[f"{score['type']}: found"] = mine.get("found_days", 0)
    return rows


def _no_nan(value: Any) -> Any:
    """Return what JSON can hold: a figure that isn't there is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _no_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_no_nan(v) for v in value]
    return value


# -- plots ---------------------------------------------------------------------------------------


def plots(sides: Mapping[str, Mapping[str, Any]], points: Sequence[Point]) -> Plots:
    """Draw what a report shows."""
    out = {"burden": _burden(sides), "funnel": _funnel(sides)}
    if points:
        side = next(iter(sides.values()))
        out["recall"] = _recall(points, side["label_rows"] / max(side["person_days"], 1))
    return out


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  (slow, seldom)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()


def _burden(sides: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Draw alerts per person-day rule by rule, with intervals over homes."""
    rules = sorted({r for s in sides.values() for r in s["by_rule"]}, reverse=True)
    figure, axes = _figure(8, 1.4 + 0.32 * len(rules) * len(sides))
    height = 0.8 / len(sides)
    for n, (name, side) in enumerate(sides.items()):
        found = [side["by_rule"].get(r) for r in rules]
        values = [f["per_person_day"] if f else 0.0 for f in found]
        reach = [
            _reach(f["per_person_day"], f["per_person_day_95"]) if f else (0, 0) for f in found
        ]
        at = [k + (len(sides) - 1 - n) * height for k in range(len(rules))]
        axes.barh(
            at, values, height, label=name, color=_COLOURS[n],
            xerr=list(zip(*reach, strict=True)),
            error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
        )  # fmt: skip
    axes.set_yticks([k + height * (len(sides) - 1) / 2 for k in range(len(rules))], rules)
    axes.set_xlabel("alerts per person-day, with the 95 % interval over homes")
    if len(sides) > 1:
        axes.legend(frameon=False)
    return _png(figure)


def _reach(value: float, bounds: Sequence[float]) -> tuple[float, float]:
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 0.0
    return max(0.0, value - low), max(0.0, high - value)


def _funnel(sides: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Draw what becomes of readings outside limits."""
    figure, axes = _figure(8, 2.4 + 0.3 * len(sides))
    steps = list(next(iter(sides.values()))["from_readings_to_alerts"])[::-1]
    height = 0.8 / len(sides)
    for n, (name, side) in enumerate(sides.items()):
        values = [side["from_readings_to_alerts"][s] for s in steps]
        at = [k + (len(sides) - 1 - n) * height for k in range(len(steps))]
        axes.bar_label(axes.barh(at, values, height, label=name, color=_COLOURS[n]), padding=3)
    axes.set_yticks([k + height * (len(sides) - 1) / 2 for k in range(len(steps))], steps)
    axes.set_xlabel("of readings with limits: how many")
    if len(sides) > 1:
        axes.legend(frameon=False)
    return _png(figure)


def _recall(points: Sequence[Point], labels_per_day: float) -> bytes:
    """Draw recall against alerts for nurses, one line a type of label that is often enough."""
    figure, axes = _figure(8, 5)
    kinds = [k for k, s in points[0].scores.items() if s.about and s.labelled >= _FEWEST_DRAWN]
    x = [p.nurse.per_day for p in points]
    for n, kind in enumerate(kinds):
        scores = [p.scores[kind] for p in points]
        axes.plot(x, [s.recall for s in scores], marker="o", markersize=4, color=_COLOURS[n % 6],
                  label=f"{kind} ({scores[0].labelled} days)")  # fmt: skip
        axes.fill_between(
            x, [s.recall_95[0] for s in scores], [s.recall_95[1] for s in scores],
            color=_COLOURS[n % 6], alpha=0.15, linewidth=0,
        )  # fmt: skip
    shipped = next((p for p in points if p.factor == 1.0), None)
    marks = [] if shipped is None else [(shipped.nurse.per_day, "packs as they are")]
    for at, said in [*marks, (labels_per_day, "clinicians' labels")]:
        axes.axvline(at, color="#888888", linewidth=0.8, linestyle=":")
        axes.annotate(said, (at, 1.04), fontsize=8, ha="center", color="#555555")
    axes.set_ylim(-0.02, 1.09)
    axes.set_xlim(left=0)
    axes.set_xlabel("alerts for nurses per person-day, all rules together")
    axes.set_ylabel("share of labelled person-days with an alert open")
    if kinds:
        axes.legend(frameon=False, loc="lower right", fontsize=9)
    return _png(figure)


# -- the page ------------------------------------------------------------------------------------

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; }
table { border-collapse: collapse; margin: .6rem 0 1.4rem; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd; }
td.n, th.n { text-align: right; } img { max-width: 100%; } .small { color: #555; font-size: 13px; }
"""


def page(
    sides: Mapping[str, Mapping[str, Any]], points: Sequence[Point], pictures: Plots, *, about: str
) -> str:
    """Return the report as a page that needs nothing else."""
    first = next(iter(sides.values()))
    body = [
        "<h1>Backtest of rule packs</h1>",
        f"<p>{_e(first['source'])}: {first['readings']:,} readings of {first['people']:,} people in"
        f" {first['homes']:,} homes, {moment(first['begin'])} to {moment(first['end'])},"
        f" {first['person_days']:,} person-days.</p>",
        "<p class=small>Nobody answers in a backtest: an alert is open until its condition has"
        " cleared. A person-day is a local day with any reading of the person, or of a home that"
        " is nobody's in particular. Intervals are of 95 %: over homes drawn with replacement for"
        f" rates, Wilson's for shares of days. {_e(about)}</p>",
    ]
    for name, side in sides.items():
        body += _side(name if len(sides) > 1 else "", side)
    body += ["<h2>Burden by rule</h2>", _image(pictures["burden"], "Alerts per person-day by rule")]
    body += ["<h2>From readings to alerts</h2>", _image(pictures["funnel"], "Readings to alerts")]
    if points:
        body += [
            "<h2>What other limits would have found, and cost</h2>",
            "<p>Every two-sided default limit made narrower or wider about its middle by the same"
            " factor; 1 is the packs as they are. Nothing is to be chosen by this.</p>",
            _image(pictures["recall"], "Recall against alerts for nurses"),
            _table(curve(points)),
        ]
    body += ["<h2>Home by home</h2>", _table(homes(first))]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Backtest</title>"
        f"<style>{_STYLE}</style><body>{''.join(body)}</body></html>\n"
    )


def _side(name: str, side: Mapping[str, Any]) -> list[str]:
    packs = ", ".join(f"{p} {v}" for p, v in side["packs"].items())
    audience = [{"audience": a, **_flat(f)} for a, f in side["by_audience"].items()]
    rules = [{"rule": r, **_flat(f)} for r, f in side["by_rule"].items()]
    out = [f"<h2>{_e(name)}</h2>"] if name else []
    out += [
        f"<p class=small>Packs: {_e(packs)}.</p>", "<h2>Alerts for whom</h2>", _table(audience),
        "<h2>Alerts by rule</h2>", _table(rules),
        "<h2>Most alerts</h2>", _table(side["top_people"]),
    ]  # fmt: skip
    if side.get("labels"):
        scores = [
            {k: v for k, v in _flat(s).items() if k != "by_home"} for s in side["labels"]
        ]  # fmt: skip
        out += [
            "<h2>Labelled days</h2>",
            "<p class=small>A labelled day counts as found when an alert about it was open on that"
            " day. That a day isn't labelled doesn't prove that nothing was the matter.</p>",
            _table(scores),
        ]
    return out


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in row.items():
        if key.startswith(("per_person_day_95", "recall_95", "precision_95", "f1_95")):
            low, high = (_rounded(v) for v in value)
            out[key.replace("_", " ").replace(" 95", ", 95 %")] = f"{low} to {high}" if low else ""
        elif isinstance(value, list) and all(isinstance(v, str) for v in value):
            out[key] = ", ".join(value) or "anything"
        else:
            out[key] = value
    return out


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "<p>None.</p>"
    names = list(rows[0])
    head = "".join(f"<th>{_e(str(n).replace('_', ' '))}" for n in names)
    lines: Iterable[str] = (
        "<tr>" + "".join(
            f"<td{' class=n' if isinstance(row.get(n), int | float) else ''}>"
            f"{_e(str(_rounded(row.get(n, ''))))}" for n in names
        ) for row in rows
    )  # fmt: skip
    return f"<table><tr>{head}{''.join(lines)}</table>"


def _image(png: bytes, said: str) -> str:
    return f'<img alt="{_e(said)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _e(text: str) -> str:
    return html.escape(text, quote=True)


def lines(run_figures: Mapping[str, Any]) -> list[str]:
    """Return what the command says of a run, for somebody who has never seen one."""
    days = run_figures["person_days"]
    out = [
        f"{run_figures['readings']:,} readings of {run_figures['people']:,} people in"
        f" {run_figures['homes']:,} homes, {days:,} person-days.",
        f"{run_figures['alerts']:,} alerts:",
    ]
    for audience in figures.AUDIENCES:
        found = run_figures["by_audience"].get(audience)
        if found:
            low, high = found["per_person_day_95"]
            sure = f" (95 %: {low:.3f} to {high:.3f})" if math.isfinite(low) else ""
            out.append(
                f"  for {audience + ':':<11} {found['alerts']:>7,}"
                f"  {found['per_person_day']:.3f} per person-day{sure}"
            )
    for rule, found in run_figures["by_rule"].items():
        muted = f", {found['muted']} spoken for by another" if found["muted"] else ""
        out.append(f"    {rule:<30} {found['alerts']:>7,}  {found['audience']}{muted}")
    for score in run_figures.get("labels", ()):
        low, high = score["recall_95"]
        out.append(
            f"  {score['type']}: an alert was open on {score['found_days']} of"
            f" {score['labelled_days']} labelled days, recall {score['recall']:.2f}"
            f" (95 %: {low:.2f} to {high:.2f}); {score['alert_days']} days with such an alert"
        )
    return out
