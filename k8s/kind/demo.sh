#!/usr/bin/env bash
# In the cluster of KUBECONFIG, which has KubeRay and can run our image: a namespace that enforces Pod Security
# `restricted`, an S3 with 10,000 synthetic messages, keys, the chart, and the result of its run. Safe to run again.
# Wants kubectl, helm, openssl, and Clinray installed for PYTHON.
set -euo pipefail
: "${KUBECONFIG:?is not set: name the cluster to use}"
cd "$(dirname "$0")/../.."
NAMESPACE=${NAMESPACE:-clinray} IMAGE=${IMAGE:-localhost/clinray:dev} PYTHON=${PYTHON:-python3}
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT

created() { kubectl -n "$NAMESPACE" get "$@" >/dev/null 2>&1; }
applied() { sed "s#localhost/clinray:dev#$IMAGE#" "k8s/kind/$1" | kubectl -n "$NAMESPACE" apply -f -; }

created namespace "$NAMESPACE" || kubectl create namespace "$NAMESPACE"
kubectl label --overwrite namespace "$NAMESPACE" pod-security.kubernetes.io/enforce=restricted
created secret clinray-s3 || kubectl -n "$NAMESPACE" create secret generic clinray-s3 \
    --from-literal=AWS_ACCESS_KEY_ID=demonstration --from-literal=AWS_SECRET_ACCESS_KEY="$(openssl rand -hex 20)"
if ! created secret clinray-keys; then
    "$PYTHON" -m jobs keys init --keys "$keys/made"
    kubectl -n "$NAMESPACE" create secret generic clinray-keys --from-file="$keys/made"
fi
applied s3.yaml
kubectl -n "$NAMESPACE" rollout status deployment/s3 --timeout=180s
# Made anew each time: a Job cannot be changed, and the S3 forgets its objects with its pod.
kubectl -n "$NAMESPACE" delete job messages --ignore-not-found
applied messages.yaml
kubectl -n "$NAMESPACE" wait --for=condition=complete job/messages --timeout=180s
helm upgrade --install clinray helm/clinray --namespace "$NAMESPACE" -f k8s/kind/values.yaml \
    --set "image.repository=${IMAGE%:*},image.tag=${IMAGE##*:}"
run=$(kubectl -n "$NAMESPACE" get rayjobs.ray.io -l clinray.io/release=clinray --sort-by=.metadata.creationTimestamp -o name |
    tail -1)
outcome=0
"$PYTHON" -m k8s wait "${run#*/}" -n "$NAMESPACE" --timeout 900 || outcome=$?
"$PYTHON" -m k8s logs "${run#*/}" -n "$NAMESPACE"
exit "$outcome"
