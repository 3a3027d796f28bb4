"""The structures of messages against a slow, obvious twin."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.hl7v2.locate import name_code
from connectors.hl7v2.structures import structures
from connectors.kernels.distinct import Told

BODIES = st.lists(st.sampled_from(["PID", "OBX", "OBX", "NTE", "Z99"]), max_size=6)


def twin(names: list[str]) -> str:
    """Each name once a run, with a plus sign where it stands several times."""
    runs = [(name, len(list(run))) for name, run in itertools.groupby(names)]
    return " ".join(name + "+" * (times > 1) for name, times in runs)


def made_of(messages: list[list[str]]) -> tuple[list[str], list[str]]:
    """What `structures` makes of the segments' names of messages, and the distinct ones among it as it told them, or
    as they are where it tells none."""
    name = np.array([name_code(each) for names in messages for each in names], np.int32)
    told = Told()
    made = structures(name, np.array([len(names) for names in messages], np.int32), told)
    made.validate(full=True)
    several = told.of(made)
    known = several is not None and several.codes is not None
    return made.to_pylist(), several.values.to_pylist() if known else list(dict.fromkeys(made.to_pylist()))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.tuples(BODIES, st.integers(1, 12)), min_size=1, max_size=6))
def test_the_names_of_the_segments_are_the_structure(sent: list[tuple[list[str], int]]) -> None:
    messages = [["MSH", *names] for names, times in sent for _ in range(times)]
    wanted = [twin(names) for names in messages]
    assert made_of(messages) == (wanted, list(dict.fromkeys(wanted)))


@pytest.mark.parametrize("different", [1, 3, 500, 20_000])
def test_many_messages_have_few_structures_or_many(different: int) -> None:
    chosen = np.random.default_rng(different).integers(1, 24, (different, 5)).tolist()
    several = [["MSH", *(f"Z{number:02d}" for number in numbers)] for numbers in chosen]
    messages = [several[i % different] for i in range(20_000)]
    wanted = [twin(names) for names in messages]
    assert made_of(messages) == (wanted, list(dict.fromkeys(wanted)))
