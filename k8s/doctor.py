"""`doctor`: what usually goes wrong before a run, looked at before it goes wrong."""

from __future__ import annotations

from jobs.console import AsJson, command, emit, say
from k8s import flags

EXAMPLES = """
Look for what usually goes wrong before a run: KubeRay and its version, rights, quotas, Secrets, and from inside a pod
with the image and identity of the run the bucket, the keys and the clock. Exit 1 where something is wrong.

Example: python -m k8s doctor -f values.yaml -n research
"""


@command
def doctor(
    values: flags.ValuesFiles = None,
    settings: flags.Settings = None,
    release: flags.Release = "clinray",
    namespace: flags.Namespace = None,
    inside: flags.Inside = True,
    as_json: AsJson = False,
) -> int:
    from k8s import chart
    from k8s.check import FAILED
    from k8s.checks import check_all
    from k8s.cluster import connect
    from k8s.render import Release

    made = chart.values(values or (), settings or ())
    cluster = connect(namespace)
    checks = check_all(cluster, made, Release(release, cluster.namespace), inside=inside)
    if as_json:
        emit({"checks": [{"check": c.name, "state": c.state, "says": c.says, "do": c.do} for c in checks]})
    else:
        for check in checks:
            say(f"{check.state:8}{check.name}: {check.says}")
            if check.do:
                say(f"        {check.do}")
    return int(any(check.state == FAILED for check in checks))


doctor.__doc__ = EXAMPLES
