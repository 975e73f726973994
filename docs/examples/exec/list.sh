#!/bin/sh
# Prints the instances that scale.sh started and that live, one JSON object a line. What is dead it tidies away.
set -eu

state=${STATE_DIR:?want the folder for pid files}

for dir in "$state"/*/; do
	[ -d "$dir" ] || continue # there is none, or scale.sh just removed it
	pid=$(cat "$dir/pid" 2>/dev/null) || continue
	version=$(cat "$dir/version" 2>/dev/null) || continue
	address=$(cat "$dir/address" 2>/dev/null) || continue
	if ! kill -0 "$pid" 2>/dev/null; then
		rm -rf "$dir"
		continue
	fi
	memory=$(awk '$1 == "VmRSS:" { printf ", \"memoryBytes\": %d", $2 * 1024 }' "/proc/$pid/status" 2>/dev/null) || memory=
	printf '{"id": "%s", "version": "%s", "address": "%s"%s}\n' "$(basename "$dir")" "$version" "$address" "$memory"
done
