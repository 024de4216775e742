#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The golden gate as `llmdeploy eval` runs it, against a server that answers what this test says. Needs no Engine.
# usage: tests/integration/eval_test.sh BUILD_DIR; speaks TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$(readlink -f "${1:-build}")/llmdeploy
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
export LLMDEPLOY_ROOT="$dir/none"
. tests/tap.sh

verdict() { # OK NAME [WHY]
	printf '%s\n' "${3:-}" >"$dir/why"
	check $((1 - $1)) "$2" "$dir/why"
}

echo '{}' >"$dir/answers"
python3 tests/integration/answers.py "$dir/answers" "$dir/port" &
server=$!
for _ in $(seq 200); do [ -e "$dir/port" ] || sleep 0.05; done
url=http://127.0.0.1:$(cat "$dir/port")

# set_of ASSERTIONS: a golden set of one case
set_of() {
	cat >"$dir/golden.yaml" <<-YAML
		apiVersion: llmdeploy/v1
		kind: GoldenSet
		name: g
		cases:
		  - id: one
		    question: q
		    max_tokens: 48
		    assert: $1
	YAML
}

# judged NAME ASSERTIONS ANSWER VERDICT [GOT]: the verdict of the case, and what the first failure says came
judged() {
	local status=6 got
	[ "$4" = PASS ] && status=0
	set_of "$2"
	jq -n --argjson a "$3" '{q: $a}' >"$dir/answers"
	timeout 60 "$program" eval "$dir/golden.yaml" --endpoint "$url" --output "$dir/evidence" >"$dir/out" 2>&1
	got="$? $(jq -r '.phases[0].cases[0] | .verdict + " " + (.attempts[0].failures[0].got // "")' "$dir/evidence" 2>/dev/null)"
	verdict "$([ "$got" = "$status $4 ${5:-}" ] && echo 1 || echo 0)" "$1" "wanted: $status $4 ${5:-}
came: $got
$(cat "$dir/out")"
}

# --- where the server is ---
set_of '[{contains: right}]'
echo '{"q": {"content": "right"}}' >"$dir/answers"
for form in "" / /v1 /v1/ /v1// /v1/chat/completions /v1/models; do
	out=$(timeout 60 "$program" eval "$dir/golden.yaml" --endpoint "$url$form" 2>&1)
	verdict "$([ $? = 0 ] && echo 1 || echo 0)" "--endpoint http://HOST$form" "$out"
done

# --- what passes, and what does not ---
judged "JSON" '[{json: true}]' '{"content": "{\"a\":\"x\"}"}' PASS
judged "JSON with a line break in a text" '[{json: true}]' '{"content": "{\"a\":\"x\ny\"}"}' FAIL '{"a":"x y"}'
judged "reasoning is no answer" '[{contains: "14:05"}]' '{"content": "<think>the source says 14:05</think> I cannot say."}' FAIL "I cannot say."
judged "reasoning that does not end" '[{not_contains: D-6}, {contains: "14:05"}]' '{"content": "<think>14:05"}' INVALID \
	"reasoning that does not end, and so no answer: <think>14:05"
judged "a no-break space and a typographic apostrophe" '[{contains: it}, {abstain: forbidden}]' '{"content": "it: I don\u2018t\u00a0know"}' FAIL $'it: I don\xe2\x80\x98t\xc2\xa0know'
judged "a no-break hyphen" '[{contains: was}, {not_contains: D-6}]' '{"content": "it was D\u20116"}' FAIL $'it was D\xe2\x80\x916'
judged "a cut answer" '[{contains: the}]' '{"content": "the first of", "finish_reason": "length"}' INVALID \
	"the answer was cut at max_tokens 48: raise max_tokens of the case"

# --- assertions that decide nothing ---
for pattern in '.+' '\S' '[\s\S]+' '(?i)[a-z]' '^'; do
	set_of "[{regex: '$pattern'}]"
	out=$(timeout 60 "$program" validate "$dir/golden.yaml" 2>&1)
	got=$?
	verdict "$([ $got != 0 ] && [[ $out == *"'$pattern' matches every answer: it decides nothing"* ]] && echo 1 || echo 0)" "the pattern $pattern is refused" "$out"
done

# --- Ctrl-C while a question is asked ---
set_of '[{contains: right}]'
echo '{"q": {"content": "right", "seconds": 30}}' >"$dir/answers"
(trap - INT && exec "$program" eval "$dir/golden.yaml" --endpoint "$url") >"$dir/out" 2>&1 &
asker=$!
sleep 1
kill -INT "$asker"
wait "$asker"
got=$?
verdict "$([ $got = 130 ] && ! grep -q FAIL "$dir/out" && echo 1 || echo 0)" "Ctrl-C fails nothing" "exit status $got: $(cat "$dir/out")"
tap_end
