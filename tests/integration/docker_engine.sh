#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: docker_engine.sh start DIR [DOCKERD-ARGUMENT...]   prints the address of a private Docker Engine, starting it if need be
#        docker_engine.sh revive DIR [DOCKERD-ARGUMENT...]  starts a dockerd that died alone: containerd, shims and containers are left as they are
#        docker_engine.sh stop DIR                          ends it and removes DIR
#
# Everything of the Engine is in DIR, but for its sockets: their paths are limited to 107 bytes, so they live in a
# directory of their own, /tmp/llmdeploy-XXXXXX, whose name is in DIR/short. The host's Docker, its configuration, bridges
# and firewall are left alone: there is no default bridge, and no rule is written. Network modes none and host work, and bridges
# between host and container; published ports do not. Needs root and docker.io, but no docker group, systemd or docker command.
# Another dockerd is started where it comes first in PATH (engines.sh); LLMDEPLOY_DOCKERD_ARGS are more arguments for it.
set -eu
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
LC_ALL=C
export PATH LC_ALL

die() {
	echo "docker_engine.sh: $*" >&2
	exit 1
}

usage() {
	sed -n '/^# usage: /,/^#$/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

words_of() { # of a process's command line, one a line
	tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" || :
}

# Is it the dockerd of this DIR? A process id alone may belong to anybody by now.
is_ours() {
	[ -n "$1" ] && words_of "$1" | grep -qxF -- "$dir/data"
}

daemon_pid() {
	pid=$(cat "$dir/pid" 2>/dev/null || :)
	! is_ours "$pid" || echo "$pid"
}

# containerd and shims: processes that name the short directory, or our namespace in a containerd of the system.
helper_pids() {
	for each in /proc/[0-9]*; do
		pid=${each#/proc/}
		if [ "$pid" != $$ ] && words_of "$pid" | grep -qE -e "^$short/x/" -e "^$namespace(-plugins)?\$"; then
			echo "$pid"
		fi
	done
}

check_machine() {
	[ "$(id -u)" = 0 ] || die "a private Docker Engine needs root; run as root, or set DOCKER_HOST to an Engine that may be used"
	command -v dockerd >/dev/null || die "no 'dockerd' here; apt-get install -y docker.io"
	command -v containerd >/dev/null || die "no 'containerd' here; apt-get install -y containerd"
	command -v runc >/dev/null || die "no 'runc' here; apt-get install -y runc"
	mountpoint -q / || die "'/' is not a mount point (a chroot?), so no image could be loaded; bind-mount its directory on itself before entering it"
	grep -q ' cgroup2\? ' /proc/self/mounts || die "no cgroups are mounted; a container must be privileged to run an Engine"
}

# overlay2 where the kernel and the file system under DIR can, else vfs, which copies.
storage_driver() {
	try=$dir/try
	mkdir -p "$try/lower" "$try/upper" "$try/work" "$try/merged"
	if mount -t overlay overlay -o "lowerdir=$try/lower,upperdir=$try/upper,workdir=$try/work" "$try/merged" 2>/dev/null; then
		umount "$try/merged"
		echo overlay2
	else
		echo "docker_engine.sh: no overlay mounts under '$dir', so storage driver vfs: slower" >&2
		echo vfs
	fi
	rm -rf "$try"
}

launch() {
	driver=$(storage_driver)
	echo '{}' >"$dir/daemon.json"
	# A session of its own, so that Ctrl-C of a test does not reach it; and without the lock of this script.
	setsid dockerd --config-file "$dir/daemon.json" --data-root "$dir/data" --exec-root "$short/x" --pidfile "$dir/pid" \
		-H "unix://$short/d.sock" --storage-driver "$driver" \
		--containerd-namespace "$namespace" --containerd-plugins-namespace "$namespace-plugins" \
		--bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
		${LLMDEPLOY_DOCKERD_ARGS:-} "$@" >"$dir/log" 2>&1 </dev/null 9>&- &
	started=$!
}

# For at most a minute; the log says when the API is there.
await() {
	for _ in $(seq 600); do
		if [ -S "$short/d.sock" ] && grep -q 'API listen on' "$dir/log"; then
			return 0
		fi
		if ! kill -0 "$started" 2>/dev/null; then
			return 1
		fi
		sleep 0.1
	done
	echo "docker_engine.sh: no API within a minute" >>"$dir/log"
	return 1
}

# What a killed daemon left: the processes in containers, their shims, containerd.
end_helpers() {
	for pid in $(helper_pids); do
		if words_of "$pid" | grep -q 'containerd-shim'; then
			cat "/proc/$pid/task/"*/children 2>/dev/null | xargs -r kill -KILL 2>/dev/null || :
		fi
		kill -KILL "$pid" 2>/dev/null || :
	done
}

unmount_below() {
	awk -v a="$dir/" -v b="$short/" '{ gsub(/\\040/, " ", $5) } index($5, a) == 1 || index($5, b) == 1 { print $5 }' /proc/self/mountinfo |
		sort -r | while read -r at; do
			umount "$at" 2>/dev/null || umount -l "$at" || :
		done
}

# A network's bridge stays when the Engine ends. Ours are those whose id is in its database.
remove_bridges() {
	for each in /sys/class/net/br-*; do
		name=${each##*/}
		if [ -e "$each" ] && grep -qaF "${name#br-}" "$dir/data/network/files/local-kv.db" 2>/dev/null; then
			ip link delete "$name" || echo "docker_engine.sh: network interface '$name' is left over; apt-get install -y iproute2, ip link delete $name" >&2
		fi
	done
}

# Of containers that were killed and not stopped; their processes may take a moment to die.
remove_cgroups() {
	for each in "$dir/data/containers"/*; do
		for _ in $(seq 30); do
			left=$(ls -d "/sys/fs/cgroup/docker/${each##*/}" /sys/fs/cgroup/*/docker/"${each##*/}" 2>/dev/null || :)
			if [ ! -d "$each" ] || [ -z "$left" ]; then
				break
			fi
			echo "$left" | xargs rmdir 2>/dev/null || sleep 0.1
		done
	done
}

end_daemon() {
	pid=$(daemon_pid)
	if [ -n "$pid" ]; then
		kill -TERM "$pid" 2>/dev/null || :
		for _ in $(seq 300); do
			is_ours "$pid" || break
			sleep 0.1
		done
		! is_ours "$pid" || kill -KILL "$pid" 2>/dev/null || :
	fi
	end_helpers
	unmount_below
	remove_cgroups
	# With containerd's process id: dockerd would believe in it as long as nobody has reaped the zombie.
	rm -rf --one-file-system "$dir/pid" "$short/d.sock" "$short/x"
}

lock() {
	exec 9>"$dir/lock"
	flock -w 120 9 || die "'$dir' is locked by another docker_engine.sh"
}

read_short() {
	short=$(cat "$dir/short")
	namespace=${short##*/}
}

start() {
	[ -n "$(daemon_pid)" ] || check_machine # before anything is made
	mkdir -p "$dir"
	lock
	if [ ! -d "$(cat "$dir/short" 2>/dev/null)" ]; then
		mktemp -d /tmp/llmdeploy-XXXXXX >"$dir/short"
	fi
	read_short
	if [ -z "$(daemon_pid)" ] || [ ! -S "$short/d.sock" ]; then
		end_daemon # nothing, or what is left of one that was killed
		launch "$@"
		if ! await; then
			tail -n 15 "$dir/log" >&2
			kill "$started" 2>/dev/null || :
			end_daemon
			die "dockerd did not start; the end of '$dir/log' is above"
		fi
	fi
	echo "unix://$short/d.sock"
}

# As systemd does after a kill -9 of dockerd (KillMode=process): the processes in containers and their shims are alive.
revive() {
	[ -e "$dir/short" ] || die "'$dir' was not made by docker_engine.sh; nothing done"
	lock
	read_short
	[ -z "$(daemon_pid)" ] || die "dockerd is alive"
	rm -f "$dir/pid" "$short/d.sock"
	# containerd dies with its dockerd; as a zombie it would be believed to be alive.
	pid=$(cat "$short/x/containerd/containerd.pid" 2>/dev/null || :)
	[ -n "$(words_of "${pid:-none}")" ] || rm -f "$short/x/containerd/containerd.pid"
	launch "$@"
	await || { tail -n 15 "$dir/log" >&2; die "dockerd did not start; the end of '$dir/log' is above"; }
	echo "unix://$short/d.sock"
}

stop() {
	if [ ! -e "$dir" ]; then
		return 0
	fi
	[ -e "$dir/short" ] || die "'$dir' was not made by docker_engine.sh; nothing done"
	lock
	read_short
	end_daemon
	remove_bridges
	if [ -S /run/containerd/containerd.sock ]; then # of the system, and then dockerd has used it
		timeout 5 ctr namespaces remove "$namespace" "$namespace-plugins" >/dev/null 2>&1 || :
	fi
	rm -rf --one-file-system "$short" "$dir" || die "'$dir' could not be removed; see /proc/mounts"
}

if [ $# -lt 2 ] || [ -z "$2" ]; then
	usage
fi
command=$1
dir=$(realpath -m -- "$2")
shift 2
case $command in
start) start "$@" ;;
revive) revive "$@" ;;
stop) stop ;;
*) usage ;;
esac
