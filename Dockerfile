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
# Nothing of this is used at run time: other packages' tests, type stubs, headers, Java archives, the dashboard's page.
RUN cd /opt/clinray/lib/python3*/site-packages \
    && find . -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
    && rm -rf ray/jars ray/dashboard/client/build/static pyarrow/include pyarrow/src pyarrow/tests numpy/_core/include \
        plotly/package_data/datasets pip setuptools \
    && find . -name '*.pyi' -delete && find . -name '*.a' -delete
# Bytecode and kernels are compiled now, because a read-only root keeps neither. The processor is fixed, so that the
# kernels fit every node: amd64 machines since 2013; on arm64 build with NUMBA_CPU=generic.
ARG NUMBA_CPU=x86-64-v3
ENV NUMBA_CPU_NAME=${NUMBA_CPU} NUMBA_CPU_FEATURES="" NUMBA_CACHE_DIR=/opt/clinray/numba
RUN python -m compileall -q -j 0 /opt/clinray/lib \
    && clinray generate hl7v2 --messages 2000 --out /build/warm/messages \
    && clinray ingest --source /build/warm/messages --lake /build/warm/lake --policy pseudonymised \
        --keys /build/warm/keys --cpus 0 --quiet \
    && clinray verify /build/warm/lake

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
