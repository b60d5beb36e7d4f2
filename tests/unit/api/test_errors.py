"""Declared errors as problem documents."""

from __future__ import annotations

import pytest

from api import errors


def _declared(kind: type[errors.ApiError]) -> list[type[errors.ApiError]]:
    return [kind, *(k for sub in kind.__subclasses__() for k in _declared(sub))]


@pytest.mark.parametrize("kind", _declared(errors.ApiError), ids=lambda k: k.__name__)
def test_every_declared_error_makes_a_whole_problem(kind: type[errors.ApiError]) -> None:
    error = kind(
        what="thing", seconds=3, role="nurse", permission="x", current={}, reason="r", limit=1
    )
    problem = errors.problem(error)
    assert problem["status"] == kind.status
    assert problem["type"] == f"urn:telecare:problem:{kind.code}"
    assert problem["title"]
    assert "{" not in problem["title"]
    assert all(isinstance(v, str) for v in error.headers().values())


def test_a_status_that_nobody_declared_still_makes_a_problem() -> None:
    assert errors.plain(418)["status"] == 418


def test_pydantics_findings_are_told_without_the_values() -> None:
    found = [{"loc": ("body", "contacts", 0, "phone"), "msg": "Value error, no", "input": "secret"}]
    problem = errors.invalid(found)
    assert problem["errors"] == [{"at": "body.contacts.0.phone", "problem": "no"}]
