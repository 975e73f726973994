#!/bin/sh
# Makes bench/gatewayd.pgo anew, by which `make build` optimises: a profile of three seconds in each case of the benchmark, merged.
set -e
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make build
go build -o bin/peers ./bench/peers
cp bin/gatewayd "$dir/gatewayd"
./bin/peers -peers none -rounds 1 -slice 200ms -gatewayd "$dir/gatewayd" -profile "$dir/profiles" -out "$dir"
go tool pprof -proto -output bench/gatewayd.pgo "$dir/gatewayd" "$dir"/profiles/*.pprof
