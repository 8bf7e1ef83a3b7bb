# syntax=docker/dockerfile:1
# Akashi as a container: a wheel built from this tree with the pinned dependencies, run by an unprivileged user.
#
#   docker build -t akashi .
#   docker run -p 53:53/udp -p 53:53/tcp -v akashi-state:/var/lib/akashi -v ./akashi.toml:/etc/akashi/akashi.toml:ro akashi
#
# The built-in configuration listens on every address of the container but answers only its loopback: set [access] allow to your
# clients' networks in a configuration of your own. Port 53 needs no capability where the runtime sets
# net.ipv4.ip_unprivileged_port_start=0 (Docker does; elsewhere: --sysctl).
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt pip setuptools
COPY pyproject.toml README.md LICENSE ./
COPY wire wire
COPY trust trust
COPY resolver resolver
COPY lab lab
RUN pip wheel --no-cache-dir --no-build-isolation -c constraints.txt -w /wheels .

FROM python:${PYTHON}
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links=/wheels akashi \
 && useradd --system --home-dir /var/lib/akashi --shell /usr/sbin/nologin akashi \
 && install -d -o akashi -g akashi -m 0750 /var/lib/akashi /run/akashi
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
ENTRYPOINT ["akashi"]
CMD ["serve", "-c", "/etc/akashi/akashi.toml"]
