#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# llmdeploy init --model and pin-model against a hub (tests/fake/hub.py, from its documented API) and against local files. TAP.
#
#     tests/golden/hub_test.sh build
set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "${1:-build}" && pwd) || exit 1
work=$(mktemp -d /tmp/hub.XXXXXX) || exit 1
program=$build/llmdeploy
golden=$(pwd)/tests/golden
new=1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f
old=0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e
unset HF_TOKEN http_proxy https_proxy all_proxy
export LLMDEPLOY_ROOT=$work/root
. tests/tap.sh
tap_shown="$work/out $work/err"
server=

finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT

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
	says "and 2 other files" && says "tokens/s: the most that the memory's bandwidth allows for one sequence: " && says "/s, from a short measurement" &&
	grep -qE 'tiny.Q8_0.gguf +17.5 kB +[0-9.]+ MB +[0-9.]+ +1c048bb5d79b  fits: taken' out && [ ! -e root ] && says "next: write your questions into app/app.golden.yaml, then run llmdeploy choose app/app.yaml" && alive
check $? "a repository is listed with sizes, digests and what fits"
run 0 validate app/app.yaml app/app.golden.yaml && [ "$(grep -c 'sha256: [0-9a-f]\{64\}$' app/app.yaml)" = 4 ] &&
	[ "$(grep -c "source: \"\?hf://acme/tiny-GGUF@$new/" app/app.yaml)" = 4 ] && holds app/app.yaml "- name: q4_k_m" && holds app/app.yaml "- name: q8_0" &&
	holds app/app.yaml "source: \"hf://acme/tiny-GGUF@$new/sub dir/tiny Q6_K.gguf\""
check $? "the manifest validates, and has commit, digests and the sensible quantizations"
run 0 plan app/app.yaml --json && [ "$(jq -s 'last | .candidates.list | map(.name)' out | jq -c .)" = '["q4_k_m","q5_k_m","q6_k","q8_0"]' ] && alive
check $? "it can be planned with"
! grep -v -- ' -$' hub/asked | grep -q . && ! grep -q "Q2_K\|Q4_0\|mmproj\|F32" hub/asked
check $? "without HF_TOKEN none is sent, and the header of nothing but the candidates is read"

for f in app/app.yaml app/app.golden.yaml; do
	mv "$f" kept
	cp "$([ "$f" = app/app.yaml ] && echo app/app.golden.yaml || echo app/app.yaml)" before
	: >hub/asked
	run 2 init app --model hf://acme/tiny-GGUF && says "is there already; --force replaces it" && [ ! -e "$f" ] && [ ! -s hub/asked ]
	check $? "nothing is asked or written where $([ "$f" = app/app.yaml ] && echo the golden set || echo the manifest) is there already"
	mv kept "$f"
done
run 0 init app --model hf://acme/one --force && holds app/app.yaml "source: hf://acme/one@$new/model.gguf" && ! grep -q candidates: app/app.yaml && run 0 validate app/app.yaml
check $? "--force replaces them; one model is the model"
run 0 init rev --model hf://acme/tiny-GGUF@v1 && holds rev/rev.yaml "@$old/tiny.Q4_K_M.gguf" && run 0 validate rev/rev.yaml
check $? "a revision that is named becomes its commit"
run 0 init named --model hf://acme/tiny-GGUF/tiny.Q2_K.gguf && holds named/named.yaml "@$new/tiny.Q2_K.gguf" && run 0 validate named/named.yaml
check $? "a file that is named is the model"
run 0 init many --model hf://acme/many && says "and 2500 other files" && holds many/many.yaml "@$new/z.Q4_K_M.gguf" && [ "$(grep -c cursor= hub/asked)" = 2 ] && alive
check $? "a long list comes in pages, all from the endpoint"
run 0 init renamed --model hf://acme/old-name && holds renamed/renamed.yaml "hf://acme/tiny-GGUF@$new/" && alive
check $? "a repository that was renamed is written by its name of today"
run 0 init limited --model hf://acme/limited && alive
check $? "a short rate limit is waited for"
run 0 init liar --model hf://acme/liar && says "no model: adapter" && says "an HTML page ('Oops')" && holds liar/liar.yaml "@$new/tiny.Q8_0.gguf" && run 0 validate liar/liar.yaml
check $? "a header decides what a file is, not its name"
run 0 init half --model hf://acme/half-huge && says "does not fit" && holds half/half.yaml "@$new/tiny.Q4_K_M.gguf" && ! grep -q huge.Q8_0 half/half.yaml
check $? "what does not fit is no candidate where something fits"
run 0 init huge --model hf://acme/huge && says "warning: no file fits on this machine: llmdeploy plan huge/huge.yaml shows what would" && run 0 validate huge/huge.yaml && run 4 plan huge/huge.yaml
check $? "where nothing fits the manifest is for another machine, and that is said"
HF_TOKEN=hf_good run 0 init gated --model hf://acme/gated && grep -q "Bearer hf_good" hub/asked && ! grep -rq hf_good gated out err && alive
check $? "a gated repository with a token, which goes to the hub alone"
run 0 init json --model hf://acme/tiny-GGUF --json && tail -n 1 out | jq -e --arg c "$new" '.commit == $c and .repository == "acme/tiny-GGUF" and
	(.files | length) == 12 and ([.files[] | select(.candidate) | .candidate] == ["q4_k_m", "q5_k_m", "q6_k", "q8_0"]) and
	([.files[] | select(.candidate)] | all(.sha256 and .fits and .planned_bytes > .bytes)) and .manifest == "json/json.yaml"' >/dev/null
check $? "--json"
mkdir -p root && run 0 host --measure && run 0 init fast --model hf://acme/one && grep -qE 'model.gguf +15.7 kB +[0-9.]+ MB +[0-9.]+ +9fdee52a6751' out && holds fast/fast.yaml "tokens/s here" && ! says "measured for a moment"
check $? "the bandwidth that host --measure kept is taken"
mkdir -p root/routes/busy/releases
rm root/host.json
run 0 init still --model hf://acme/one && says "known after llmdeploy host --measure"
check $? "a machine with routes is not measured by the way"
rm -r root

# ---- init: what cannot be ----

# refused STATUS MODEL MESSAGE [VARIABLE=VALUE]
refused() {
	(
		[ -z "${4:-}" ] || export "${4?}"
		run "$1" init "no" --model "$2"
	) && says "llmdeploy: $3" && [ ! -e no ] && alive
	check $? "refused: $2 ${4:-}"
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
refused 9 hf://acme/terms "'hf://acme/terms@$new/model.Q4_K_M.gguf': answered 401: the repository is gated: accept its terms on its page, then set HF_TOKEN"
refused 3 hf://acme/tiny-GGUF/README.md "'hf://acme/tiny-GGUF/README.md': not in Git LFS, so that the hub has no SHA-256 of it: download it and name the file"
refused 3 hf://acme/tiny-GGUF/mmproj-tiny-F16.gguf "'hf://acme/tiny-GGUF/mmproj-tiny-F16.gguf': no model: mmproj"
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
refused 9 hf://acme/one "hf://acme/one@main: HF_ENDPOINT is http://, which is for this host only, use https://" HF_ENDPOINT=http://hub.example
refused 2 hf://acme "'hf://acme' is not of the form hf://ORG/REPO[@REVISION][/FILE]"
refused 2 oci://acme/one "'oci://acme/one': models in OCI registries are not supported yet; name hf://ORG/REPO, a folder or a file"
refused 2 https://acme.example/m.gguf "'https://acme.example/m.gguf' is not a repository of the hub: name hf://ORG/REPO[@REVISION], a folder or a file"
refused 2 nowhere "there is no folder or file 'nowhere'; a repository of the hub is hf://ORG/REPO"

"$program" init no --model hf://acme/hang >"$work/out" 2>"$work/err" &
asked=$!
sleep 1
kill -INT $asked
wait $asked
[ $? = 130 ] && [ ! -e no ]
check $? "Ctrl-C ends the waiting, exit 130, and nothing is written"

# ---- init offline ----

models=$work/models
python3 - "$models" "$golden" <<'END'
import pathlib, sys
sys.path.insert(0, sys.argv[2])
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
check $? "a folder: digests are computed, nobody is asked"
(cd "$models" && run 0 init . --model tiny.Q4_K_M.gguf) && holds "$models/models.yaml" "  source: tiny.Q4_K_M.gguf" && run 0 validate "$models/models.yaml" && run 0 plan "$models/models.yaml"
check $? "a file beside the manifest is named from there"
refused 3 "$models/pointer.Q6_K.gguf" "'$models/pointer.Q6_K.gguf': is a pointer of Git LFS, not the model: run git lfs pull"
refused 3 "$models/adapter.gguf" "'$models/adapter.gguf': no model: adapter"
mkdir "$work/nothing"
refused 3 "$work/nothing" "'$work/nothing' has no files; folders in it are not looked into"
cp "$models/tiny.Q4_K_M.gguf" "$models/sha256-of-a-blob"
run 0 init blob --model "$models/sha256-of-a-blob" && holds blob/blob.yaml "source: file:$models/sha256-of-a-blob" && run 0 plan blob/blob.yaml
check $? "a file is known by its first bytes, not by its name"
echo hello >"$models/text"
refused 3 "$models/text" "'$models/text': is neither GGUF nor safetensors nor a model card"

# ---- pin-model ----

q4=6e0251279525e259bc5abaa792eb7e0c11b3e7df75b621790b0930277175bbd5
q8=1c048bb5d79b867592f8e34ed88fe859d58eeb7b124f2080a7454f97e600cc5c
v1=46f720ba147c
tiny=$(sha256sum <"$models/tiny.Q4_K_M.gguf" | cut -d' ' -f1)
lora=$(sha256sum <"$models/adapter.gguf" | cut -d' ' -f1)
mkdir pin
cat >pin/m.yaml <<'END'
# keeps its comments
apiVersion: llmdeploy/v1
route: "pinned"        # and its quotes
version: r1
model:
  candidates:
    - {name: q4, source: 'hf://acme/tiny-GGUF@main/tiny.Q4_K_M.gguf', sha256: 0000000000000000000000000000000000000000000000000000000000000000}
    - name: q8
      source:           # a list
        - file:nowhere.gguf
        - hf://acme/tiny-GGUF/tiny.Q8_0.gguf
    - name: local
      source: ../models/tiny.Q4_K_M.gguf   # beside
      sha256:
    - {name: card, bytes: 4GB}
  adapters:
    - source: ../models/adapter.gguf
eval: {skip: none yet}
END
chmod 640 pin/m.yaml
cp pin/m.yaml before
cat >want.yaml <<END
# keeps its comments
apiVersion: llmdeploy/v1
route: "pinned"        # and its quotes
version: r1
model:
  candidates:
    - {name: q4, source: 'hf://acme/tiny-GGUF@$new/tiny.Q4_K_M.gguf', sha256: $q4}
    - name: q8
      sha256: $q8
      source:           # a list
        - file:nowhere.gguf
        - hf://acme/tiny-GGUF@$new/tiny.Q8_0.gguf
    - name: local
      source: ../models/tiny.Q4_K_M.gguf   # beside
      sha256: $tiny
    - {name: card, bytes: 4GB}
  adapters:
    - source: ../models/adapter.gguf
      sha256: $lora
eval: {skip: none yet}
END
ln -s m.yaml pin/link.yaml
: >hub/asked
run 11 pin-model pin/m.yaml --check && says "llmdeploy: 4 of 4 artifacts of 'pin/m.yaml' would change" && cmp -s pin/m.yaml before
check $? "pin-model --check says what would change, exit 11"
run 0 pin-model pin/m.yaml --dry-run && says "4 of 4 artifacts would change; nothing was written" && cmp -s pin/m.yaml before
check $? "pin-model --dry-run writes nothing"
run 0 pin-model pin/link.yaml && cmp -s pin/m.yaml want.yaml && [ -L pin/link.yaml ] && [ "$(stat -c %a pin/m.yaml)" = 640 ] && [ "$(ls pin | wc -l)" = 2 ] &&
	says "model.candidates[0]" && says "11.9 kB, by the hub's list of files at main" &&
	says "    source  hf://acme/tiny-GGUF@main/tiny.Q4_K_M.gguf -> hf://acme/tiny-GGUF@$new/tiny.Q4_K_M.gguf" &&
	says "    sha256  0000000000000000000000000000000000000000000000000000000000000000 -> $q4" && says "    sha256  (none) -> $q8" &&
	says "warning: file:nowhere.gguf: No such file or directory" && says "by the file here" && says "wrote pin/link.yaml; next: llmdeploy validate pin/link.yaml"
check $? "pin-model fills in digests and commits, and leaves every other byte"
diff want.yaml pin/m.yaml
[ "$(grep -c /api/ hub/asked)" = 6 ] && alive
check $? "a repository is asked once a run"
run 0 validate pin/m.yaml && run 0 pin-model pin/m.yaml --check && says "nothing to change: the digests in pin/m.yaml match its sources" && run 0 pin-model pin/m.yaml && cmp -s pin/m.yaml want.yaml
check $? "what is pinned stays as it is"
run 0 pin-model pin/m.yaml --revision v1 || { run 9 pin-model pin/m.yaml --revision v1 && says "hf://acme/tiny-GGUF@0e0e0e0e0e0e has no such file" && cmp -s pin/m.yaml want.yaml; }
check $? "a revision without one of the files changes nothing"
printf 'model: {source: hf://acme/tiny-GGUF@%s/tiny.Q4_K_M.gguf, sha256: %s}\n' "$new" "$q4" >pin/one.yaml
run 0 pin-model pin/one.yaml --revision v1 && says "-> $v1" && holds pin/one.yaml "hf://acme/tiny-GGUF@$old/tiny.Q4_K_M.gguf, sha256: $v1" && run 0 pin-model pin/one.yaml --revision main &&
	holds pin/one.yaml "@$new/tiny.Q4_K_M.gguf, sha256: $q4"
check $? "--revision goes to another one, and back"
run 0 pin-model pin/one.yaml --json && tail -n 1 out | jq -e '.[0] | .artifact == "model" and (.changed | not) and .sources[0].from == "the hub'"'"'s list of files"' >/dev/null
check $? "pin-model --json"
printf 'model: {source: hf://acme/old-name/tiny.Q4_K_M.gguf}\n' >pin/renamed.yaml
run 0 pin-model pin/renamed.yaml && holds pin/renamed.yaml "hf://acme/tiny-GGUF@$new/tiny.Q4_K_M.gguf"
check $? "a repository that was renamed gets its name of today"
printf 'model: {source: hf://acme/terms/model.Q4_K_M.gguf}\n' >pin/terms.yaml
run 0 pin-model pin/terms.yaml && grep -q 'sha256: [0-9a-f]\{64\}' pin/terms.yaml
check $? "the list of a gated repository is open where its files are not"
printf 'model: {source: "file:%s#m/model.gguf"}\n' "$models/a.zip" >pin/zip.yaml
python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "w").write(sys.argv[2], "m/model.gguf")' "$models/a.zip" "$models/tiny.Q4_K_M.gguf"
run 0 pin-model pin/zip.yaml && holds pin/zip.yaml "sha256: $tiny"
check $? "a member of an archive"
printf 'model: {source: %s/acme/tiny-GGUF/resolve/main/tiny.Q4_K_M.gguf}\n' "$HF_ENDPOINT" >pin/url.yaml
run 0 pin-model pin/url.yaml && says "by a download" && holds pin/url.yaml "sha256: $q4" && holds pin/url.yaml "/resolve/main/"
check $? "an address is downloaded for its digest"
printf 'model: {source: [hf://acme/tiny-GGUF/tiny.Q4_K_M.gguf, %s/acme/tiny-GGUF/resolve/main/tiny.Q4_K_M.gguf]}\n' "$HF_ENDPOINT" >pin/both.yaml
run 0 pin-model pin/both.yaml && says "not asked, it would be a download"
check $? "but not where another source has told"
printf 'model: {source: hf://acme/plain/small.gguf}\n' >pin/plain.yaml
run 0 pin-model pin/plain.yaml && says "by a download at main" && grep -q 'sha256: [0-9a-f]\{64\}' pin/plain.yaml && alive
check $? "a file that is not in Git LFS is downloaded, too"

# unpinned STATUS MODEL MESSAGE
unpinned() {
	printf 'model: %s\n' "$2" >pin/bad.yaml
	cp pin/bad.yaml before
	run "$1" pin-model pin/bad.yaml && says "llmdeploy: $3" && cmp -s pin/bad.yaml before && alive
	check $? "not pinned: $2"
}
other=$(sha256sum <"$models/tiny.Q8_0.gguf" | cut -c1-12)
ln -s models m
unpinned 5 "{source: [../m/tiny.Q8_0.gguf, ../m/tiny.Q4_K_M.gguf]}" "pin/bad.yaml:1:39: the sources of 'model' differ: '../m/tiny.Q8_0.gguf' has the digest $other..., '../m/tiny.Q4_K_M.gguf' has ${tiny:0:12}...; remove one of them"
unpinned 9 "{source: nowhere.gguf}" "pin/bad.yaml:1:8: 'model' cannot be pinned, no source answers: nowhere.gguf: No such file or directory"
unpinned 9 "{source: hf://acme/none/a.gguf}" "pin/bad.yaml:1:8: 'model' cannot be pinned, no source answers: hf://acme/none/a.gguf: hf://acme/none@main: answered 401: there is no such repository, or it is private: then set HF_TOKEN"
unpinned 9 "{source: hf://acme/gated/model.Q4_K_M.gguf}" "pin/bad.yaml:1:8: 'model' cannot be pinned, no source answers: hf://acme/gated/model.Q4_K_M.gguf: hf://acme/gated@main: answered 401: the repository is gated: accept its terms on its page, then set HF_TOKEN"
unpinned 3 "{source: hf://acme/tiny-GGUF}" "pin/bad.yaml:1:17: 'hf://acme/tiny-GGUF' cannot be pinned: it names no file: hf://ORG/REPO@REVISION/FILE"
unpinned 3 "{source: $models/pointer.Q6_K.gguf}" "pin/bad.yaml:1:17: '$models/pointer.Q6_K.gguf' cannot be pinned: a Git LFS pointer to 5 B (sha256 000000000000...) is there instead of the file: run git lfs pull"
unpinned 3 "{source: oci://acme/one}" "pin/bad.yaml:1:17: 'oci://acme/one' cannot be pinned: models in OCI registries are not supported yet"
unpinned 3 "{source: https://acme.example/a.zip#m}" "pin/bad.yaml:1:17: 'https://acme.example/a.zip#m' cannot be pinned: a member of an archive that is not here: download it, and pin file:ARCHIVE#MEMBER"
unpinned 3 "{source: hf://acme/archive/a.zip#m.gguf}" "pin/bad.yaml:1:17: 'hf://acme/archive/a.zip#m.gguf' cannot be pinned: a member of an archive on the hub has no digest there: download the archive, and pin file:ARCHIVE#MEMBER"
: >"$models/empty"
unpinned 3 "{source: ../models/empty}" "pin/bad.yaml:1:17: '../models/empty' cannot be pinned: it is empty"
unpinned 3 "{source: ../models}" "pin/bad.yaml:1:17: '../models' cannot be pinned: it is not a regular file"
unpinned 3 "{source: ftp://acme.example/a}" "pin/bad.yaml:1:17: 'ftp://acme.example/a' cannot be pinned: "
unpinned 3 "[a" "pin/bad.yaml:"
unpinned 3 "{card: smollm2}" "'pin/bad.yaml' names no artifact by a source: there is nothing to pin"
run 2 pin-model pin/one.yaml --revision a/b && says "llmdeploy: '--revision a/b' is no branch, tag or commit"
check $? "a revision that is none"

alive
check $? "the hub was asked nothing that the real one would not understand"
tap_end
