# SPDX-License-Identifier: Apache-2.0
"""How tests/fake/dockerd.py misbehaves. Told by POST to SOCKET.control:

/plan    {"after": REGEX, "on": REGEX, "nth": N, "do": WHAT, "when": "before" | "after"}: counts the requests "METHOD /path" (without the API's
         version; "QUESTION" is one to a model server) that match `on`, from the first one on that matches `after`; at the N-th it falls ill
/well    it is well again, and there if it was not; the answer is {"fell": TIMES}
/prune, /forget, /store   what someone does meanwhile: system prune -a, rmi -f of all, another image store (with a restart)
/wipe, /wipe_other   nothing is in it any more, nothing is in the store that is not in use

WHAT is one of
  restart, stop, upgrade   the daemon goes, in the middle of the request, and all containers; it comes back (with another image store) or does not
  prune, forget            as above, before the request
  full                     no space left on its device, for load, create and start
  slow, trickle, late      no answer; a byte now and then; a tenth of a second late. For good: every request from then on
  noise                    not HTTP. For good
  html, list, object       200, and no JSON; JSON of another shape
  cut, short               half of the answer; an answer longer than it says to be
  endless                  an answer without an end
  error                    of a load: a failure inside of a 200
  lie                      of a load: it says that it has it, and has not
  digest                   of a create: an image that is listed lacks a layer, until one is loaded"""
import http.server
import json
import re
import socket
import socketserver
import threading
import time

FOR_GOOD = ("stop", "slow", "trickle", "late", "noise")
FULL = {
    "load": (200, {"errorDetail": {"message": "Error processing tar file(exit status 1): write /tiny: no space left on device"},
                   "error": "Error processing tar file(exit status 1): write /tiny: no space left on device"}),
    "create": (500, {"message": "mkdir /var/lib/docker/overlay2/5f0c1e8d7b1a4d0fb9c1a7-init: no space left on device"}),
    "start": (500, {"message": "failed to create shim: mkdir /run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/5f0c: no space left on device: unknown"}),
}
SHAPES = {"list": [[1], 7, "x"], "object": {"Id": 7, "State": [], "RootFS": 3, "Labels": "x"}}


class Gone(ConnectionError):
    """Nothing more is said on this connection."""


def hang_up(server):
    for connection in list(server.open):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Doctor:
    def __init__(self):
        self.lock = threading.Lock()
        self.plan, self.begun, self.seen, self.fell = None, False, 0, 0
        self.daemon, self.acts = None, {}

    def serve(self, daemon, acts):
        self.daemon, self.acts = daemon, acts
        self.control = Control(daemon.path + ".control", Talk)
        threading.Thread(target=self.control.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def set(self, plan):
        with self.lock:
            self.plan, self.begun, self.seen, self.fell = plan, not (plan and plan.get("after")), 0, 0

    def well(self):
        with self.lock:
            fell, self.plan = self.fell, None
        self.daemon.up()
        return fell

    def falls(self, request):
        """What the plan has for this request, or None."""
        with self.lock:
            p = self.plan
            if not p:
                return None
            if not self.begun:
                self.begun = bool(re.search(p["after"], request))
                return None
            if self.fell and p["do"] in FOR_GOOD:
                return p
            if p["do"] == "digest" and self.fell and "/images/load" in request:
                self.plan = None
                return None
            if not re.search(p["on"], request):
                return None
            self.seen += 1
            if self.seen < p.get("nth", 1) or (self.fell and p["do"] in ("restart", "upgrade", "prune", "forget")):
                return None
            self.fell += 1
            return p

    def go_down(self, do):
        self.daemon.down()
        if do == "upgrade":
            self.acts["store"]()
        if do != "stop":
            threading.Timer(0.3, self.daemon.up).start()
        raise Gone

    def question(self):
        p = self.falls("QUESTION")
        if p and p["do"] in ("restart", "stop", "upgrade"):
            self.go_down(p["do"])

    def before(self, handler, request):
        handler.ill = None
        p = self.falls(request)
        if not p:
            return
        do = p["do"]
        if p.get("when") == "after" or do in ("full", "html", "list", "object", "cut", "short", "endless", "error", "lie", "digest"):
            handler.ill = (do, request)
            return
        if do in ("prune", "forget"):
            self.acts[do]()
            return
        if do in ("restart", "stop", "upgrade"):
            if handler.command == "POST" and handler.headers.get("Transfer-Encoding"):
                handler.rfile.read1(4096)  # in the middle of the body
            self.go_down(do)
        self.slow(handler, do, p)

    def slow(self, handler, do, plan):
        if do == "late":
            time.sleep(0.1)
            return
        if do == "noise":
            handler.wfile.write(b"\x15\x03\x01\x00\x02\x02F and more of what is not HTTP\r\n\r\n")
        if do == "trickle":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        while do in ("slow", "trickle") and self.plan is plan:
            time.sleep(0.05)
            if do == "trickle":
                handler.wfile.write(b" ")
        raise Gone

    def before_answer(self, handler, status, value):
        """The answer to send, or it is sent already."""
        if not getattr(handler, "ill", None):
            return value
        do, request = handler.ill
        handler.ill = None
        if do in ("restart", "stop", "upgrade"):
            self.go_down(do)
        data = json.dumps(value).encode()
        if do in ("cut", "short"):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" %
                                (len(data) + 40 if do == "cut" else len(data) // 2))
            handler.wfile.write(data)
            raise Gone
        if do == "endless":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n\r\n")
            while True:
                handler.wfile.write(b'{"stream": "and so on"}' * 4000)
        if do == "html":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 22\r\n\r\n<html>It works!</html>")
            raise Gone
        if do in SHAPES:
            text = json.dumps(SHAPES[do]).encode()
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
            raise Gone
        return value

    def instead(self, handler):
        """A refusal instead of what the request wants; None: do it."""
        if not getattr(handler, "ill", None):
            return None
        do, request = handler.ill
        if do == "full":
            handler.ill = None
            return next(v for k, v in FULL.items() if k in request)
        if do == "error":
            handler.ill = None
            return 200, {"errorDetail": {"message": "open /var/lib/docker/tmp/docker-import-1/repositories: no such file or directory"}}
        if do == "digest":
            handler.ill = None
            return 500, {"message": "content digest sha256:" + "5f0c1e8d" * 8 + ": not found"}
        if do == "lie":
            handler.ill = None
            return 200, {"stream": "Loaded image"}
        return None


class Control(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Talk(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "-"

    def log_message(self, *args):
        pass

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = self.path[1:]
        answer = {}
        if what == "plan":
            doctor.set(json.loads(text))
        elif what == "well":
            answer = {"fell": doctor.well()}
        elif what == "store":
            doctor.daemon.down()
            doctor.acts["store"]()
            doctor.daemon.up()
        else:
            doctor.acts[what]()
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


doctor = Doctor()
