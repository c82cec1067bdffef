# Three images from one base: `docker build --target broker|operator|injector .` (the legacy builder will do).
# BASE_IMAGE is any Debian 12; whatever its packages and pip are configured with is used as it is.
ARG BASE_IMAGE=debian:bookworm-slim

# --- what all of them are: Debian, its Python, an init, a user that is not root
FROM ${BASE_IMAGE} AS common
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends python3 tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
 && groupadd --gid 10001 skerry \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin skerry \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
# Nothing is imported from the working directory, no byte code is written, no line of a log is kept back.
ENV PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001

# --- the injector: the standard library and `ss`
FROM common AS injector
USER 0:0
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends iproute2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*
COPY injector/skerry_injector.py /opt/skerry/skerry_injector.py
USER 10001:10001
ENTRYPOINT ["/usr/bin/python3", "-I", "/opt/skerry/skerry_injector.py"]

# --- the environment, built once and copied; every package by the hash in requirements.lock
FROM common AS build
USER 0:0
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends python3-venv \
 && python3 -m venv --without-pip /opt/venv \
 && python3 -m venv /build/tools
WORKDIR /build/source
COPY hack/lock_subset.py hack/
COPY pyproject.toml requirements.lock ./
# `--root` puts what is added to /opt/venv into a tree of its own, which becomes a layer of its own. The Kubernetes client's
# models and calls are generated, thousands of files of which a handful is imported: their byte code would be 48 MB.
RUN python3 hack/lock_subset.py build > /build/build.lock \
 && python3 hack/lock_subset.py broker > /build/broker.lock \
 && python3 hack/lock_subset.py operator > /build/operator.lock \
 && export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_QUIET=1 \
 && /build/tools/bin/pip install --require-hashes --no-deps -r /build/build.lock \
 && /build/tools/bin/pip --python /opt/venv/bin/python install --require-hashes --no-deps \
      --root /build/layers/broker -r /build/broker.lock \
 && /build/tools/bin/pip --python /opt/venv/bin/python install --require-hashes --no-deps \
      --root /build/layers/operator --no-compile -r /build/operator.lock \
 && python3 -m compileall -q -s /build/layers/operator -x '/kubernetes/(aio/)?client/(models|api)/' \
      /build/layers/operator
# Byte code with hashes instead of times: the same source is the same layer, and a change of the laboratory alone leaves the
# broker's image as it is (and brokers running).
COPY README.md LICENSE ./
COPY broker broker
COPY operator operator
RUN export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_QUIET=1 \
 && /build/tools/bin/python -m hatchling build -t wheel -d /build/wheel \
 && /build/tools/bin/pip --python /opt/venv/bin/python install --no-index --no-deps --no-compile \
      --root /build/layers/skerry /build/wheel/*.whl \
 && python3 -m compileall -q -s /build/layers/skerry --invalidation-mode unchecked-hash /build/layers/skerry \
 && cd /build/layers/skerry/opt/venv \
 && mkdir /build/layers/skerry_broker \
 && cp -r --parents bin/skerry-broker lib/python3*/site-packages/skerry_broker \
      lib/python3*/site-packages/skerry-*.dist-info/METADATA /build/layers/skerry_broker

# --- what broker and operator share
FROM common AS environment
COPY --from=build /opt/venv /opt/venv
COPY --from=build /build/layers/broker/opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/bin:/bin

# --- the system under test, and nothing of the laboratory
FROM environment AS broker
COPY --from=build /build/layers/skerry_broker /opt/venv
EXPOSE 9092 9093 9094 9095
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/venv/bin/skerry-broker"]

# --- the CLI (`skerry`), the operator (`skerry-operator`) and the workload pod (`skerry-runner`)
FROM environment AS operator
COPY --from=build /build/layers/operator/opt/venv /opt/venv
COPY --from=build /build/layers/skerry/opt/venv /opt/venv
EXPOSE 8080
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/venv/bin/skerry"]
