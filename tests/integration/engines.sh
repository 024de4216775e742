#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: engines.sh get KIND            obtains the container engine KIND under build/engines, once
#        engines.sh start KIND DIR      prints the address of a private one, starting it if need be
#        engines.sh stop KIND DIR       ends it and removes DIR
#        engines.sh settings KIND       what docker_engine.sh needs to start KIND, as PATH=... and LLMDEPLOY_DOCKERD_ARGS=... for env
#
# KIND: docker20      the machine's own package
#       docker28      Debian testing's, classic image store; docker28c: with containerd's image store; docker28u: with userns-remap
#       rootless      docker28 without root, as uid 54321; programs that use it run by: engines.sh as DIR COMMAND...
#       podman        Debian testing's, in a chroot
#
# Packages come from where the machine's own apt gets its packages, with the suite exchanged: the mirror is in no file of the repository.
# What cannot be had is a failure. Everything is unpacked beside the tests; nothing is installed. Needs root.
set -eu
here=$(dirname "$(realpath "$0")")
top=$(realpath "$here/../..")
store=$top/build/engines
uid=54321
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

die() {
	echo "engines.sh: $*" >&2
	exit 1
}

# ---- packages ----

# The archive that the machine's apt has its own release from.
mirror() {
	local found codename
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	found=$(apt-get update --print-uris 2>/dev/null | sed -n "s|^'\(.*\)/dists/$codename/InRelease'.*|\1|p" | head -n 1)
	[ -n "$found" ] || die "the machine's apt has no source for $codename"
	echo "$found"
}

# apt with a state of its own in $store/apt: nothing of the machine's changes.
private_apt() {
	local a=$store/apt from codename
	from=$(mirror)
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	mkdir -p "$a/state/lists/partial" "$a/cache/archives/partial"
	for suite in testing "$codename"; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $suite main"
	done >"$a/sources.list"
	cat >"$a/apt.conf" <<END
Dir::Etc::SourceList "$a/sources.list";
Dir::Etc::SourceParts "-";
Dir::State "$a/state";
Dir::State::status "/dev/null";
Dir::Cache "$a/cache";
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
END
	export APT_CONFIG=$a/apt.conf
	[ -e "$a/updated" ] || apt-get update -qq >"$a/log" 2>&1 && : >"$a/updated" || { cat "$a/log" >&2; die "no index of Debian testing could be had"; }
}

# unpack DIR PACKAGE/SUITE...: below DIR, whole or not at all
unpack() {
	local to=$1
	shift
	rm -rf "$to" "$to.part"
	mkdir -p "$to.part/debs"
	private_apt
	(cd "$to.part/debs" && apt-get download -qq "$@" >../log 2>&1) || { cat "$to.part/log" >&2; die "these packages could not be had: $*"; }
	for each in "$to.part"/debs/*.deb; do dpkg-deb -x "$each" "$to.part"; done
	rm -rf "$to.part/debs"
	mv "$to.part" "$to"
}

get_podman() {
	local to=$store/podman
	[ ! -d "$to/usr" ] || return 0
	command -v mmdebstrap >/dev/null || die "no 'mmdebstrap' here; apt-get install -y mmdebstrap"
	private_apt
	grep ' testing ' "$store/apt/sources.list" >"$store/apt/testing.list"
	rm -rf --one-file-system "$to" "$to.part"
	APT_CONFIG='' mmdebstrap --quiet --mode=root --variant=extract --include=podman,crun,netavark,aardvark-dns --aptopt='Acquire::Check-Valid-Until "false"' \
		testing "$to.part" "$store/apt/testing.list" >"$store/podman.log" 2>&1 || { tail -n 20 "$store/podman.log" >&2; die "no root with Podman could be made"; }
	for each in bin sbin lib lib64; do
		[ -e "$to.part/$each" ] || ln -s "usr/$each" "$to.part/$each"
	done
	mkdir -p "$to.part"/{proc,sys,dev,run,tmp,var/tmp,etc/containers,var/lib/containers}
	mv "$to.part" "$to"
}

get() {
	mkdir -p "$store"
	exec 8>"$store/lock"
	flock -w 600 8 || die "'$store' is locked by another engines.sh"
	case $1 in
	docker20) command -v dockerd >/dev/null || die "no 'dockerd' here; apt-get install -y docker.io" ;;
	docker28 | docker28c | docker28u) [ -d "$store/docker28/usr" ] || unpack "$store/docker28" docker.io/testing containerd/testing ;;
	rootless)
		[ -d "$store/docker28/usr" ] || unpack "$store/docker28" docker.io/testing containerd/testing
		[ -d "$store/rootless/usr" ] || { codename=$(. /etc/os-release && echo "$VERSION_CODENAME") && unpack "$store/rootless" \
			"uidmap/$codename" "libsubid4/$codename" "slirp4netns/$codename" "libslirp0/$codename" "rootlesskit/$codename"; }
		;;
	podman) get_podman ;;
	*) die "no kind '$1'" ;;
	esac
	exec 8>&-
}

# ---- Docker ----

settings() {
	case $1 in
	docker20) echo "LLMDEPLOY_DOCKERD_ARGS=" ;;
	docker28*)
		echo "PATH=$store/docker28/usr/sbin:$store/docker28/usr/bin:$PATH"
		case $1 in
		docker28) echo "LLMDEPLOY_DOCKERD_ARGS=" ;;
		docker28c) echo "LLMDEPLOY_DOCKERD_ARGS=--feature containerd-snapshotter=true --storage-driver overlayfs" ;;
		docker28u) echo "LLMDEPLOY_DOCKERD_ARGS=--userns-remap=llmdeploy" ;;
		esac
		;;
	*) die "'$1' is not started by docker_engine.sh" ;;
	esac
}

with_settings() { # KIND COMMAND...
	local kind=$1 words
	shift
	mapfile -t words < <(settings "$kind")
	if [ "$kind" = docker28u ]; then
		users "$dir.etc"
		set -- unshare --mount --propagation private sh -euc "$(bind_users "$dir.etc"); exec \"\$@\"" sh "$@"
	fi
	env "${words[@]}" "$@"
}

# A user of our own, in files that are bound over the machine's in a mount namespace.
users() { # DIR
	mkdir -p "$1"
	{ cat /etc/passwd; echo "llmdeploy:x:$uid:$uid::$1:/bin/sh"; } >"$1/passwd"
	{ cat /etc/group; echo "llmdeploy:x:$uid:"; } >"$1/group"
	echo "llmdeploy:600000:65536" >"$1/subuid"
	cp "$1/subuid" "$1/subgid"
	# What is bound on a file that is not there needs one.
	[ -e /etc/subuid ] || : >/etc/subuid
	[ -e /etc/subgid ] || : >/etc/subgid
}
bind_users() { echo "for f in passwd group subuid subgid; do mount --bind '$1/'\$f /etc/\$f; done"; }

# ---- a mount namespace of their own for the two others: a process that holds it, and its id in DIR/holder ----

is_held() { [ -e "$dir/holder" ] && [ "$(tr '\0' ' ' <"/proc/$(cat "$dir/holder")/cmdline" 2>/dev/null)" = "sleep infinity " ]; }
inside() { nsenter --target "$(cat "$dir/holder")" --mount -- "$@"; }
hold() { # SCRIPT: run by a shell in a new mount namespace, before it is held
	unshare --mount --propagation private setsid sh -euc "$1; echo \$\$ >'$dir/holder'; exec sleep infinity" </dev/null >"$dir/log" 2>&1 8>&- 9>&- &
	for _ in $(seq 100); do
		! is_held || return 0
		sleep 0.1
	done
	cat "$dir/log" >&2
	die "no mount namespace"
}

await() { # PROCESS: until the socket answers, for at most a minute
	for _ in $(seq 600); do
		! curl -sf --max-time 2 --unix-socket "$short/d.sock" http://engine/_ping >/dev/null || return 0
		kill -0 "$1" 2>/dev/null || break
		sleep 0.1
	done
	tail -n 20 "$dir/log" >&2
	die "'$kind' did not start; the end of '$dir/log' is above"
}

# Those that live in our mount namespace, and those that name our directory: containers, their monitors, the daemons.
ours() {
	local ns
	ns=$(readlink "/proc/$(cat "$dir/holder")/ns/mnt" 2>/dev/null || :)
	for each in /proc/[0-9]*; do
		pid=${each#/proc/}
		[ "$pid" != $$ ] || continue
		if [ -n "$ns" ] && [ "$(readlink "$each/ns/mnt" 2>/dev/null)" = "$ns" ]; then
			echo "$pid"
		elif tr '\0' '\n' 2>/dev/null <"$each/cmdline" | grep -qE -e "^$short/" || grep -qsE "/llmdeploy-engines/${short##*/}(/|\$)" "$each/cgroup"; then
			echo "$pid"
		fi
	done
}

# ---- rootless ----

as_user() { # COMMAND...: as the user of the rootless Docker, in its mount namespace
	inside setpriv --reuid "$uid" --regid "$uid" --init-groups env HOME="$short/home" USER=llmdeploy XDG_RUNTIME_DIR="$short/run" \
		DOCKER_HOST="unix://$short/d.sock" PATH="$store/docker28/usr/sbin:$store/docker28/usr/bin:$store/rootless/usr/bin:$store/docker28/usr/share/docker.io/contrib:$PATH" \
		LD_LIBRARY_PATH="$(echo "$store"/rootless/usr/lib/*-linux-gnu)" "$@"
}

start_rootless() {
	# All of it in /tmp, the repository too: the user need not be able to enter the folders above it.
	mkdir -p "$short/home" "$short/run" "$short/data" "$short/build" "$short/repo"
	printf '[safe]\n\tdirectory = %s\n' "$short/repo" "*" >"$short/home/.gitconfig"
	chown "$uid:$uid" "$short" "$short/home" "$short/run" "$short/data" "$short/build"
	chmod 755 "$short"
	chmod 700 "$short/run"
	users "$dir/etc"
	hold "$(bind_users "$dir/etc")
		mount --bind '$top' '$short/repo'
		mknod -m 666 '$dir/tun' c 10 200; mkdir -p /dev/net; [ -e /dev/net/tun ] || : >/dev/net/tun; mount --bind '$dir/tun' /dev/net/tun"
	as_user setsid dockerd-rootless.sh --data-root "$short/data" --exec-root "$short/x" -H "unix://$short/d.sock" --pidfile "$short/run/pid" \
		--iptables=false --ip6tables=false --bridge=none >"$dir/log" 2>&1 </dev/null 8>&- 9>&- &
	await $!
}

# ---- Podman ----

start_podman() {
	local root=$dir/root
	mkdir -p "$root" "$dir/upper" "$dir/work" "$dir/data" "$dir/conf"
	printf '[storage]\ndriver = "overlay"\ngraphroot = "/llmdeploy-data"\nrunroot = "%s/x"\n' "$short" >"$dir/conf/storage.conf"
	printf '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "crun"\n' >"$dir/conf/containers.conf"
	printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' >"$dir/conf/policy.json"
	# The same files as outside under the same names: engines mount models from there.
	hold "mount -t overlay overlay -o 'lowerdir=$store/podman,upperdir=$dir/upper,workdir=$dir/work' '$root'
		mkdir -p '$root/llmdeploy-data' '$root$top' '$root/tmp' '$root/etc/containers'
		mount --bind '$dir/data' '$root/llmdeploy-data'; mount --rbind '$top' '$root$top'; mount --bind /tmp '$root/tmp'
		mount -t proc proc '$root/proc'; mount --rbind /dev '$root/dev'; mount -t tmpfs tmpfs '$root/run'; mount --rbind /sys '$root/sys'
		! mountpoint -q '$root/sys/fs/cgroup/unified' || umount '$root/sys/fs/cgroup/unified'
		for f in storage.conf containers.conf policy.json; do cp '$dir/conf/'\$f '$root/etc/containers/'; done"
	inside env -i PATH="/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root PODMAN_IGNORE_CGROUPSV1_WARNING=1 setsid chroot "$root" \
		podman system service --time=0 "unix://$short/d.sock" >"$dir/log" 2>&1 </dev/null 8>&- 9>&- &
	await $!
}

# ---- start and stop ----

lock() {
	exec 9>"$dir/lock"
	flock -w 120 9 || die "'$dir' is locked by another engines.sh"
}

start() {
	get "$kind"
	case $kind in
	docker*) with_settings "$kind" "$here/docker_engine.sh" start "$dir" && return ;;
	esac
	[ "$(id -u)" = 0 ] || die "run as root"
	mkdir -p "$dir"
	lock
	[ -d "$(cat "$dir/short" 2>/dev/null)" ] || mktemp -d /tmp/llmdeploy-XXXXXX >"$dir/short"
	short=$(cat "$dir/short")
	is_held || "start_$kind"
	echo "unix://$short/d.sock"
}

stop() {
	[ -e "$dir" ] || return 0
	case $kind in
	docker*) "$here/docker_engine.sh" stop "$dir" && rm -rf "$dir.etc" && return ;;
	esac
	[ -e "$dir/short" ] || die "'$dir' was not made by engines.sh; nothing done"
	lock
	short=$(cat "$dir/short")
	for _ in $(seq 50); do
		pids=$(ours)
		[ -n "$pids" ] || break
		kill -KILL $pids 2>/dev/null || :
		sleep 0.1
	done
	[ -z "$pids" ] || die "these processes do not end: $pids"
	rm -rf --one-file-system "$short" "$dir" || die "'$dir' could not be removed; see /proc/mounts"
}

usage() {
	sed -n '/^# usage: /,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

[ $# -ge 2 ] || usage
command=$1
kind=$2
case $command in
get) get "$kind" ;;
settings) get "$kind" && settings "$kind" ;;
start | stop)
	[ $# -ge 3 ] || usage
	dir=$(realpath -m -- "$3")
	"$command"
	;;
as)
	dir=$(realpath -m -- "$2")
	short=$(cat "$dir/short")
	shift 2
	as_user "$@"
	;;
*) usage ;;
esac
