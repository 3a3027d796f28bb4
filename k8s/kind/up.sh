#!/usr/bin/env bash
# A kind cluster with our image and KubeRay. Prints the line that makes kubectl and helm use it. Safe to run again.
# Wants docker, kind, kubectl and helm.
set -euo pipefail
cd "$(dirname "$0")/../.."
NAME=${KIND_NAME:-clinray} IMAGE=${IMAGE:-localhost/clinray:dev} KUBERAY=${KUBERAY:-1.6.1}
KUBECONFIG=${KIND_KUBECONFIG:-$PWD/.kind/$NAME.kubeconfig}
export KUBECONFIG
for tool in docker kind kubectl helm; do
    command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done
{
    mkdir -p "$(dirname "$KUBECONFIG")"
    docker image inspect "$IMAGE" >/dev/null 2>&1 || make image IMAGE="$IMAGE" BUILDER=docker
    if kind get clusters | grep -qx "$NAME"; then
        kind export kubeconfig --name "$NAME" --kubeconfig "$KUBECONFIG"
    else
        kind create cluster --name "$NAME" --config k8s/kind/cluster.yaml --kubeconfig "$KUBECONFIG" --wait 180s
    fi
    kind load docker-image "$IMAGE" --name "$NAME"
    helm upgrade --install kuberay-operator kuberay-operator --repo https://ray-project.github.io/kuberay-helm/ \
        --version "$KUBERAY" --namespace kuberay-system --create-namespace --wait --timeout 300s
} >&2
echo "export KUBECONFIG=$KUBECONFIG"
