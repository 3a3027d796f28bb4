"""The small API server that the client's tests ask, a state of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_server import State, api

from k8s.cluster import Cluster


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def cluster(state: State) -> Iterator[Cluster]:
    with api(state) as found:
        yield found
