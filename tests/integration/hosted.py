#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hosted model for tests of the way out: hosted.py PORT

Answers each POST at once, with 100 tokens in and 20 out; a stream of five events says nothing of its tokens."""
import http.server
import json
import sys


class Hosted(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps({"model": question.get("model"), "choices": [{"message": {"content": "from elsewhere"}}],
                           "usage": {"prompt_tokens": 100, "completion_tokens": 20}})
        if question.get("stream"):
            text = 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n' * 5 + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if question.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hosted).serve_forever()
