# syntax=docker/dockerfile:1
# A small image with the one binary, which runs as nobody in particular:
#
#     docker build --tag hydrant .
#     docker run --rm --volume "$PWD:/work" hydrant run --all

FROM rust:1.95-slim-bookworm AS build
# Parts of the dependencies are C (zstd, SQLite, ring); what they need is make and a compiler.
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches hold the registry and what was built before; the binary is copied out, since a cache is not in the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package hydrant && \
    install -D target/release/hydrant /out/hydrant

# glibc, CA certificates, time zones and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/hydrant /usr/local/bin/hydrant
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/hydrant/
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/hydrant"]
CMD ["--help"]
