# One Dockerfile for all services; the workspace is compiled once, whichever of them is wanted.
#
#   docker build --build-arg SERVICE=payment -t preorder/payment .     one
#   docker buildx bake -f docker-bake.hcl                              all six
#   docker compose build                                               all six, as the compose file names them
#
# The images hold one binary and what it links to: no shell, no package manager. They run as user 65532 on a read-only
# root file system, with the profile `docker`: everything on port 8080 (the actuator on 9080), Kafka at my-kafka:9092, PostgreSQL by DATABASE_URL.
ARG RUST=1.95

FROM rust:${RUST}-bookworm AS toolchain
# Kafka over TLS and SASL, PostgreSQL over TLS: OpenSSL's headers and make are in this image, libssl3 is in the last one.
# libz is compiled in: this image has a shared one, the last one has none.
ENV CARGO_TERM_COLOR=never \
    LIBZ_SYS_STATIC=1 \
    WANTED="-p prereservation -p payment -p receipt -p myreservation -p account -p gateway \
      --features prereservation/tls,payment/tls,receipt/tls,myreservation/tls,account/tls"
RUN cargo install --locked --version 0.1.78 cargo-chef
WORKDIR /src

# What the dependencies depend on: the manifests and the lock file, without our sources.
FROM toolchain AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

# A layer of its own for the dependencies: it changes with recipe.json only.
FROM toolchain AS build
# --build-arg LTO=off compiles in half the time, for trying out.
ARG LTO=thin
ENV CARGO_PROFILE_RELEASE_LTO=${LTO}
COPY --from=plan /src/recipe.json .
# hadolint ignore=SC2086
RUN cargo chef cook --release --locked $WANTED
COPY . .
# For /actuator/info: there is no .git in the build context.
ARG GIT_COMMIT=""
ARG GIT_BRANCH=""
ARG GIT_TIME=""
ARG BUILD_TIME=""
# hadolint ignore=SC2086
RUN BUILD_GIT_COMMIT="$GIT_COMMIT" BUILD_GIT_BRANCH="$GIT_BRANCH" BUILD_GIT_TIME="$GIT_TIME" BUILD_TIME="$BUILD_TIME" \
    cargo build --release --locked $WANTED \
 && mkdir /out \
 && for service in prereservation payment receipt myreservation account gateway; do \
      cp "target/release/$service" /out/ || exit 1; \
    done

# Fails within seconds, not after the compilation, when the service is not given or unknown.
FROM rust:${RUST}-bookworm AS wanted
ARG SERVICE=""
RUN case "$SERVICE" in \
      prereservation | payment | receipt | myreservation | account | gateway) touch /known ;; \
      *) echo "--build-arg SERVICE=<prereservation|payment|receipt|myreservation|account|gateway>, not '$SERVICE'" >&2; exit 1 ;; \
    esac

FROM gcr.io/distroless/cc-debian12:nonroot
ARG SERVICE
ARG VERSION=0.1.0
ARG GIT_COMMIT=""
ARG BUILD_TIME=""
LABEL org.opencontainers.image.title="preorder ${SERVICE}" \
      org.opencontainers.image.description="The service ${SERVICE} of preorder" \
      org.opencontainers.image.source="https://github.com/preorder/preorder" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${GIT_COMMIT}" \
      org.opencontainers.image.created="${BUILD_TIME}"
WORKDIR /app
# The empty file holds no data; copying it makes this stage wait for the check of SERVICE.
COPY --from=wanted /known /app/.known
COPY --from=build /out/${SERVICE} /app/service
# librdkafka asks OpenSSL for the certificates of the system, and OpenSSL asks this. The gateway's allocator gives back at once what
# was freed, instead of a second later.
ENV PROFILE=docker \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    MIMALLOC_PURGE_DELAY=0
USER 65532:65532
# Fails when a library is missing here that was there at compilation, and when the profile's settings are wrong. The token is for
# this check alone: payment and prereservation want one, and the image has none.
# hadolint ignore=DL3064
ARG INTERNAL_TOKEN=only-for-the-check-of-the-build
RUN ["/app/service", "--check"]
# 9080: the actuator, for probes, Prometheus and operators; not to be published.
EXPOSE 8080 9080
# The binary asks itself: there is no shell and no curl here.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 CMD ["/app/service", "--health"]
# Exec form: the service is process 1, gets SIGTERM, and starts no children that it would have to reap.
ENTRYPOINT ["/app/service"]
