# One image for every stage, the runner and the client. Works with a read-only root as uid 10001 and a writable /tmp.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python3 -m venv /opt/clinray
ENV PATH=/opt/clinray/bin:$PATH
COPY requirements.lock /build/
RUN pip install --quiet --no-compile --require-hashes -r /build/requirements.lock
COPY pyproject.toml README.md LICENSE /build/
COPY connectors /build/connectors
COPY jobs /build/jobs
COPY k8s /build/k8s
COPY helm /build/helm
RUN pip install --quiet --no-compile --no-deps /build
# Nothing of this is used at run time: other packages' tests, type stubs, headers, Java archives, symbols, Ray's
# dashboard page and its reinforcement learning, Arrow Flight, and what moto has for other services than storage.
RUN apt-get update -q && apt-get install -y -q --no-install-recommends binutils \
    && cd /opt/clinray/lib/python3*/site-packages \
    && rm -rf */tests \
    && rm -rf ray/jars ray/rllib ray/llm pyarrow/include pyarrow/src pyarrow/*flight* numpy/_core/include \
        kubernetes/aio cfnlint sympy isympy.py networkx mpmath graphql pip setuptools \
    && find ray/dashboard/client/build/static -type f -delete \
    && find . -name '*.pyi' -delete && find . -name '*.a' -delete \
    && strip --strip-unneeded llvmlite/binding/libllvmlite.so zstandard/*.so obstore/*.so ray/_raylet.so \
        ray/core/src/ray/raylet/raylet ray/core/src/ray/gcs/gcs_server
# Kernels and bytecode are compiled now, because a read-only root keeps neither: of Clinray and Ray all, of others what
# a run imports. The processor is fixed, so that the kernels fit every node: amd64 machines since 2013; on arm64 build
# with NUMBA_CPU=generic.
ARG NUMBA_CPU=x86-64-v3
ENV NUMBA_CPU_NAME=${NUMBA_CPU} NUMBA_CPU_FEATURES="" NUMBA_CACHE_DIR=/opt/clinray/numba
RUN cd /opt/clinray/lib/python3*/site-packages && python -m compileall -q -j 0 connectors jobs k8s ray \
    && unset PYTHONDONTWRITEBYTECODE \
    && clinray generate hl7v2 --messages 2000 --out /build/warm/messages \
    && clinray ingest --source /build/warm/messages --lake /build/warm/lake --policy pseudonymised \
        --keys /build/warm/keys --cpus 0 --quiet \
    && clinray verify /build/warm/lake \
    && python -c "import ray.job_submission, ray.data, ray.dashboard.dashboard, kubernetes.client"

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG NUMBA_CPU=x86-64-v3
LABEL org.opencontainers.image.title="Clinray" \
      org.opencontainers.image.description="A hospital's raw clinical data, turned into audited, de-identified tables" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/clinray /opt/clinray
COPY --chmod=0755 k8s/entry.sh /usr/local/bin/clinray-entry
# HOME is where Ray writes its token; kernels are read from a copy that numba can write to (see k8s/entry.sh).
ENV PATH=/opt/clinray/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CPU_NAME=${NUMBA_CPU} \
    NUMBA_CPU_FEATURES="" \
    NUMBA_CACHE_DIR=/tmp/numba \
    RAY_USAGE_STATS_ENABLED=0
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/clinray-entry"]
CMD ["clinray", "--help"]
