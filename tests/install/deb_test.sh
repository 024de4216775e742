#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Debian package: built, accepted by lintian, installed in a bare Debian 12 root, used there, and removed.
# usage: tests/install/deb_test.sh BUILD_DIR; speaks TAP. Needs root, and the machine's Debian mirror.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/bare_root.sh
build=$(readlink -f "${1:-build}")
dir=$(mktemp -d)
root=$dir/root
trap 'rm -rf --one-file-system "$dir"' EXIT
. tests/tap.sh

verdict() { # OK NAME [WHY]
	printf '%s\n' "${3:-}" >"$dir/why"
	check $((1 - $1)) "$2" "$dir/why"
}

stop() {
	tap_end
	exit 1
}

# In the root, with /proc, by a user's environment.
inside() {
	unshare --mount --fork sh -euc 'mount -t proc proc "$1/proc"; exec chroot "$@"' sh "$root" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# says NAME STATUS PATTERN COMMAND...: its exit status, and a line of its output that matches.
says() {
	local name=$1 status=$2 pattern=$3 out got
	shift 3
	out=$(inside "$@" 2>&1 </dev/null)
	got=$?
	verdict "$([ "$got" = "$status" ] && grep -qE -- "$pattern" <<<"$out" && echo 1 || echo 0)" "$name" "exit status $got: $out"
}

out=$(packaging/deb.sh "$dir/deb" 2>&1)
verdict "$([ $? = 0 ] && echo 1 || echo 0)" "the package is built, and lintian has no complaint" "$out"
deb=$(ls "$dir"/deb/llmdeploy_*.deb) || stop
out=$(bare_root "$root" ca-certificates --customize-hook="copy-in $deb /root" \
	--customize-hook='chroot "$1" sh -c "apt-get install -y -qq --no-install-recommends /root/*.deb"' 2>&1)
verdict "$([ -x "$root/usr/bin/llmdeploy" ] && echo 1 || echo 0)" "it is installed in a bare root" "$out"
[ -x "$root/usr/bin/llmdeploy" ] || stop

says "version" 0 "^$("$build/llmdeploy" version)\$" llmdeploy version
says "init" 0 '^wrote /root/assistant/assistant.yaml$' llmdeploy init /root/assistant
says "validate" 0 '^/root/assistant/assistant.yaml is valid$' llmdeploy validate /root/assistant/assistant.yaml
cat >"$root/root/card.yaml" <<'EOF'
apiVersion: llmdeploy/v1
route: assistant
version: r1
model: {card: gemma-4-e2b}
runtime: {backend: cpu}
resources: {device: {memory: 24GB, bandwidth: 400GB/s}}
eval: {skip: "a plan alone"}
EOF
says "plan" 0 '^admission +fits: ' llmdeploy plan /root/card.yaml
says "a plan that does not fit" 4 '^admission +refused: needs ' sh -c "sed 's/24GB/1GB/' /root/card.yaml >/root/small.yaml; llmdeploy plan /root/small.yaml"
says "the runtimes of the package" 0 '^llama\.cpp' llmdeploy runtime list
files=$(inside dpkg -L llmdeploy)
for each in man/man1/llmdeploy-apply.1.gz man/man5/llmdeploy-manifest.5.gz bash-completion/completions/llmdeploy \
	zsh/vendor-completions/_llmdeploy fish/vendor_completions.d/llmdeploy.fish doc/llmdeploy/copyright; do
	verdict "$(grep -qx "/usr/share/$each" <<<"$files" && echo 1 || echo 0)" "share/$each is in the package" "$files"
done
for each in gateway.service metrics.service metrics.timer recover.service; do
	unit=$root/lib/systemd/system/llmdeploy-$each
	verdict "$([ "$(head -n 1 "$unit")" = "[Unit]" ] && ! grep -q /usr/local/ "$unit" && echo 1 || echo 0)" "the unit llmdeploy-$each, for the program in /usr/bin" \
		"$(cat "$unit" 2>&1)"
done
enabled=$(inside find /etc/systemd/system -name 'llmdeploy*' -printf '%f ')
verdict "$([ "$enabled" = "llmdeploy-recover.service llmdeploy-recover.service " ] && echo 1 || echo 0)" \
	"recovery alone is enabled, after a boot and with Docker" "$enabled"
verdict "$([ ! -e "$root/usr/share/llmdeploy/installed" ] && echo 1 || echo 0)" "the list of make install is not in the package"
before=$(inside apt-get purge -y -qq llmdeploy 2>&1)
left=$(inside find / -xdev -name '*llmdeploy*' -not -path '/proc/*' -not -path '/root/*' -not -path '/var/cache/*' -not -path '/var/log/*')
verdict "$([ -z "$left" ] && echo 1 || echo 0)" "a purge leaves nothing" "$left; $before"
tap_end
