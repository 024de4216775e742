#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: prometheus_test.sh [BUILD_DIR]   a real Prometheus and a real node exporter look at a route under traffic. TAP.
#
# The alert rules are tested by promtool, without anything that runs. Then a release of the real runtime serves behind the gateway, `status
# --prometheus` writes for the exporter's textfile collector, Prometheus scrapes both, and every query of the dashboard and every expression of
# the alerts is asked of it. Both programs are Debian's, unpacked beside the tests and not installed: an installed one would run as a service.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
build=$(realpath "${1:-build}")
program=$build/llmdeploy
state=$build/tests/prometheus
tools=build/prometheus/usr/bin
route=watched
here=$(pwd)/examples/incident
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=${LLMDEPLOY_PRIVATE_ENGINE:-1}
. tests/tap.sh
tap_shown="$state/out"
pids=

finish() {
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill $pids 2>/dev/null
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
}
fetch_tools() {
	[ ! -x $tools/prometheus ] || return 0
	mkdir -p build/prometheus
	for again in 1 2; do
		(cd build/prometheus && apt-get download -qq prometheus prometheus-node-exporter >fetch.log 2>&1) && break
		[ $again = 1 ] && apt-get update -qq
	done
	for each in build/prometheus/*.deb; do dpkg -x "$each" build/prometheus || return 1; done
	[ -x $tools/prometheus ]
}
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# How many series a query has now.
series() {
	curl -sS --noproxy '*' --max-time 10 --data-urlencode "query=$1" "http://127.0.0.1:$prometheus/api/v1/query" >"$state/out" &&
		jq -e 'if .status == "success" then .data.result | length else error(.error) end' "$state/out"
}
# Within a minute: scrapes come every second, and a rate needs two.
has_series() {
	for _ in $(seq 60); do
		[ "$(series "$1" 2>/dev/null || echo 0)" = 0 ] || return 0
		sleep 1
	done
	return 1
}

mkdir -p "$state"
trap finish EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$state/root" "$state/data" "$state/textfile"
mkdir -p "$state/root" "$state/textfile"
fetch_tools || { echo "Bail out! Prometheus could not be fetched: see build/prometheus/fetch.log"; exit 1; }

$tools/promtool check rules templates/prometheus/alerts.yaml >"$state/out" 2>&1
check $? "the alert rules are valid"
$tools/promtool test rules tests/integration/alerts_test.yaml >"$state/out" 2>&1
check $? "each alert fires for what it is for, and not for what is beside it"
[ "$(grep -c 'alert:' templates/prometheus/alerts.yaml)" = "$(grep -o 'alertname: *[A-Za-z0-9]*' tests/integration/alerts_test.yaml | sort -u | wc -l)" ]
check $? "every alert has a test"

engine_ready "$state/engine" || exit 1
runtimes_ready "$program" examples/incident/incident-r16.yaml "$LLMDEPLOY_ROOT" "$(dirname "$state")/runtimes" || exit 1
gateway_ready "$program" "$LLMDEPLOY_ROOT" "$(dirname "$state")/runtimes" >"$state/out" 2>&1 || { cat "$state/out"; exit 1; }
gateway=$(port) metrics=$(port) prometheus=$(port) exporter=$(port)
awk '/- id: / && seen++ { exit } { print }' "$here/golden/incident-r16.yaml" >"$state/golden.yaml"
sed -e "s/^route: .*/route: $route/" -e "s|golden/incident-r16.yaml|$state/golden.yaml|" -e "s|adapters/|$here/adapters/|" \
	-e "s|file:../../build|file:$(pwd)/build|" examples/incident/incident-r16.yaml >"$state/r16.yaml"
echo "gateway: {listen: 127.0.0.1:$gateway, metrics: 127.0.0.1:$metrics}" >>"$state/r16.yaml"
timeout 300 "$program" apply "$state/r16.yaml" >"$state/out" 2>&1
check $? "a release serves behind the gateway"

"$build/tests/load/load" --url "http://127.0.0.1:$gateway/v1/chat/completions" --model $route --clients 2 --streams 1 --tokens 4 \
	--pause 300 --seconds 300 >"$state/load.json" 2>&1 &
pids="$pids $!"
"$program" status --prometheus --output "$state/textfile/llmdeploy.prom" >"$state/out" 2>&1 && [ ! -s "$state/out" ]
check $? "status --prometheus --output writes a file, and says nothing"
$tools/promtool check metrics <"$state/textfile/llmdeploy.prom" >"$state/out" 2>&1
check $? "promtool has nothing to say against it"
"$program" status --prometheus 2>/dev/null | grep -q "^llmdeploy_route_serving{route=\"$route\"} 1\$"
check $? "without --output it prints the same on standard output"

cat >"$state/prometheus.yml" <<END
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$(pwd)/templates/prometheus/alerts.yaml]
scrape_configs:
  - {job_name: llmdeploy-gateway, static_configs: [{targets: ["127.0.0.1:$metrics"]}]}
  - {job_name: llmdeploy-haproxy, metrics_path: /metrics/haproxy, static_configs: [{targets: ["127.0.0.1:$metrics"]}]}
  - {job_name: node, static_configs: [{targets: ["127.0.0.1:$exporter"]}]}
END
$tools/prometheus-node-exporter --web.listen-address="127.0.0.1:$exporter" --collector.disable-defaults --collector.textfile \
	--collector.textfile.directory="$state/textfile" >"$state/exporter.log" 2>&1 &
pids="$pids $!"
$tools/prometheus --config.file="$state/prometheus.yml" --storage.tsdb.path="$state/data" --web.listen-address="127.0.0.1:$prometheus" \
	--log.level=warn >"$state/prometheus.log" 2>&1 &
pids="$pids $!"

has_series 'count(up == 1) == 3'
check $? "Prometheus scrapes the gateway, HAProxy's own exporter and the node exporter"
while read -r query; do
	has_series "${query//\$route/.*}"
	check $? "dashboard: $query"
done < <(jq -r '.panels[].targets[].expr' templates/grafana/llmdeploy.json)
[ "$(jq '[.panels[].targets[].expr] | length' templates/grafana/llmdeploy.json)" -ge 15 ]
check $? "the dashboard has its queries"
[ "$(series 'count(llmdeploy_active_release_info{route="watched",release="incident-q4-r16"} == 1)')" = 1 ]
check $? "the active release has its name"
[ "$(series 'llmdeploy_gate_passed{release="incident-q4-r16"} == 1')" = 1 ] && [ "$(series 'llmdeploy_gate_cases{verdict="pass"} == 1')" = 1 ]
check $? "its last gate passed, with one case"
[ "$(series 'llmdeploy_memory_measured_bytes > 50e6 and llmdeploy_memory_planned_bytes > 100e6')" = 1 ]
check $? "memory is measured and planned"
[ "$(series 'ALERTS{alertname=~"LLMDeploy(RouteDown|GatewayDown|StatusStale|ErrorRate|GateNotPassed)"}')" = 0 ]
check $? "no alert about a healthy route"
tap_end
