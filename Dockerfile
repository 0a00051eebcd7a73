# syntax=docker/dockerfile:1

# The image of all four services, and of the commands: one binary, no shell, not root.
#   docker build --tag registry.example.com/perennial:0.1.0 .

FROM rust:1.95.0-bookworm AS build
# The compiler of the image; rust-toolchain.toml would have rustup fetch what only developers need.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --package perennial \
    && install -D target/dist/perennial /out/usr/local/bin/perennial \
    && ldd target/dist/perennial | grep -o '/[^ ]*' | xargs -I{} install -D {} /out{} \
    && install -d -o 65532 -g 65532 /out/var/lib/perennial

# The loader, libc, libm and libgcc are all that the binary needs, and come along: time zones and
# authorities of the web are inside it.
FROM scratch
LABEL org.opencontainers.image.title="perennial" \
      org.opencontainers.image.description="Renews cloud instances" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/lib /lib
COPY --from=build /out/lib64 /lib64
COPY --from=build /out/usr/local/bin/perennial /usr/local/bin/perennial
# A volume that is mounted here for the first time belongs to whom this folder does.
COPY --from=build --chown=65532:65532 /out/var/lib/perennial /var/lib/perennial
ENV PERENNIAL_DATA_DIR=/var/lib/perennial
WORKDIR /var/lib/perennial
USER 65532:65532
EXPOSE 50051
ENTRYPOINT ["/usr/local/bin/perennial"]
CMD ["serve"]
