#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line as a newcomer meets it: help, usage, exit statuses, JSON. Needs no Engine and no network.
# usage: tests/integration/cli_test.sh BUILD_DIR; speaks TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$(readlink -f "${1:-build}")/llmdeploy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LLMDEPLOY_ROOT="$dir/none" LLMDEPLOY_RUNTIMES="$PWD/runtimes" DOCKER_HOST="unix://$dir/no.sock"
unset DOCKER_CONTEXT HF_TOKEN
. tests/tap.sh

verdict() { # OK NAME [WHY]
	printf '%s\n' "${3:-}" >"$dir/why"
	check $((1 - $1)) "$2" "$dir/why"
}

# says NAME STATUS TEXT WORD...: the exit status, and a line (of either stream) that is TEXT and nothing else. TEXT "": any.
says() {
	local name=$1 status=$2 text=$3 out got
	shift 3
	out=$(cd "$dir" && timeout 20 "$program" "$@" 2>&1 </dev/null)
	got=$?
	if [ "$got" != "$status" ]; then
		verdict 0 "$name" "exit status $got, not $status: $out"
	elif [ -n "$text" ] && ! grep -qxF -- "$text" <<<"$out"; then
		verdict 0 "$name" "wanted: $text
came: $out"
	else
		verdict 1 "$name"
	fi
}

# Every line of the standard output is one JSON value, the last one satisfies the filter.
json() {
	local name=$1 status=$2 filter=$3 got
	shift 3
	(cd "$dir" && timeout 20 "$program" "$@" >"$dir/out" 2>/dev/null </dev/null)
	got=$?
	if [ "$got" != "$status" ]; then
		verdict 0 "$name" "exit status $got, not $status"
	elif ! while IFS= read -r line; do jq -e . <<<"$line" >/dev/null || exit 1; done <"$dir/out"; then
		verdict 0 "$name" "not a JSON value a line: $(cat "$dir/out")"
	elif ! tail -n 1 "$dir/out" | jq -e "$filter" >/dev/null; then
		verdict 0 "$name" "the last line is not $filter: $(tail -n 1 "$dir/out")"
	else
		verdict 1 "$name"
	fi
}

# --- help and usage ---
says "no command" 2 "usage: llmdeploy COMMAND [OPTION]... [ARGUMENT]..."
says "--help" 0 "usage: llmdeploy COMMAND [OPTION]... [ARGUMENT]..." --help
says "help" 0 "usage: llmdeploy COMMAND [OPTION]... [ARGUMENT]..." help
out=$("$program" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
bad=""
for c in $out; do
	"$program" "$c" --help >"$dir/help" 2>"$dir/help.err" && grep -q "^usage: llmdeploy $c\b" "$dir/help" && [ ! -s "$dir/help.err" ] || bad="$bad $c"
	grep -q "^| .*\`$c\b\|[\`,] *$c\b" README.md || bad="$bad $c(README)"
done
verdict "$([ -z "$bad" ] && [ "$(wc -w <<<"$out")" -ge 17 ] && echo 1 || echo 0)" "every command has its help, and is in README.md" "$bad"
says "help apply" 0 "usage: llmdeploy apply FILE" help apply
says "help of help" 0 "usage: llmdeploy COMMAND [OPTION]... [ARGUMENT]..." help help
says "help of no command" 2 "llmdeploy: no command 'aply', did you mean 'apply'?" help aply
same=1
for c in $out; do
	[ "$("$program" help "$c")" = "$("$program" "$c" --help)" ] || same=0
done
verdict $same "help COMMAND is COMMAND --help, for each command"
wide=$({ "$program" help; for c in $out; do "$program" help "$c"; done; } | grep -v '^usage:' | awk 'length > 80')
verdict "$([ -z "$wide" ] && echo 1 || echo 0)" "no help is wider than 80 columns" "$wide"
for c in list ls ps; do
	says "llmdeploy $c" 2 "llmdeploy: no command '$c', did you mean 'status'?" $c
done
says "llmdeploy deploy" 2 "llmdeploy: no command 'deploy', did you mean 'apply'?" deploy
says "llmdeploy undo" 2 "llmdeploy: no command 'undo', did you mean 'rollback'?" undo
says "two letters are like nothing" 2 "llmdeploy: no command 'xy', see llmdeploy --help" xy
says "unknown command" 2 "llmdeploy: no command 'frobnicate', see llmdeploy --help" frobnicate
says "nearest command" 2 "llmdeploy: no command 'aply', did you mean 'apply'?" aply
says "nearest option" 2 "llmdeploy: version has no option '--jsn', did you mean '--json'?" version --jsn
says "option of another command" 2 "llmdeploy: build has no option '--engine', see llmdeploy build --help" build --engine x f.yaml
says "short option" 2 "llmdeploy: version has no option '-j', see llmdeploy version --help" version -j
says "option without its value" 2 "llmdeploy: '--lock-wait' needs a value: TIME" apply --lock-wait
says "flag with a value" 2 "llmdeploy: '--json' takes no value" version --json=1
says "missing argument" 2 "llmdeploy: apply needs FILE; see llmdeploy apply --help" apply
says "one argument too many" 2 "llmdeploy: version takes no arguments, so 'x' is one argument too many; see llmdeploy version --help" version x
says "recover of nothing" 2 "llmdeploy: recover needs a ROUTE or --all" recover
says "model does what?" 2 "llmdeploy: model needs list, pull FILE, verify [SHA256] or show MODEL, got 'x'" model x
says "model pull what?" 2 "llmdeploy: model needs list, pull FILE, verify [SHA256] or show MODEL, got 'pull'" model pull
says "runtime does what?" 2 "llmdeploy: runtime needs list, show RUNTIME or lock RUNTIME, got 'list x'" runtime list x
says "gateway does what?" 2 "llmdeploy: gateway needs status, reload, upgrade or keys, got 'start'" gateway start
says "gateway keys does what?" 2 \
	"llmdeploy: gateway keys needs list ROUTE, add ROUTE NAME or remove ROUTE NAME; the absolute path of the key file can replace ROUTE" gateway keys add r
says "a time that is none" 2 "llmdeploy: '--lock-wait soon' is not a time, write it like 60s or 5m" recover r --lock-wait soon
says "a number that is none" 2 "llmdeploy: '--tail x' is not a number, nor all" history r --tail x
says "a moment that is none" 2 "llmdeploy: '--since soon' is not a time, write it like 2h, 2026-11-22 or 2026-11-22T17:41:05Z" history r --since soon
version=$(sed -n 's/^#define TOOL_VERSION "\(.*\)"$/\1/p' cmd/version.h)
says "version" 0 "llmdeploy $version" version
says "--version" 0 "llmdeploy $version" --version
json "version --json" 0 ".version == \"$version\"" version --json

# --- without a root, without an Engine ---
for c in "history r" "ask r q" "logs r" "verify" "rollback r" "recover r" "gc" "model list" "model verify" \
	"stop r" "start r" "remove r --yes" "releases r"; do
	# shellcheck disable=SC2086 # words
	says "$c without a root" 2 "llmdeploy: no root at '$dir/none': nothing was deployed there; give --root" $c
done
verdict "$([ ! -e "$dir/none" ] && echo 1 || echo 0)" "none of these made one"
says "a directory that is no root" 2 "" status --root /proc
says "status without a root" 0 "nothing is deployed here yet ($dir/none)" status
says "status without a root says what is next" 0 \
	"next: llmdeploy init writes a first manifest, llmdeploy apply FILE deploys one" status
json "status --json without a root" 0 '. == []' status --json
verdict "$([ ! -e "$dir/none" ] && echo 1 || echo 0)" "status made none"
mkdir "$dir/empty"
says "status of an empty directory" 0 "nothing is deployed here yet ($dir/empty)" status --root "$dir/empty"
says "status of a route without a root" 2 "llmdeploy: no root at '$dir/none': nothing was deployed there; give --root" status r
json "history --json without a root" 2 '.event == "error" and .status == 2 and .code == "usage"' history r --json

# --- init and validate ---
mkdir "$dir/my-app"
(cd "$dir/my-app" && "$program" init >"$dir/out" 2>&1)
verdict "$([ -f "$dir/my-app/my-app.yaml" ] && [ -f "$dir/my-app/my-app.golden.yaml" ] && echo 1 || echo 0)" "init names the files after the directory" "$(cat "$dir/out")"
says "init does not replace" 2 "llmdeploy: 'my-app/my-app.yaml' is there already; --force replaces it" init my-app
says "init --force does" 0 "wrote my-app/my-app.yaml" init my-app --force
says "init makes the directory" 0 "wrote new/one/one.golden.yaml" init new/one
says "what init wrote is valid" 0 "my-app/my-app.yaml is valid" validate my-app/my-app.yaml my-app/my-app.golden.yaml
# README's first manifest, as it is there.
awk '/^## A first manifest/ { on = 1 } on && /^```$/ { exit } on && text; on && /^```yaml/ { text = 1 }' README.md >"$dir/readme.yaml"
cp "$dir/my-app/my-app.golden.yaml" "$dir/assistant.golden.yaml"
says "the first manifest of README.md is valid" 0 "readme.yaml is valid" validate readme.yaml
json "validate --json" 0 '[.[] | .valid] == [true, true]' validate --json my-app/my-app.yaml my-app/my-app.golden.yaml
for f in examples/incident/*.yaml examples/incident/golden/*.yaml; do
	says "$f" 0 "$PWD/$f is valid" validate "$PWD/$f"
done
sed -e 's/^route:/rout:/' -e 's/f16/f17/' "$dir/my-app/my-app.yaml" >"$dir/bad.yaml"
cp "$dir/my-app/my-app.golden.yaml" "$dir/my-app.golden.yaml"
line=$(grep -n '^rout:' "$dir/bad.yaml" | cut -d: -f1)
says "a typo has its place and the nearest key" 3 "bad.yaml:$line:1: unknown key 'rout', did you mean 'route'?" validate bad.yaml
says "all complaints at once" 3 "llmdeploy: 1 of 2 files are not valid" validate bad.yaml my-app.golden.yaml
says "build refuses it likewise" 3 "bad.yaml:$line:1: unknown key 'rout', did you mean 'route'?" build bad.yaml
json "complaints in JSON" 3 '.event == "error" or (.[0].valid == false)' validate --json bad.yaml
says "a missing file is named once" 2 "llmdeploy: warning: cannot open 'nope.yaml': No such file or directory" validate nope.yaml
for c in apply build plan choose "eval --endpoint http://x" "model pull" "apply --dry-run"; do
	# shellcheck disable=SC2086 # words
	says "$c of a missing file" 2 "llmdeploy: cannot open '/nope.yaml': No such file or directory" $c /nope.yaml
done
says "a path through a file" 2 "llmdeploy: cannot open 'bad.yaml/x': Not a directory" apply bad.yaml/x
says "a directory is no manifest" 2 "llmdeploy: 'my-app' is a directory, not a file" apply my-app
says "an archive that is not there" 2 "" apply my-app/my-app.yaml --archive nope.tar
says "-f FILE is FILE" 0 "my-app/my-app.yaml is valid" validate -f my-app/my-app.yaml
says "--file FILE is FILE" 0 "my-app/my-app.yaml is valid" validate --file=my-app/my-app.yaml
says "-f without its value" 2 "llmdeploy: '--file' needs a value: FILE" apply -f
says "a letter that is none" 2 "llmdeploy: apply has no option '-x', see llmdeploy apply --help" apply -x
# reads NAME STATUS TEXT FILE WORD...: as says, with the file as the standard input.
reads() {
	local name=$1 status=$2 text=$3 out got
	out=$(cd "$dir" && timeout 20 "$program" "${@:5}" 2>&1 <"$4")
	got=$?
	verdict "$([ "$got" = "$status" ] && grep -qxF -- "$text" <<<"$out" && echo 1 || echo 0)" "$name" "exit status $got: $out"
}
line=$(grep -n '^rout:' "$dir/bad.yaml" | cut -d: -f1)
reads "validate -" 0 "standard input is valid" my-app.golden.yaml validate -
reads "validate -f -" 3 "standard input:$line:1: unknown key 'rout', did you mean 'route'?" bad.yaml validate -f -
for c in apply build plan; do
	reads "$c -" 3 "standard input:$line:1: unknown key 'rout', did you mean 'route'?" bad.yaml $c -
	reads "$c -f -" 3 "standard input:$line:1: unknown key 'rout', did you mean 'route'?" bad.yaml $c -f -
done
reads "an empty standard input" 2 "llmdeploy: the standard input is empty: a manifest is expected, as in llmdeploy apply - <manifest.yaml" \
	/dev/null apply -

# --- a route that is open to the network, without keys (F22) ---
exposed="is open to the network and gateway.api_keys is not set: everyone who reaches the port can use the model; set gateway.api_keys (docs/gateway.md), or listen on 127.0.0.1"
for at in "0.0.0.0:8080" "[::]:8080" "[0:0:0:0:0:0:0:0]:8080" "[::ffff:0.0.0.0]:8080" "192.0.2.1:8080" "[2001:db8::1]:8080" "llm.example.org:8080" \
	"127.0.0.1:8080" "127.1.2.3:8080" "localhost:8080" "[::1]:8080" "[::ffff:127.0.0.1]:8080"; do
	sed "s/listen: .*}/listen: \"$at\"}/" "$dir/my-app/my-app.yaml" >"$dir/my-app/open.yaml"
	place=$(grep -n 'listen:' "$dir/my-app/open.yaml" | cut -d: -f1):$(grep 'listen:' "$dir/my-app/open.yaml" | awk '{print index($0, "\"")}')
	got=$(cd "$dir" && "$program" validate my-app/open.yaml 2>&1)
	case $at in
	127.* | localhost* | "[::1]"* | "[::ffff:127"*) want="my-app/open.yaml is valid" ;;
	*) want="llmdeploy: warning: my-app/open.yaml:$place: gateway.listen $at $exposed
my-app/open.yaml is valid" ;;
	esac
	verdict "$([ "$got" = "$want" ] && echo 1 || echo 0)" "validate of gateway.listen $at" "$got"
done
sed "s/listen: .*}/listen: \"0.0.0.0:8080\", api_keys: \/etc\/keys}/" "$dir/my-app/my-app.yaml" >"$dir/my-app/open.yaml"
verdict "$([ "$(cd "$dir" && "$program" validate my-app/open.yaml 2>&1)" = "my-app/open.yaml is valid" ] && echo 1 || echo 0)" "with keys it is not"
sed "s/listen: .*}/listen: 0.0.0.0:8080}/" "$dir/my-app/my-app.yaml" >"$dir/my-app/open.yaml"
for c in plan apply build; do
	got=$(cd "$dir" && timeout 20 "$program" $c my-app/open.yaml --root "$dir/exposed" 2>&1 </dev/null | grep -c "gateway.listen 0.0.0.0:8080 $exposed")
	verdict "$([ "$got" = 1 ] && echo 1 || echo 0)" "$c warns of it, once" "$got times"
done
says "a wrong manifest makes no root" 3 "" model pull bad.yaml
verdict "$([ ! -e "$dir/none" ] && echo 1 || echo 0)" "indeed"
printf 'apiVersion: llmdeploy/v1\nkind: GoldenSet\nname: g\ncases: []\n' >"$dir/g.yaml"
says "a golden set without cases" 3 "g.yaml:4:8: golden set 'g' has no cases" validate g.yaml
printf 'apiVersion: llmdeploy/v1\nkind: GoldenSet\nname: g\ncases:\n  - {id: a, question: x, assert: [{regex: "("}]}\n' >"$dir/r.yaml"
says "a regex that does not compile" 3 \
	"llmdeploy: warning: r.yaml: golden set 'g': case 'a': assertion 1: regex: pattern '(': missing closing parenthesis at character 2" validate r.yaml

# --- model show ---
says "a model card by name" 0 "kind          gemma4 model, card Q4_K_M" model show gemma-4-e2b
says "layers of a card" 0 "layers        7 attention (3 keep a cache), 28 window of 512 (12 keep a cache)" model show gemma-4-e2b
json "model show --json" 0 '.architecture == "qwen35moe" and (.layers | length) == 40 and .state_numbers == 548864' model show qwen3.6-35b-a3b --json
says "no such model" 2 "llmdeploy: there is no file, folder or model card 'xyzzy'" model show xyzzy
says "not a model" 3 "llmdeploy: '/etc/passwd' is neither GGUF nor safetensors nor a model card" model show /etc/passwd

# --- schema, runtime ---
for k in manifest golden runtime config model-card lock; do
	verdict "$("$program" schema "$k" | cmp -s - "manifests/$k.schema.json" && echo 1 || echo 0)" "schema $k is manifests/$k.schema.json"
done
says "no such schema" 2 "llmdeploy: no schema 'x': there are manifest, golden, config, runtime, model-card and lock" schema x
says "runtime list" 0 "llama.cpp     1:0.7.0+dfsg-2                      packages  gguf             cpu vulkan cuda" runtime list
json "runtime list --json" 0 'index("llama.cpp") != null and length == 7' runtime list --json
says "runtime show" 0 "runtime        llama.cpp" runtime show llama.cpp
json "runtime show --json" 0 '.kind == "Runtime" and .name == "llama.cpp"' runtime show llama.cpp --json
says "no such runtime" 2 "llmdeploy: there is no runtime 'xyzzy'; there are: llama.cpp, lm-studio, mlx-lm, ollama, sglang, tensorrt-llm, vllm" \
	runtime show xyzzy
says "what nobody verified is said" 0 "               UNVERIFIED image tags of v0.32.0: the registry was not asked" runtime show vllm
says "requirements refuse with a reason" 0 \
	"ollama        refused    no metrics: nothing in it has counters of requests and tokens that Prometheus can read" \
	runtime list --requires openai_api,batching,metrics,gpu_serving
json "requirements in JSON" 0 '[.runtimes[] | select(.survives) | .name] == ["llama.cpp", "sglang", "tensorrt-llm", "vllm"]' \
	runtime list --json --requires openai_api,batching,metrics,gpu_serving
says "a requirement misspelt" 2 "llmdeploy: there is no capability 'metric', did you mean 'metrics'?" runtime list --requires metric
says "a requirement that is none" 2 \
	"llmdeploy: there is no capability 'telepathy'; 'llmdeploy runtime list --capabilities' has them all" runtime list --requires telepathy
says "no requirement" 2 "llmdeploy: '--requires' wants at least one capability, as in openai_api,metrics" runtime list --requires ,
says "what a capability means" 0 "unix_socket          can listen on a Unix socket, so that it needs no network" runtime list --capabilities
says "how an engine would be started" 0 "argv    --gpu-memory-utilization" runtime show vllm --argv
json "the same in JSON" 0 '.before[0] == ["lms", "daemon", "up"] and .argv[0:3] == ["lms", "load", "ROUTE"]' runtime show lm-studio --argv --json
says "a backend that it lacks" 2 "llmdeploy: mlx-lm has no backend 'cuda'" runtime show mlx-lm --argv --backend cuda
# --- host: NVML is a library that is compiled here ---
mkdir "$dir/nv"
cc -shared -fPIC -o "$dir/nv/libnvidia-ml.so.1" tests/fake/nvml/nvml.c
json "host --json" 0 '.cpus >= 1 and .memory_bytes > 0 and (.gpus | type) == "array"' host --json
says "host: bandwidth is not guessed" 0 "bandwidth     not known: llmdeploy host --measure" host
LD_LIBRARY_PATH="$dir/nv" json "host: GPUs by NVML" 0 '[.gpus[] | .told_by == "NVML", .bandwidth_bytes_per_second] ==
	[true, 3352000000000, true, 1008000000000]' host --json
LD_LIBRARY_PATH="$dir/nv" says "host: a GPU in words" 0 \
	"GPU 0         NVIDIA H100 80GB HBM3, 85.5 GB (84.4 GB free), 3.4 TB/s (NVIDIA data sheet H100 SXM: 3.35 TB/s)" host
verdict "$([ ! -e "$dir/none" ] && echo 1 || echo 0)" "host makes no root"
json "host --measure" 0 '.bandwidth_bytes_per_second > 1000000 and (.bandwidth_source | startswith("measured 20"))' \
	host --measure --json --root "$dir/measured"
json "host remembers what was measured" 0 '.bandwidth_bytes_per_second > 1000000' host --json --root "$dir/measured"
echo '{' >"$dir/measured/host.json"
says "host: a damaged measurement" 5 \
	"llmdeploy: 'host.json' in the root cannot be read: 'llmdeploy host --measure' writes it again" host --root "$dir/measured"
sed 's/^  name: .*/  name: vllm/' "$dir/my-app/my-app.yaml" >"$dir/vllm.yaml"
line=$(grep -n '^  name: vllm' "$dir/vllm.yaml" | cut -d: -f1)
for c in build apply; do
	says "$c of an engine that is not run yet" 3 \
		"llmdeploy: vllm.yaml:$line:9: 'vllm' can be planned with llmdeploy plan; this version runs only runtimes that it packages: llama.cpp" \
		$c vllm.yaml
done
verdict "$([ ! -e "$dir/none" ] && echo 1 || echo 0)" "which makes no root"

# --- gateway, without one ---
mkdir "$dir/plain"
echo 'gateway: {mode: none}' >"$dir/plain/config.yaml"
says "keys of a route, without a gateway" 2 "llmdeploy: there is no gateway on this machine: name the file of keys by its path" \
	gateway keys list r --root "$dir/plain"
says "no gateway is a status" 0 "no gateway: gateway.mode is none in $dir/plain/config.yaml" gateway status --root "$dir/plain"
json "no gateway is a status in JSON" 0 '. == {routes: [], mode: "none", running: false, version: "", workers: 0}' gateway status --json --root "$dir/plain"
says "nothing to reload" 0 "there is no gateway to reload" gateway reload --root "$dir/plain"
key=$("$program" gateway keys add "$dir/keys" alice --root "$dir/plain")
verdict "$([[ $key =~ ^sk-[0-9a-f]{48}$ && $(cat "$dir/keys") == "$(printf %s "$key" | sha256sum | cut -d' ' -f1) alice" ]] && echo 1 || echo 0)" \
	"of a key only the digest is kept" "$key $(cat "$dir/keys")"
json "a second key" 0 '.name == "bob" and (.key | test("^sk-"))' gateway keys add "$dir/keys" bob --json --root "$dir/plain"
says "a name that is taken" 2 "llmdeploy: there is a key 'bob' in '$dir/keys' already: remove it first, or use another name" \
	gateway keys add "$dir/keys" bob --root "$dir/plain"
says "a name that is none" 2 "llmdeploy: 'Bob B' cannot be the name of a key: small letters, digits, '.', '_' and '-'" \
	gateway keys add "$dir/keys" "Bob B" --root "$dir/plain"
says "a key is removed" 0 "removed: key 'alice' of '$dir/keys'" gateway keys remove "$dir/keys" alice --root "$dir/plain"
says "and is not there twice" 2 "llmdeploy: there is no key 'alice' in '$dir/keys'" gateway keys remove "$dir/keys" alice --root "$dir/plain"
json "the one that is left" 0 '.keys == ["bob"]' gateway keys list "$dir/keys" --json --root "$dir/plain"

# --- eval ---
says "eval without an endpoint" 2 "llmdeploy: eval wants --endpoint: http://HOST:PORT, with or without /v1, or unix:PATH of a running server" eval my-app.golden.yaml
says "eval of another scheme" 2 "llmdeploy: '--endpoint ftp://x' is neither http://, https:// nor unix:PATH" eval my-app.golden.yaml --endpoint ftp://x
says "eval of a missing file" 2 "llmdeploy: cannot open 'nope.yaml': No such file or directory" eval nope.yaml --endpoint http://x
echo key >"$dir/key"
chmod 644 "$dir/key"
says "a key that others can read" 2 "llmdeploy: 'key' can be read by others: chmod 600 it" eval my-app.golden.yaml --endpoint http://x --api-key-file key
json "nobody answers" 6 '.event == "error" or .gate.passed == false' eval my-app.golden.yaml --json --endpoint "unix:$dir/no.sock"

# --- no Engine; a lock that is none; a file that is no tar ---
says "apply without an Engine" 9 "llmdeploy: no Docker Engine: there is no socket '$dir/no.sock'; start it (systemctl start docker) or set DOCKER_HOST" \
	apply my-app/my-app.yaml --root "$dir/root"
says "an Engine elsewhere" 9 "" gc --root "$dir/root" --engine tcp://192.0.2.1:2375
says "status without an Engine" 0 "nothing is deployed here yet ($dir/root)" status --root "$dir/root"
json "status --json of an empty root" 0 '. == []' status --json --root "$dir/root"
says "model list of an empty root" 0 "no model is in the store of '$dir/root': llmdeploy model pull MANIFEST, or build" model list --root "$dir/root"
says "nothing to verify is not green" 2 "llmdeploy: no model is in the store of '$dir/root': there is nothing to verify" model verify --root "$dir/root"
says "unknown route" 2 "llmdeploy: no route 'nope' under '$dir/root'" history nope --root "$dir/root"
says "a digest that is none" 2 "llmdeploy: 'ABC' is not a SHA-256: 64 lower-case hex digits" model verify ABC --root "$dir/root"
echo '{}' >"$dir/lock.json"
says "a lock that is none" 3 "llmdeploy: lock.json: apiVersion is missing" apply lock.json
printf 'engine: tcp://x\n' >"$dir/root/config.yaml"
says "a config.yaml that is wrong" 3 \
	"llmdeploy: $dir/root/config.yaml:1:9: 'tcp://x' in 'engine' is not unix:///PATH: only an Engine on this machine is used" status --root "$dir/root"

# --- no colour where none is wanted ---
escape=$(printf '\033')
verdict "$("$program" status 2>&1 | grep -q "$escape" && echo 0 || echo 1)" "no escapes in a pipe"
if command -v script >/dev/null; then
	verdict "$(TERM=xterm script -qc "$program history r" /dev/null </dev/null | grep -q "$escape" && echo 1 || echo 0)" "colour on a terminal"
	verdict "$(TERM=xterm NO_COLOR=1 script -qc "$program history r" /dev/null </dev/null | grep -q "$escape" && echo 0 || echo 1)" "none with NO_COLOR"
	verdict "$(TERM=dumb script -qc "$program history r" /dev/null </dev/null | grep -q "$escape" && echo 0 || echo 1)" "none with TERM=dumb"
fi
tap_end
