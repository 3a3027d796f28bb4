"""A run in a process of its own: commits drafts to a lake, one a key given, and prints their numbers.

Called as: driver.py URI DIE KEY... With DIE "after-entry" it ends at once, as by kill -9, between its first entry and
the Delta commits; "after-table" when one table is committed and the other is not; "no" not at all.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from building import DETAILS, SCHEMAS, ZONE, bundle_of, draft, new_lake

from connectors.lake import LostRace, delta
from connectors.storage import StorageOptions


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(when: str) -> None:
    committed = threading.Event()

    def mortal(commit):
        def dying(store, path, *arguments):
            if when == "after-table" and path.endswith(DETAILS):
                committed.wait(timeout=60)
            if when == "after-entry" or committed.is_set():
                die()
            made = commit(store, path, *arguments)
            committed.set()
            return made

        return dying

    if when != "no":
        delta.bring_up, delta.follow = mortal(delta.bring_up), mortal(delta.follow)


def main(uri: str, when: str, *keys: str) -> None:
    options = StorageOptions() if uri.startswith("s3://") else None
    lake = new_lake(uri, options)
    lake.create_tables(ZONE, SCHEMAS)
    print("ready", flush=True)
    sys.stdin.readline()
    arm(when)
    for group in keys:
        try:
            entry = lake.commit(draft(lake, group.split(","), planned=0))
            print("entry", entry.number, bundle_of(group.split(",")), flush=True)
        except LostRace as lost:
            print("lost", len(lost.entries), flush=True)


main(*sys.argv[1:])
