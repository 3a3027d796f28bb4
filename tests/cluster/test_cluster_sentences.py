"""What a user reads where a Secret, a bucket or the image is wrong, and what stays when a release goes."""

from __future__ import annotations

import pytest
from released import Namespace, pipeline

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_a_secret_that_is_not_there_is_named(namespace: Namespace, store) -> None:
    namespace.install(
        "secret", {"keys": {"existingSecret": "no-such-keys"}, "pipeline": pipeline(store.messages, store.lake("x1"))}
    )
    said = namespace.wait(namespace.ray_jobs("secret")[0], "--starting", "45")
    namespace.uninstall("secret")
    assert (said.exit, said.outcome) == (16, "not_started")
    assert "no-such-keys" in said.detail


def test_a_secret_without_the_wanted_key_is_named(namespace: Namespace, store) -> None:
    literals = ["--from-literal=AWS_ACCESS_KEY_ID=x", "--from-literal=OTHER=y"]
    namespace.kubectl("create", "secret", "generic", "half-s3", *literals)
    storage = {"existingSecret": "half-s3"}
    namespace.install("access", {"storage": storage, "pipeline": pipeline(store.messages, store.lake("x2"))})
    said = namespace.wait(namespace.ray_jobs("access")[0], "--starting", "45")
    namespace.uninstall("access")
    assert (said.exit, said.outcome) == (16, "not_started")
    assert "AWS_SECRET_ACCESS_KEY" in said.detail


def test_a_bucket_that_is_missing_is_named_in_the_log(namespace: Namespace, store) -> None:
    namespace.install("bucket", {"pipeline": pipeline("s3://no-such-bucket/hl7/", store.lake("x3"))})
    job = namespace.ray_jobs("bucket")[0]
    said = namespace.wait(job)
    log = namespace.client("logs", job).stdout
    namespace.uninstall("bucket")
    assert (said.exit, said.outcome) == (10, "refused")
    assert "no-such-bucket" in log


def test_an_image_that_does_not_exist_is_named(namespace: Namespace, store) -> None:
    image = {"repository": "localhost/no-such-image", "tag": "0", "pullPolicy": "Never"}
    namespace.install("image", {"image": image, "pipeline": pipeline(store.messages, store.lake("x4"))})
    said = namespace.wait(namespace.ray_jobs("image")[0], "--starting", "45")
    namespace.helm("uninstall", "image", "--no-hooks", "--wait", "--timeout", "120s")
    namespace.client("cancel", "--release", "image")
    assert (said.exit, said.outcome) == (16, "not_started")
    assert "localhost/no-such-image:0" in said.detail


def test_uninstalling_leaves_nothing_but_the_lake(namespace: Namespace, store) -> None:
    lake = store.lake("uninstalled")
    namespace.install("gone", {"pipeline": pipeline(store.messages, lake), "runner": {"enabled": True}})
    run = namespace.ray_jobs("gone")[0]
    assert namespace.wait(run).outcome in ("suspended", "succeeded")
    namespace.ray_pod(run, "head")
    namespace.uninstall("gone")
    kinds = "all,rayjobs.ray.io,rayclusters.ray.io,networkpolicies,configmaps,serviceaccounts,roles,rolebindings,pdb"
    assert namespace.names(kinds, "app.kubernetes.io/instance=gone") == []
    assert namespace.names(kinds, "clinray.io/release=gone") == []
