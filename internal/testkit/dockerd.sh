#!/bin/sh
# A Docker Engine for tests that is nobody's real one: its socket, images and containers live in one folder, its bridge and iptables
# rules in a network namespace of its own. Needs root and Debian's docker.io, iptables, iproute2 and curl.
#
#   dockerd.sh start          starts it and waits until it answers
#   dockerd.sh run CMD...     runs CMD where containers' addresses are reached, with DOCKER_HOST set
#   dockerd.sh host           prints the value for DOCKER_HOST
#   dockerd.sh stop           ends it and everything that runs in it, and removes its folder
#
# ENGINE_DIR is that folder. Its path has to be short, because that of a socket is, and it must be on a file system that overlayfs can lie
# on; else set ENGINE_STORAGE=vfs. The namespace has its name.
# ENGINE_NET=host does without namespace, bridge and iptables: containers then can only have the network "host" or none. It takes away a
# bridge "docker0" that is there.
set -eu

dir=${ENGINE_DIR:-${TMPDIR:-/tmp}/gatewayd-engine}
net=${ENGINE_NET:-own}
namespace=${dir##*/}
socket=$dir/engine.sock

inside() {
	if [ "$net" = host ]; then
		"$@"
	else
		# Not "ip netns exec": it mounts a new /sys, which hides the cgroups.
		nsenter --net="/run/netns/$namespace" "$@"
	fi
}

answers() { curl --silent --fail --max-time 5 --unix-socket "$socket" http://engine/_ping >/dev/null; }

alive() { [ -s "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

start() {
	if alive; then
		echo "$0: an engine runs in $dir already" >&2
		exit 1
	fi
	for tool in dockerd curl nsenter ip; do
		command -v "$tool" >/dev/null || { echo "$0: $tool is missing; want docker.io iptables iproute2 curl" >&2; exit 1; }
	done
	mkdir -p "$dir"
	set -- --host="unix://$socket" --data-root="$dir/data" --exec-root="$dir/exec" --pidfile="$dir/pid" \
		--storage-driver="${ENGINE_STORAGE:-overlay2}"
	if [ "$net" = host ]; then
		set -- "$@" --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false
	else
		ip netns list | grep -q "^$namespace\b" || ip netns add "$namespace"
		ip -n "$namespace" link set lo up
	fi
	inside dockerd "$@" >"$dir/log" 2>&1 </dev/null &
	launched=$!
	tries=0
	until answers; do
		tries=$((tries + 1))
		if [ $tries -gt 300 ] || ! kill -0 $launched 2>/dev/null; then
			echo "$0: the engine does not answer; the end of $dir/log:" >&2
			tail -n 20 "$dir/log" >&2
			stop
			exit 1
		fi
		sleep 0.1
	done
}

stop() {
	if alive; then
		pid=$(cat "$dir/pid")
		kill "$pid"
		tries=0
		while kill -0 "$pid" 2>/dev/null && [ $tries -lt 200 ]; do
			tries=$((tries + 1))
			sleep 0.1
		done
	fi
	[ "$net" = host ] || ip netns del "$namespace" 2>/dev/null || true
	# The engine leaves mounts of its own behind, the innermost last.
	awk -v inside="$dir/" 'index($2, inside) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
		umount "$mount"
	done
	rm -rf "$dir"
}

case ${1:-} in
start) start ;;
stop) stop ;;
host) echo "unix://$socket" ;;
run)
	shift
	DOCKER_HOST=unix://$socket
	export DOCKER_HOST
	inside "$@"
	;;
*)
	echo "usage: $0 start|run|host|stop" >&2
	exit 2
	;;
esac
