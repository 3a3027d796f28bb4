# One image for every stage, the runner and the client. Works with a read-only root as uid 10001 and a writable /tmp.
# docs/image.md says what takes the room in it.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update -q && apt-get install -y -q --no-install-recommends binutils \
    && python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/clinray
ENV PATH=/opt/clinray/bin:$PATH
COPY requirements.lock /build/
RUN /opt/pip/bin/pip --python /opt/clinray/bin/python install --quiet --no-compile --require-hashes -r /build/requirements.lock
# Nothing of this is used at run time: other packages' tests, type stubs, headers, Java archives, symbols, Ray's
# dashboard page, profiler and reinforcement learning, Arrow Flight, Plotly's sample data and notebook pages, what moto
# has for other services than storage, and AWS's descriptions of other services than storage, keys and identity.
RUN cd /opt/clinray/lib/python3*/site-packages \
    && rm -rf */tests ray/jars ray/rllib ray/llm pyarrow/include pyarrow/src pyarrow/*flight* numpy/_core/include \
        kubernetes/aio cfnlint sympy isympy.py networkx mpmath graphql plotly/labextension plotly/package_data/datasets \
        plotly/package_data/widgetbundle.js /opt/clinray/share/jupyter /opt/clinray/bin/py-spy \
    && find ray/dashboard/client/build/static -type f -delete \
    && find . -name '*.pyi' -delete && find . -name '*.a' -delete \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sts ! -name kms ! -name sso ! -name sso-oidc -exec rm -rf {} + \
    && find pandas numpy pyarrow cryptography arro3 aiohttp yaml regex zstandard obstore llvmlite -name '*.so*' \
        -exec strip --strip-unneeded {} + \
    && strip --strip-unneeded ray/_raylet.so ray/core/src/ray/raylet/raylet ray/core/src/ray/gcs/gcs_server
# A read-only root keeps no bytecode: it is compiled now, of what a run imports.
RUN cd /opt/clinray/lib/python3*/site-packages \
    && python -m compileall -q -j 0 -x 'ray/(serve|tune|train)/' ray numba llvmlite \
    && python -c "import ray.job_submission, ray.data, ray.dashboard.dashboard, kubernetes.client, boto3, deltalake, \
duckdb, obstore, pandas, plotly, pyarrow.dataset, pyarrow.parquet, rich.console, typer, moto.server, jsonschema"

FROM dependencies AS build
COPY pyproject.toml README.md LICENSE /build/
COPY connectors /build/connectors
COPY jobs /build/jobs
COPY k8s /build/k8s
COPY helm /build/helm
# Whole seconds, because numba knows a source by its time and a layer keeps no fraction of it.
RUN /opt/pip/bin/pip --python /opt/clinray/bin/python install --quiet --no-compile --no-deps --prefix /opt/code /build \
    && cd /opt/code/lib/python3*/site-packages && find . -type f -exec touch -d @1767225600 {} + \
    && python -m compileall -q -j 0 . && cp -a /opt/code/. /opt/clinray/
# Kernels are compiled for a processor that is named, so that they fit every node: amd64 machines since 2013. On arm64
# build with NUMBA_CPU=generic.
ARG NUMBA_CPU=x86-64-v3
ENV NUMBA_CPU_NAME=${NUMBA_CPU} NUMBA_CPU_FEATURES="" NUMBA_CACHE_DIR=/opt/clinray/numba
RUN clinray compile

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG NUMBA_CPU=x86-64-v3
LABEL org.opencontainers.image.title="Clinray" \
      org.opencontainers.image.description="A hospital's raw clinical data, turned into audited, de-identified tables" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=dependencies /opt/clinray /opt/clinray
COPY --from=build /opt/code /opt/clinray
COPY --from=build /opt/clinray/numba /opt/clinray/numba
COPY k8s/entry.sh /usr/local/bin/clinray-entry
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
