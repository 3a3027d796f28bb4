"""The exceptions of the project. The class of an error decides what happens next; its text carries codes, keys and
offsets, never content, because exceptions cross Ray's logs and dashboard.

Every code is a row of `connectors/error_codes.csv`, from which `docs/errors.md` is generated.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a command returns to its caller. docs/commands.md says the same, and a test compares the two."""

    DONE = 0
    FOUND = 1  # the lake is wrong: verify or a run found its own files damaged, or verify found a value that leaked
    STOPPED = 2  # a setting, a key, a right or an argument is wrong
    DEFERRED = 3  # something is left for the next run: objects, or all that a store did not answer for
    LIMIT = 4  # nothing was committed: more was quarantined than the limit allows
    FAULT = 70  # a fault of Clinray
    INTERRUPTED = 130
    UNHEARD = 141  # whoever read the output went away, as `head` does; what was committed stays


class ClinrayError(Exception):
    """Base of every error that Clinray raises on purpose.

    code: one of `error_codes.csv`; message: one sentence that says what to change, without content.
    """

    exit_code: ExitCode = ExitCode.STOPPED

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[ClinrayError], tuple[str, str]]:
        return type(self), (self.code, self.message)


class ConfigError(ClinrayError):
    """Something the user asked for cannot be: stop, before reading where it can be known then (exit 2)."""


class AccessError(ClinrayError):
    """A store, key or service refuses: stop, before reading where it can be known then (exit 2)."""


class LakeError(ClinrayError):
    """The lake is not what its log says: nothing is added to it (exit 1)."""

    exit_code = ExitCode.FOUND


class FaultError(ClinrayError):
    """Clinray contradicts itself: nothing is committed (exit 70)."""

    exit_code = ExitCode.FAULT


class TransientError(ClinrayError):
    """Throttling, 5xx, resets: bounded retries, then the object is deferred; where it is no object that could not be
    had but a listing or the lake, the command ends (exit 3)."""

    exit_code = ExitCode.DEFERRED


class ObjectChanged(TransientError):  # noqa: N818 - it says what happened
    """The object is no longer the listed version, or is gone: deferred without a retry."""


class ObjectRefused(TransientError):  # noqa: N818 - it says what happened
    """The object may not be read: deferred without a retry, because its neighbours may be."""


class RecordError(ClinrayError):
    """One record cannot be read: it is quarantined with its code and offset, its neighbours go on."""


class LimitExceeded(ClinrayError):  # noqa: N818 - it says what happened
    """More of the records than `max_quarantine` were quarantined: nothing is committed (exit 4)."""

    exit_code = ExitCode.LIMIT
