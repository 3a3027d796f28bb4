"""The actions that a policy may name, one a file."""

from __future__ import annotations

from jobs.privacy.actions.age_band import AgeBand
from jobs.privacy.actions.base import Action, Rows
from jobs.privacy.actions.constant import Constant
from jobs.privacy.actions.drop import Drop
from jobs.privacy.actions.hash import Hash
from jobs.privacy.actions.keep import Keep
from jobs.privacy.actions.one_word import OneWord
from jobs.privacy.actions.shift import Shift
from jobs.privacy.actions.token import Token
from jobs.privacy.actions.year import Year
from jobs.privacy.actions.zip3 import Zip3

ACTIONS: tuple[type[Action], ...] = (Keep, OneWord, Drop, Token, Hash, Shift, Year, AgeBand, Zip3, Constant)
PLANNED = ("scrub", "vault")
"""Names that are kept for actions that this version does not have; a policy that uses one does not load."""

__all__ = ["ACTIONS", "PLANNED", "Action", "Drop", "Keep", "Rows"]
