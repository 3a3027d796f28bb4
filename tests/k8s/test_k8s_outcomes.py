"""What a RayJob's status says of it."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import status

from k8s.outcome import kinds, of_status

FAILED_AT = "Job entrypoint command failed with exit code {}, last available logs (truncated): DOE^JOHN"
CASES: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    (status("Initializing"), None),
    (status("Running", "RUNNING"), None),
    (status("Running", "SUCCEEDED"), None),
    (status("Suspended"), None),
    (status("Complete", "SUCCEEDED"), "succeeded"),
    (status("Complete", "STOPPED"), "stopped"),
    (status("Failed", "SUCCEEDED"), "failed"),
    (status("Failed", "FAILED", reason="AppFailed"), "failed"),
    (status("Complete", "FAILED", message=FAILED_AT.format(2)), "refused"),
    (status("Failed", "FAILED", message=FAILED_AT.format(3)), "deferred"),
    (status("Failed", "FAILED", message=FAILED_AT.format(4)), "limited"),
    (status("Failed", "FAILED", message=FAILED_AT.format(1)), "wrong"),
    (status("Failed", "FAILED", message=FAILED_AT.format(137)), "failed"),
    (status("ValidationFailed"), "invalid"),
    (status("Failed", reason="ValidationFailed"), "invalid"),
    (status("Failed", reason="PreRunningDeadlineExceeded"), "not_started"),
    (status("Failed", reason="DeadlineExceeded"), "not_started"),
    (status("Failed", "RUNNING", reason="DeadlineExceeded"), "failed"),
    (status("Failed", reason="SubmissionFailed"), "failed"),
    (status("Failed", "SUCCEEDED", reason="JobDeploymentStatusTransitionGracePeriodExceeded"), "failed"),
    (status("Retrying", "FAILED"), None),
    (status("Waiting"), None),
    (status("Suspending", "RUNNING"), None),
]


@pytest.mark.parametrize(("shown", "expected"), CASES)
def test_only_succeeded_and_complete_is_success(shown: dict[str, Any], expected: str | None) -> None:
    found = of_status(shown)
    assert (found.kind.name if found else None) == expected


def test_nothing_that_a_driver_printed_is_told() -> None:
    found = of_status(status("Failed", "FAILED", message=FAILED_AT.format(2)))
    assert found is not None
    assert found.sentence == "the job stopped before it read: a setting, a key or a right is wrong (exit code 2)"


def test_each_outcome_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in kinds().values()]
    assert len(set(codes)) == len(codes)
    assert [kind.name for kind in kinds().values() if kind.exit_code == 0] == ["succeeded"]
