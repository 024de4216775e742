# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests that need a fresh Debian 12 root. No command line of its own.

# bare_root DIR PACKAGE,PACKAGE [OPTION...]: makes DIR with mmdebstrap, of Debian's required packages and these. What this machine says of
# apt (sources, proxies, certificates) holds inside, too. The options are mmdebstrap's. Needs root.
bare_root() {
	local root=$1 include=$2 sources=() each
	shift 2
	for each in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
		if [ -s "$each" ]; then sources+=("$each"); fi
	done
	apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|Check-Valid-Until)' >"$root.conf" || :
	mmdebstrap --quiet --variant=minbase --include="$include" --aptopt="$root.conf" "$@" bookworm "$root" "${sources[@]}" || return 1
	cp "$root.conf" "$root/etc/apt/apt.conf.d/99machine"
	rm -f "$root.conf"
	# Certificates that this machine trusts beyond Debian's, where its downloads come through a proxy of its own.
	mkdir -p "$root/etc/ssl/certs"
	cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
}
