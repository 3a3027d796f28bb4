"""What may leave a task: exceptions cross Ray's logs and dashboard, so nothing of their text does."""

from __future__ import annotations

import traceback
from pathlib import PurePath

from connectors.errors import ClinrayError


def coded(error: BaseException) -> ClinrayError:
    """An error with the type and place of one that was not foreseen, and none of its text. To be raised `from None`."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return ClinrayError("UNEXPECTED", f"{type(error).__name__}{place}; this is a fault of Clinray, not of the input")
