#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: fallback_check_test.sh [BUILD_DIR]   plan --check: what a hosted model says when it is asked for its models
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "${1:-build}")
state=$(mktemp -d)
. tests/tap.sh
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP

cat >"$state/hosted.py" <<'END'
import http.server, json, sys

class Hosted(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        key = self.headers.get("Authorization") == "Bearer sk-right"
        body, status = {"object": "list", "data": [{"id": "small"}, {"id": "large"}]}, 200
        if not key:
            body, status = {"error": {"message": "no"}}, 401
        elif self.path == "/broken/models":
            status = 500
        elif self.path == "/page/models":
            body = "hello"
        elif self.path not in ("/v1/models", "/deep/v1/models"):
            status = 404
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass

s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hosted)
open(sys.argv[1], "w").write(str(s.server_address[1]))
s.serve_forever()
END
python3 "$state/hosted.py" "$state/port" &
server=$!
for _ in $(seq 100); do [ -s "$state/port" ] && break; sleep 0.05; done
port=$(cat "$state/port")
"$build/tests/bench/gguf_make" llama "$state/model.gguf" || exit 1
echo sk-right >"$state/right"
echo sk-wrong >"$state/wrong"
sha=$(sha256sum "$state/model.gguf" | cut -d' ' -f1)

# row NAME URL MODEL KEY STATUS MESSAGE
row() {
	cat >"$state/m.yaml" <<END
apiVersion: llmdeploy/v1
route: chat
version: r1
model: {source: "file:model.gguf", sha256: $sha}
runtime: {name: llama.cpp, backend: cpu, context_tokens: 256, concurrent_sequences: 1}
requirements: {privacy: hybrid}
eval: {skip: "a test of the fallback"}
gateway: {fallback: {url: "$2", model: "$3", api_key_file: "$state/$4"}}
END
	LLMDEPLOY_RUNTIMES=$PWD/runtimes timeout 60 "$build/llmdeploy" plan "$state/m.yaml" --check --root "$state/root" >"$state/said" 2>&1
	local status=$?
	[ "$status" = "$5" ] && { [ -z "$6" ] || grep -qF "$6" "$state/said"; } && ! grep -q sk- "$state/said"
	check $? "$1: exit $status" "$state/said"
}
row "the model is there" "http://127.0.0.1:$port/v1" large right 0 ""
row "an address without a path" "http://127.0.0.1:$port" large right 0 ""
row "an address with a '/' behind it, and a deeper one" "http://127.0.0.1:$port/deep/v1/" small right 0 ""
row "another key" "http://127.0.0.1:$port/v1" large wrong 3 "the fallback rejects the API key: 'http://127.0.0.1:$port/v1/models' answers 401; check gateway.fallback.api_key_file"
row "no file of a key" "http://127.0.0.1:$port/v1" large nowhere 1 "gateway.fallback.api_key_file: cannot open"
row "another path" "http://127.0.0.1:$port/v2" large right 3 "the fallback has no 'http://127.0.0.1:$port/v2/models': gateway.fallback.url is the address without /chat/completions"
row "a model that it does not list" "http://127.0.0.1:$port/v1" huge right 3 "the fallback does not list the model 'huge' of gateway.fallback.model"
row "no list" "http://127.0.0.1:$port/page" large right 3 "did not return a list of models"
row "an error of its own" "http://127.0.0.1:$port/broken" large right 9 "the fallback answers 500 at 'http://127.0.0.1:$port/broken/models'"
row "nobody" "http://127.0.0.1:1/v1" large right 9 "the fallback: "
row "no TLS" "https://127.0.0.1:$port/v1" large right 9 "the fallback: "
tap_end
