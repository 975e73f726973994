#!/bin/sh
# Makes $GATEWAYD_COUNT instances of version $GATEWAYD_VERSION run; those in $GATEWAYD_LEAVING go first, then the newest.
#
# An instance is a folder in $STATE_DIR that holds: pid, version, address. This example starts "gatewayd demo-instance" on this machine; yours
# may start machines of a cloud instead. What counts is that
#   - it may be called again and again, with the count that there is already;
#   - what it starts lives on without it (setsid, and no output that it inherits);
#   - it exits with another status than 0, and says why on standard error, when it could not do all.
set -eu

state=${STATE_DIR:?want the folder for pid files}
gatewayd=${GATEWAYD:-gatewayd}
mkdir -p "$state"

alive() { kill -0 "$(cat "$1/pid" 2>/dev/null)" 2>/dev/null; }

# ids prints the instances of the version that live, the newest first.
ids() {
	for dir in $(ls -dt "$state"/*/ 2>/dev/null); do
		if alive "$dir" && [ "$(cat "$dir/version" 2>/dev/null)" = "$GATEWAYD_VERSION" ]; then
			basename "$dir"
		fi
	done
}

stop() {
	dir=$state/$1
	[ -d "$dir" ] || return 0
	kill "$(cat "$dir/pid" 2>/dev/null)" 2>/dev/null || true
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		alive "$dir" || break
		sleep 0.1
	done
	kill -9 "$(cat "$dir/pid" 2>/dev/null)" 2>/dev/null || true
	rm -rf "$dir" # list.sh tidies away what is dead at the same time
}

start() {
	id=$GATEWAYD_VERSION-$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
	dir=$state/$id
	# It is not an instance before it has all its files: list.sh looks at the same time.
	new=$state/.$id
	mkdir "$new"
	: >"$new/log" # it is read before the instance may have opened it
	setsid "$gatewayd" demo-instance --listen 127.0.0.1:0 --version "$GATEWAYD_VERSION" >"$new/log" 2>&1 </dev/null &
	echo $! >"$new/pid"
	echo "$GATEWAYD_VERSION" >"$new/version"
	for _ in $(seq 1 100); do
		address=$(sed -n 's/^demo .* listens on //p' "$new/log")
		[ -z "$address" ] || break
		kill -0 $! 2>/dev/null || break
		sleep 0.05
	done
	if [ -z "$address" ]; then
		echo "instance $id does not listen: $(tail -n 1 "$new/log")" >&2
		kill -9 $! 2>/dev/null || true
		rm -r "$new"
		exit 1
	fi
	echo "$address" >"$new/address"
	mv "$new" "$dir"
}

have=$(ids | wc -l)
for id in ${GATEWAYD_LEAVING:-} $(ids); do
	[ "$have" -gt "$GATEWAYD_COUNT" ] || break
	if ids | grep -qxF "$id"; then
		stop "$id"
		have=$((have - 1))
	fi
done
while [ "$have" -lt "$GATEWAYD_COUNT" ]; do
	start
	have=$((have + 1))
done
