#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that gives the answers of a file: answers.py ANSWERS PORT_FILE

ANSWERS is a JSON object of question to {"content", "finish_reason"?, "seconds"?}. POST /v1/chat/completions alone is known. The
port on 127.0.0.1 is written to PORT_FILE."""
import http.server
import json
import os
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            return self.reply(404, {"error": {"message": "nothing at " + self.path}})
        with open(sys.argv[1], encoding="utf-8") as f:
            answer = json.load(f)[body["messages"][-1]["content"]]
        time.sleep(answer.get("seconds", 0))
        self.reply(200, {"model": "m", "choices": [{"message": {"role": "assistant", "content": answer["content"]},
                                                    "finish_reason": answer.get("finish_reason", "stop")}]})

    def reply(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[2] + ".new", "w", encoding="utf-8") as f:
    f.write(str(server.server_address[1]))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
