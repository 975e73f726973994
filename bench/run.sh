#!/bin/sh
# Installs the peers (nginx and HAProxy from Debian, Caddy as a Go module), builds and measures. Arguments go to bench/peers: -quick for a first
# impression, -only TEXT for some cases, -peers NAMES for some peers; -help lists them all.
set -e
cd "$(dirname "$0")/.."
caddy=v2.11.9
need=""
command -v nginx >/dev/null || need="$need nginx-light"
command -v haproxy >/dev/null || need="$need haproxy"
command -v taskset >/dev/null || need="$need util-linux"
if [ -n "$need" ]; then
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends $need
fi
if ! [ -x bin/caddy ]; then
	echo "building Caddy $caddy, once"
	GOBIN="$PWD/bin" go install "github.com/caddyserver/caddy/v2/cmd/caddy@$caddy" || echo "Caddy cannot be had, so it is left out"
fi
[ -x bin/gatewayd ] || make build
go build -o bin/peers ./bench/peers
exec ./bin/peers "$@"
