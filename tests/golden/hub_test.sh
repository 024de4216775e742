#!/bin/bash
# llmdeploy init --model and pin-model against a hub (tests/fake/hub.py, from its documented API) and against local files. TAP.
#
#     tests/golden/hub_test.sh build
set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "${1:-build}" && pwd) || exit 1
work=$(mktemp -d /tmp/hub.XXXXXX) || exit 1
program=$build/llmdeploy
new=1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f
old=0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e
unset HF_TOKEN http_proxy https_proxy all_proxy
export LLMDEPLOY_ROOT=$work/root
number=0
failed=0
server=

finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT

verdict() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		sed 's/^/# /' "$work/out" "$work/err" | tail -n 30
		failed=1
	fi
}

# run STATUS ARGUMENT...: what it said is in out and err.
run() {
	want=$1
	shift
	"$program" "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ "$got" = "$want" ] || { echo "exit status $got, not $want" >>"$work/err"; return 1; }
}
says() { grep -qF -- "$1" "$work/out" "$work/err" || { echo "nothing says: $1" >>"$work/err"; return 1; }; }
holds() { grep -qF -- "$2" "$1" || { echo "$1 has no line: $2" >>"$work/err"; cat "$1" >>"$work/err"; return 1; }; }
alive() { [ ! -e "$work/hub/died" ] || { cat "$work/hub/died" >>"$work/err"; return 1; }; }

mkdir -p "$work/hub"
python3 tests/fake/hub.py "$work/hub" &
server=$!
for _ in $(seq 100); do
	[ -e "$work/hub/port" ] && break
	sleep 0.1
done
HF_ENDPOINT=http://127.0.0.1:$(cat "$work/hub/port") || exit 1
export HF_ENDPOINT
cd "$work" || exit 1

# ---- init: what is there, what fits, what is written ----

run 0 init app --model hf://acme/tiny-GGUF && says "hf://acme/tiny-GGUF at main is commit $new, license mit" &&
	says "tiny.Q4_K_M.gguf" && says "6e0251279525  fits: taken" && says "projector" && says "importance matrix" &&
	says "tiny.F32-00001-of-00002.gguf (2 of 2 parts)" && says "in parts: merge them (llama-gguf-split --merge) and name the file" &&
	says "and 2 other files" && says "next: your questions in app/app.golden.yaml; then llmdeploy choose app/app.yaml" && alive
verdict $? "a repository is listed with sizes, digests and what fits"
run 0 validate app/app.yaml app/app.golden.yaml && [ "$(grep -c 'sha256: [0-9a-f]\{64\}$' app/app.yaml)" = 4 ] &&
	[ "$(grep -c "source: \"\?hf://acme/tiny-GGUF@$new/" app/app.yaml)" = 4 ] && holds app/app.yaml "- name: q4_k_m" && holds app/app.yaml "- name: q8_0" &&
	holds app/app.yaml "source: \"hf://acme/tiny-GGUF@$new/sub dir/tiny Q6_K.gguf\""
verdict $? "the manifest validates, and has commit, digests and the sensible quantizations"
run 0 plan app/app.yaml --json && [ "$(jq -s 'last | .candidates.list | map(.name)' out | jq -c .)" = '["q4_k_m","q5_k_m","q6_k","q8_0"]' ] && alive
verdict $? "it can be planned with"
! grep -v -- ' -$' hub/asked | grep -q . && ! grep -q "Q2_K\|Q4_0\|mmproj\|F32" hub/asked
verdict $? "without HF_TOKEN none is sent, and the header of nothing but the candidates is read"

for f in app/app.yaml app/app.golden.yaml; do
	mv "$f" kept
	cp "$([ "$f" = app/app.yaml ] && echo app/app.golden.yaml || echo app/app.yaml)" before
	: >hub/asked
	run 2 init app --model hf://acme/tiny-GGUF && says "is there already; --force replaces it" && [ ! -e "$f" ] && [ ! -s hub/asked ]
	verdict $? "nothing is asked or written where $([ "$f" = app/app.yaml ] && echo the golden set || echo the manifest) is there already"
	mv kept "$f"
done
run 0 init app --model hf://acme/one --force && holds app/app.yaml "source: hf://acme/one@$new/model.gguf" && ! grep -q candidates: app/app.yaml && run 0 validate app/app.yaml
verdict $? "--force replaces them; one model is the model"
run 0 init rev --model hf://acme/tiny-GGUF@v1 && holds rev/rev.yaml "@$old/tiny.Q4_K_M.gguf" && run 0 validate rev/rev.yaml
verdict $? "a revision that is named becomes its commit"
run 0 init named --model hf://acme/tiny-GGUF/tiny.Q2_K.gguf && holds named/named.yaml "@$new/tiny.Q2_K.gguf" && run 0 validate named/named.yaml
verdict $? "a file that is named is the model"
run 0 init many --model hf://acme/many && says "and 2500 other files" && holds many/many.yaml "@$new/z.Q4_K_M.gguf" && [ "$(grep -c cursor= hub/asked)" = 2 ] && alive
verdict $? "a long list comes in pages, all from the endpoint"
run 0 init renamed --model hf://acme/old-name && holds renamed/renamed.yaml "hf://acme/tiny-GGUF@$new/" && alive
verdict $? "a repository that was renamed is written by its name of today"
run 0 init limited --model hf://acme/limited && alive
verdict $? "a short rate limit is waited for"
run 0 init liar --model hf://acme/liar && says "no model: adapter" && says "an HTML page ('Oops')" && holds liar/liar.yaml "@$new/tiny.Q8_0.gguf" && run 0 validate liar/liar.yaml
verdict $? "a header decides what a file is, not its name"
run 0 init half --model hf://acme/half-huge && says "does not fit" && holds half/half.yaml "@$new/tiny.Q4_K_M.gguf" && ! grep -q huge.Q8_0 half/half.yaml
verdict $? "what does not fit is no candidate where something fits"
run 0 init huge --model hf://acme/huge && says "warning: none of them fits on this machine: llmdeploy plan huge/huge.yaml says what would" && run 0 validate huge/huge.yaml && run 4 plan huge/huge.yaml
verdict $? "where nothing fits the manifest is for another machine, and that is said"
HF_TOKEN=hf_good run 0 init gated --model hf://acme/gated && grep -q "Bearer hf_good" hub/asked && ! grep -rq hf_good gated out err && alive
verdict $? "a gated repository with a token, which goes to the hub alone"
run 0 init json --model hf://acme/tiny-GGUF --json && tail -n 1 out | jq -e --arg c "$new" '.result // . | .commit == $c and .repository == "acme/tiny-GGUF" and
	(.files | length) == 12 and ([.files[] | select(.candidate) | .candidate] == ["q4_k_m", "q5_k_m", "q6_k", "q8_0"]) and
	([.files[] | select(.candidate)] | all(.sha256 and .fits and .planned_bytes > .bytes)) and .manifest == "json/json.yaml"' >/dev/null
verdict $? "--json"
mkdir -p root && run 0 host --measure && run 0 init fast --model hf://acme/one && grep -qE 'model.gguf +15.7 kB +[0-9.]+ MB +[0-9.]+ +9fdee52a6751' out && holds fast/fast.yaml "tokens/s here"
verdict $? "with the memory's bandwidth measured, how fast it could be"

# ---- init: what cannot be ----

# refused STATUS MODEL MESSAGE [VARIABLE=VALUE]
refused() {
	(
		[ -z "${4:-}" ] || export "${4?}"
		run "$1" init "no" --model "$2"
	) && says "llmdeploy: $3" && [ ! -e no ] && alive
	verdict $? "refused: $2 ${4:-}"
}
refused 3 hf://acme/tensors "'hf://acme/tensors' has no GGUF file, but safetensors (2 files, 1.0 kB), which mlx-lm, sglang, tensorrt-llm, vllm read; this version runs GGUF with llama.cpp: look for a GGUF conversion of it, or plan with llmdeploy plan"
refused 3 hf://acme/empty "'hf://acme/empty' has no GGUF file: there are 2 other files"
refused 3 hf://acme/nothing "'hf://acme/nothing' has no files"
refused 3 hf://acme/split "'hf://acme/split': in parts, and some are missing"
refused 3 hf://acme/tiny-GGUF/tiny.F32-00002-of-00002.gguf "'hf://acme/tiny-GGUF/tiny.F32-00002-of-00002.gguf': in parts: merge them (llama-gguf-split --merge) and name the file"
refused 3 hf://acme/plain "'hf://acme/plain': not in Git LFS, so that the hub has no SHA-256 of it: download it and name the file"
refused 3 hf://acme/adapter "'hf://acme/adapter': no model: adapter"
refused 9 hf://acme/gated "hf://acme/gated@main: answered 401: the repository is gated: accept its terms on its page, then set HF_TOKEN"
refused 9 hf://acme/gated "hf://acme/gated@main: answered 403: the repository is gated, and the token in HF_TOKEN has no access: ask for it on the repository's page" HF_TOKEN=hf_poor
refused 9 hf://acme/none "hf://acme/none@main: answered 401: there is no such repository, or it is private: then set HF_TOKEN"
refused 9 hf://acme/none "hf://acme/none@main: answered 404: there is no such repository, or the token in HF_TOKEN may not see it" HF_TOKEN=hf_good
refused 9 hf://acme/one "hf://acme/one@main: answered 401: no access with the token in HF_TOKEN; the server says 'Invalid credentials in Authorization header'" HF_TOKEN=hf_invalid
refused 9 hf://acme/tiny-GGUF@v2 "hf://acme/tiny-GGUF@v2: answered 404: there is no such revision in the repository"
refused 9 hf://acme/tiny-GGUF@main/nope.gguf "hf://acme/tiny-GGUF@1f1f1f1f1f1f has no file 'nope.gguf'"
refused 9 hf://acme/stopped "hf://acme/stopped@main: answered 429; the server says 'We had to rate limit your IP': the hub limits requests, come back in 280 s or set HF_TOKEN"
refused 9 hf://acme/portal "hf://acme/portal@main: '$HF_ENDPOINT/api/models/acme/portal/revision/main' does not answer as a hub does (no JSON): check HF_ENDPOINT, and the network's sign-in page"
refused 9 hf://acme/broken "hf://acme/broken@main: the hub's answer is malformed: no commit"
refused 9 hf://acme/down "hf://acme/down@main: answered 503; the server says 'down'"
refused 9 hf://acme/one "hf://acme/one@main: cannot reach '127.0.0.1:1': Connection refused" HF_ENDPOINT=http://127.0.0.1:1
refused 9 hf://acme/one "hf://acme/one@main: HF_ENDPOINT is http://, which is for this host only, take https://" HF_ENDPOINT=http://hub.example
refused 2 hf://acme "'hf://acme' is not of the form hf://ORG/REPO[@REVISION][/FILE]"
refused 2 oci://acme/one "'oci://acme/one': models in OCI registries are not supported yet; name hf://ORG/REPO, a folder or a file"
refused 2 https://acme.example/m.gguf "'https://acme.example/m.gguf' is not a repository of the hub: name hf://ORG/REPO[@REVISION], a folder or a file"
refused 2 nowhere "there is no folder or file 'nowhere'; a repository of the hub is hf://ORG/REPO"

# ---- init offline ----

models=$work/models
python3 - "$models" "$program" <<'END'
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(sys.argv[2]).resolve().parent.parent / "tests/golden"))
import make
folder = pathlib.Path(sys.argv[1])
folder.mkdir()
for name, pairs in (("tiny.Q4_K_M.gguf", {}), ("tiny.Q8_0.gguf", {"general.name": "other"}), ("with blank Q5_K_M.gguf", {"general.name": "third"})):
    (folder / name).write_bytes(make.model(**pairs))
(folder / "adapter.gguf").write_bytes(make.adapter(4))
(folder / "pointer.Q6_K.gguf").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 5\n" % ("0" * 64))
END
: >hub/asked
mkdir -p "$models/deploy"
run 0 init local --model "$models" && says "fits: taken" && run 0 validate local/local.yaml && [ ! -s hub/asked ] &&
	holds local/local.yaml "sha256: $(sha256sum <"$models/tiny.Q4_K_M.gguf" | cut -d' ' -f1)" && holds local/local.yaml "source: file:$models/tiny.Q8_0.gguf" &&
	holds local/local.yaml "source: \"file:$models/with blank Q5_K_M.gguf\"" && run 0 plan local/local.yaml
verdict $? "a folder: digests are computed, nobody is asked"
(cd "$models" && run 0 init . --model tiny.Q4_K_M.gguf) && holds "$models/models.yaml" "  source: tiny.Q4_K_M.gguf" && run 0 validate "$models/models.yaml" && run 0 plan "$models/models.yaml"
verdict $? "a file beside the manifest is named from there"
refused 3 "$models/pointer.Q6_K.gguf" "'$models/pointer.Q6_K.gguf': is a pointer of Git LFS, not the model: run git lfs pull"
refused 3 "$models/adapter.gguf" "'$models/adapter.gguf': no model: adapter"
mkdir "$work/nothing"
refused 3 "$work/nothing" "'$work/nothing' has no files"

alive
verdict $? "the hub was asked nothing that the real one would not understand"
echo "1..$number"
exit $failed
