#!/bin/bash
# Gives numba the image's compiled kernels in a folder that it can write to (it ignores a cache that it cannot), then
# runs what it was given. Without arguments it copies alone: an init container of Ray's pods, which KubeRay starts by
# a command of its own.
set -euo pipefail
compiled=${CLINRAY_COMPILED_KERNELS:-/opt/clinray/numba}
cache=${NUMBA_CACHE_DIR:-/tmp/numba}
if [ ! -d "$cache" ] && [ -d "$compiled" ]; then
    half=$(mktemp -d "$(dirname "$cache")/.numba-XXXXXX")
    cp -r "$compiled/." "$half"
    mv -T "$half" "$cache" 2>/dev/null || rm -rf "$half"
fi
if [ $# -gt 0 ]; then
    exec "$@"
fi
