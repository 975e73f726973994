# Built for scratch: one static binary, no shell, no root.
FROM golang:1.26 AS build
ARG VERSION=devel
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -pgo=bench/gatewayd.pgo -ldflags "-s -w -X main.version=${VERSION}" -o /out/gatewayd ./cmd/gatewayd \
 && mkdir -p /out/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/gatewayd /usr/bin/gatewayd
COPY --from=build --chown=65532:65532 /out/state /var/lib/gatewayd
USER 65532:65532
WORKDIR /var/lib/gatewayd
VOLUME /var/lib/gatewayd
EXPOSE 8080 9900
# The admin API listens on loopback by default, so the check comes from within.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["/usr/bin/gatewayd", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/gatewayd"]
CMD ["run", "-c", "/etc/gatewayd/gatewayd.yaml"]
