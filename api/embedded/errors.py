"""What can go wrong with the embedded servers, each as one sentence with its mend."""

from __future__ import annotations

from ingest.kernel import errors


class EmbeddedError(errors.HubError):
    """An embedded server could not run."""


class AlreadyRunningError(EmbeddedError):
    """{what} is already running on {folder} (process {pid})."""


class UnreachableFolderError(EmbeddedError):
    """{server} runs as the account "{account}", which can't reach {folder}: {obstacle} is closed to it; choose another data folder, or run as a plain user."""  # noqa: E501 - the message is one line


class NoAccountError(EmbeddedError):
    """{server} must not run as root and none of the accounts {accounts} exists here; create one, or run as a plain user."""  # noqa: E501 - the message is one line


class MissingProgramError(EmbeddedError):
    """{program} was not found; {mend}."""


class ServerFailedError(EmbeddedError):
    """{server} did not start: {detail}."""


class NotDurableError(EmbeddedError):
    """The database has {setting}={value}, so confirmed readings could be lost; set it to {wanted} in {file}."""  # noqa: E501 - the message is one line


class PasswordLostError(EmbeddedError):
    """The database in {folder} exists but its password file {file} does not; put the file back, or choose another data folder."""  # noqa: E501 - the message is one line


class PortTakenError(EmbeddedError):
    """Port {port} on {address} is in use by another program; choose another with {option}."""
