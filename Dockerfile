# syntax=docker/dockerfile:1
# Akashi as a container: a wheel built from this tree with the pinned dependencies, run by an unprivileged user.
#
#   docker build -t akashi .
#   docker build -t akashi --build-arg ACCELERATE=1 .          # with the compiled core (docs/PERFORMANCE.md)
#   docker run -p 53:53/udp -p 53:53/tcp -v akashi-state:/var/lib/akashi -v ./akashi.toml:/etc/akashi/akashi.toml:ro akashi
#
# With Prometheus and Grafana: compose.yaml. The built-in configuration listens on every address of the container but answers
# only its loopback: set [access] allow to your clients' networks in a configuration of your own. Port 53 needs no capability
# where the runtime sets net.ipv4.ip_unprivileged_port_start=0 (Docker does; elsewhere: --sysctl). It runs with
# --read-only --tmpfs /run/akashi:uid=999,gid=999,mode=0700 --cap-drop ALL --security-opt no-new-privileges as well.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ARG ACCELERATE=
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY constraints.txt ./
RUN python -m venv /opt/akashi && /opt/akashi/bin/pip install --no-cache-dir -c constraints.txt pip setuptools
COPY pyproject.toml setup.py README.md LICENSE ./
COPY wire wire
COPY trust trust
COPY resolver resolver
COPY lab lab
RUN /opt/akashi/bin/pip install --no-cache-dir --no-build-isolation -c constraints.txt .
# The compiler checks types, so it wants the requirements, which are there by now.
RUN if [ "$ACCELERATE" = 1 ]; then \
        apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
     && /opt/akashi/bin/pip install --no-cache-dir -c constraints.txt mypy \
     && AKASHI_ACCELERATE=1 /opt/akashi/bin/pip install --no-cache-dir --no-deps --force-reinstall --no-build-isolation . \
     && /opt/akashi/bin/pip uninstall --yes mypy; \
    fi
RUN /opt/akashi/bin/pip uninstall --yes pip setuptools

FROM python:${PYTHON}
RUN groupadd --system --gid 999 akashi \
 && useradd --system --uid 999 --gid akashi --home-dir /var/lib/akashi --shell /usr/sbin/nologin akashi \
 && install -d -o akashi -g akashi -m 0750 /var/lib/akashi \
 && install -d -o akashi -g akashi -m 0700 /run/akashi \
 && ln -s /opt/akashi/bin/akashi /usr/local/bin/akashi
COPY --from=build /opt/akashi /opt/akashi
COPY --chmod=0644 <<TOML /etc/akashi/akashi.toml
[server]
listen = ["0.0.0.0:53", "[::]:53"]
[metrics]
listen = "0.0.0.0:9153"
TOML
USER akashi
VOLUME /var/lib/akashi
EXPOSE 53/udp 53/tcp 9153/tcp
STOPSIGNAL SIGTERM
# Exit status 1 when something is wrong, 3 when no daemon answers: either is "unhealthy" (only 0 and 1 are Docker's).
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 \
    CMD akashi status --health -c /etc/akashi/akashi.toml || exit 1
ENTRYPOINT ["akashi"]
CMD ["serve", "-c", "/etc/akashi/akashi.toml"]
