#!/bin/sh
# Installs the peers (Debian), builds and measures. Arguments go to bench/peers: -quick for a first impression, -only TEXT for some cases.
set -e
cd "$(dirname "$0")/.."
need=""
command -v nginx >/dev/null || need="$need nginx-light"
command -v haproxy >/dev/null || need="$need haproxy"
command -v taskset >/dev/null || need="$need util-linux"
if [ -n "$need" ]; then
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends $need
fi
[ -x bin/gatewayd ] || make build
go build -o bin/peers ./bench/peers
exec ./bin/peers "$@"
