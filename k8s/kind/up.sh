#!/usr/bin/env bash
# A kind cluster with our image and KubeRay. Prints the line that makes kubectl and helm use it. Safe to run again.
# Wants docker, kind, kubectl and helm. Where docker.io, quay.io and github.io are out of reach: KIND_NODE_IMAGE and
# KUBERAY_IMAGE name images that docker has, KUBERAY_CHART the operator's chart, a folder or an archive.
set -euo pipefail
cd "$(dirname "$0")/../.."
NAME=${KIND_NAME:-clinray} IMAGE=${IMAGE:-localhost/clinray:dev} KUBERAY=${KUBERAY:-1.6.1}
NODE=${KIND_NODE_IMAGE:-} OPERATOR=${KUBERAY_IMAGE:-} CHART=${KUBERAY_CHART:-}
KUBECONFIG=${KIND_KUBECONFIG:-$PWD/.kind/$NAME.kubeconfig}
export KUBECONFIG
for tool in docker kind kubectl helm; do
    command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done
operator=(kuberay-operator --repo https://ray-project.github.io/kuberay-helm/)
[ -z "$CHART" ] || operator=("$CHART")
[ -z "$OPERATOR" ] || operator+=(--set "image.repository=${OPERATOR%:*},image.tag=${OPERATOR##*:}")
{
    mkdir -p "$(dirname "$KUBECONFIG")"
    docker image inspect "$IMAGE" >/dev/null 2>&1 || make image IMAGE="$IMAGE" BUILDER=docker
    # grep without -q reads to the end, so that kind does not die of a closed pipe.
    if kind get clusters | grep -Fx -- "$NAME" >/dev/null; then
        kind export kubeconfig --name "$NAME" --kubeconfig "$KUBECONFIG"
        # The API server of a node that docker has just begun again answers after a while.
        for _ in $(seq 60); do
            kubectl get --raw /readyz >/dev/null 2>&1 && break
            sleep 2
        done
    else
        kind create cluster --name "$NAME" --config k8s/kind/cluster.yaml --kubeconfig "$KUBECONFIG" --wait 180s \
            ${NODE:+--image "$NODE"}
    fi
    for image in "$IMAGE" ${OPERATOR:+"$OPERATOR"}; do
        kind load docker-image "$image" --name "$NAME"
    done
    helm upgrade --install kuberay-operator "${operator[@]}" --version "$KUBERAY" \
        --namespace kuberay-system --create-namespace --wait --timeout 300s
} >&2
printf 'export KUBECONFIG=%q\n' "$KUBECONFIG"
