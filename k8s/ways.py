"""What `doctor` looks at in the chart's network policies: whether the way to the store is among what they open."""

from __future__ import annotations

from urllib.parse import urlsplit

from k8s.chart import Values
from k8s.check import OK, WARNING, Check

PORTS = {"http": 80, "https": 443}


def way_to_store(values: Values) -> Check:
    """Whether some rule names the store's port. Which pods and addresses a rule of `extraEgress` opens only the cluster
    knows, and many clusters enforce no policies."""
    name, policy = "network policies", values["networkPolicy"]
    if not policy["enabled"]:
        return Check(name, OK, "none are made")
    port = port_of(values["storage"]["endpoint"])
    ports = {rule["port"] for rule in policy["storage"]}
    ports |= {each.get("port") for rule in policy["extraEgress"] for each in rule.get("ports", [{"port": port}])}
    if port in ports:
        return Check(name, OK, f"port {port} of the store is named")
    advice = "name the store in networkPolicy.storage, or a store in the cluster in networkPolicy.extraEgress"
    return Check(name, WARNING, f"none opens port {port} of the store", advice)


def port_of(endpoint: str) -> int:
    """The port of the store's endpoint; Amazon's where there is none."""
    parts = urlsplit(endpoint)
    return parts.port or PORTS.get(parts.scheme, PORTS["https"])
