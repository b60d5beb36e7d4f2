"""The API's declared errors, and how any error becomes an RFC 9457 problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ingest.kernel import errors

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:telecare:problem:"


class ApiError(errors.HubError):
    """The request can't be carried out."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"

    def members(self) -> dict[str, Any]:
        """Return what the problem carries beyond type, title, status and detail."""
        return {}

    def headers(self) -> dict[str, str]:
        """Return the headers that go with the status."""
        return {}


class BadRequestError(ApiError):
    """{what}."""


class InvalidError(ApiError):
    """{what}."""

    status = 422
    code = "invalid"

    def members(self) -> dict[str, Any]:
        """Return the fields that are wrong, each with its reason."""
        return {"errors": self.data["errors"]} if "errors" in self.data else {}


class NotSignedInError(ApiError):
    """A valid token is needed: POST username and password to /api/v1/auth/token."""

    status = 401
    code = "not-signed-in"

    def headers(self) -> dict[str, str]:
        """Name the way to authenticate."""
        return {"WWW-Authenticate": 'Bearer realm="telecare"'}


class WrongCredentialsError(ApiError):
    """The user name or the password is wrong, or the account is disabled."""

    status = 401
    code = "wrong-credentials"

    def members(self) -> dict[str, Any]:
        """Carry OAuth 2.0's own word for it (RFC 6749, section 5.2)."""
        return {"error": "invalid_grant"}

    def headers(self) -> dict[str, str]:
        """Name the way to authenticate."""
        return {"WWW-Authenticate": 'Bearer realm="telecare"'}


class TooManyAttemptsError(ApiError):
    """Too many failed sign-ins from this address: wait {seconds} seconds."""

    status = 429
    code = "too-many-attempts"

    def headers(self) -> dict[str, str]:
        """Say when to come again."""
        return {"Retry-After": str(self.data["seconds"])}


class ForbiddenError(ApiError):
    """The role {role} may not do this: it needs the permission {permission}."""

    status = 403
    code = "forbidden"


class ForgedRequestError(ApiError):
    """The request did not come from a page of this hub: load the page again and repeat it."""

    status = 403
    code = "forged-request"


class NotFoundError(ApiError):
    """There is no such {what}."""

    status = 404
    code = "not-found"


class ConflictError(ApiError):
    """{what}."""

    status = 409
    code = "conflict"


class StaleVersionError(ApiError):
    """Somebody else changed this alert first: read it again before acting."""

    status = 409
    code = "stale-version"

    def members(self) -> dict[str, Any]:
        """Carry the alert as it now is."""
        return {"current": self.data["current"]}


class TransitionRefusedError(ApiError):
    """The alert can't take this step: {reason}."""

    status = 409
    code = "transition-refused"

    def members(self) -> dict[str, Any]:
        """Carry the reason by itself."""
        return {"reason": str(self.data["reason"])}


class TooLargeError(ApiError):
    """The body is larger than {limit} bytes."""

    status = 413
    code = "too-large"


class NotYetError(ApiError):
    """{what} is not there yet."""

    status = 501
    code = "not-yet"


class BusyError(ApiError):
    """The hub is busy: try again in a moment."""

    status = 503
    code = "busy"

    def headers(self) -> dict[str, str]:
        """Say when to come again."""
        return {"Retry-After": "2"}


class UnavailableError(ApiError):
    """The database can't be reached: nothing was changed, try again."""

    status = 503
    code = "unavailable"

    def headers(self) -> dict[str, str]:
        """Say when to come again."""
        return {"Retry-After": "5"}


_STATUS_WORDS = {
    400: ("bad-request", "The request can't be understood"),
    401: ("not-signed-in", "A valid token is needed"),
    403: ("forbidden", "This is not allowed"),
    404: ("not-found", "There is nothing at this address"),
    405: ("method-not-allowed", "This address doesn't answer that method"),
    413: ("too-large", "The body is too large"),
    415: ("unsupported-media-type", "This kind of body is not understood"),
    422: ("invalid", "The request is not valid"),
    500: ("internal", "Something went wrong inside the hub"),
}


def problem(error: ApiError) -> dict[str, Any]:
    """Return a declared error as the members of a problem."""
    title = (type(error).__doc__ or "").strip().splitlines()[0]
    text = str(error)
    body: dict[str, Any] = {
        "type": _TYPE + error.code,
        "title": text if "{" in title else title,
        "status": error.status,
    }
    detail = error.data.get("detail")
    if detail:
        body["detail"] = str(detail)
    return body | error.members()


def plain(status: int, detail: str | None = None) -> dict[str, Any]:
    """Return a problem that has nothing but its status to tell, and perhaps a sentence."""
    code, title = _STATUS_WORDS.get(status, ("error", "The request was not carried out"))
    body: dict[str, Any] = {"type": _TYPE + code, "title": title, "status": status}
    if detail and detail != title:
        body["detail"] = detail
    return body


def invalid(found: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return pydantic's findings as a problem, without the values that were sent.

    A value may be a name or an NHS number, and an answer may end in somebody's log.
    """
    return plain(422) | {
        "errors": [
            {"at": ".".join(str(p) for p in f["loc"]), "problem": _without_value(f)} for f in found
        ]
    }


def _without_value(found: Mapping[str, Any]) -> str:
    message = str(found.get("msg", "not valid"))
    return message.removeprefix("Value error, ")
