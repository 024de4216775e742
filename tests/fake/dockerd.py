#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Docker Engine with a memory, for tests with many processes: dockerd.py SOCKET

It keeps images and containers as an Engine does, and refuses what an Engine refuses. A container that is started is a thread that
answers at SOURCE/engine.sock of its writable mount like a model server: healthy at once, one word to every question. It ends
with SIGTERM, and everything with it. At SOCKET.control it is told to misbehave (docker_faults.py)."""
import hashlib
import http.server
import json
import os
import secrets
import signal
import socketserver
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse

import docker_faults

NOW = "2026-11-22T17:41:05.000000000Z"
lock = threading.RLock()
images = {}  # "sha256:ID": {"config", "tags"}
layers = set()
containers = {}  # id: record
other_store = [{}, set(), {}]  # the same three of the image store that is not in use; it has its own of each
store = "classic"  # or "containerd": an image's id is its manifest's digest


events = []


def happened(c, *actions):
    events.extend({"Type": "container", "Action": a, "Actor": {"ID": c["id"], "Attributes": dict(c["spec"].get("Labels") or {}, name=c["name"])},
                   "time": int(time.time()), "timeNano": time.time_ns()} for a in actions)
    del events[:-256]


def stamp():
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%09dZ" % (now % 1 * 1e9)


class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    doctor = None  # who says how it misbehaves

    def __init__(self, *args):
        super().__init__(*args)
        self.open = set()

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # a client that was killed


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "-"

    def log_message(self, *args):
        pass

    def body(self, out):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                n = int(self.rfile.readline().split(b";")[0] or b"x", 16)
                left = n
                while left:
                    piece = self.rfile.read(min(left, 1 << 20))
                    if not piece:
                        raise ConnectionError
                    out.write(piece)
                    left -= len(piece)
                self.rfile.readline()
                if not n:
                    return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(left, 1 << 20))
            if not piece:
                raise ConnectionError
            out.write(piece)
            left -= len(piece)

    def answer(self, status, value=None):
        if self.server.doctor:
            value = self.server.doctor.before_answer(self, status, value)
        # Events are a stream of objects.
        data = b"" if value is None else b"".join(json.dumps(v).encode() for v in value) if "/events?" in self.path else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.41")
        if status not in (204, 304):
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(data)


class Model(Handler):
    def do_GET(self):
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
        elif self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": self.server.alias}]})
        else:
            self.answer(404, {"error": {"message": "not found"}})

    def do_POST(self):
        with tempfile.TemporaryFile() as f:
            self.body(f)
        docker_faults.doctor.question()
        time.sleep(self.server.answer_ms / 1000)
        self.answer(200, {"model": self.server.alias, "usage": {"completion_tokens": 1, "prompt_tokens": 1, "total_tokens": 2},
                          "choices": [{"index": 0, "finish_reason": "stop", "text": "yes", "message": {"role": "assistant", "content": "yes"}}]})


def labels_fit(query, labels):
    wanted = json.loads(query.get("filters", ["{}"])[0]).get("label", [])
    for one in wanted:
        key, equals, value = one.partition("=")
        if key not in (labels or {}) or (equals and labels[key] != value):
            return False
    return True


def load(f):
    f.seek(0)
    with tarfile.open(fileobj=f) as tar:
        have = {m.name: m for m in tar.getmembers()}
        for entry in json.load(tar.extractfile("manifest.json")):
            text = tar.extractfile(entry["Config"]).read()
            config = json.loads(text)
            for name, diff in zip(entry["Layers"], config["rootfs"]["diff_ids"]):
                if name in have:
                    digest = hashlib.sha256(tar.extractfile(name).read()).hexdigest()
                    if "sha256:" + digest != diff:
                        raise ValueError("layer " + name)
                    layers.add(diff)
                elif diff not in layers:
                    raise ValueError("no layer " + diff)
            name = "sha256:" + hashlib.sha256(text).hexdigest()
            if store == "containerd":
                name = json.load(tar.extractfile("index.json"))["manifests"][0]["digest"]
            image = images.setdefault(name, {"config": config, "tags": []})
            for tag in entry.get("RepoTags") or []:
                for other in images.values():
                    other["tags"] = [t for t in other["tags"] if t != tag]
                image["tags"].append(tag)


def find_image(ref):
    for name, image in images.items():
        if ref in (name, name[7:]) or ref in image["tags"]:
            return name, image
    return None, None


def find_container(ref):
    for key, c in containers.items():
        if ref in (key, c["name"]):
            return c
    return None


def milliseconds(spec, word):
    """What an argument of the engine says: --create-ms (which goes on when its client has gone), --answer-ms."""
    argv = (spec or {}).get("Entrypoint") or []
    return int(argv[argv.index(word) + 1]) if word in argv else 0


def start(c):
    for m in c["spec"]["HostConfig"].get("Mounts") or []:
        if not os.path.exists(m["Source"]):
            return "invalid mount config for type \"bind\": bind source path does not exist: " + m["Source"]
    argv = c["spec"]["Entrypoint"]
    for m in c["spec"]["HostConfig"].get("Mounts") or []:
        if not m["ReadOnly"]:
            path = m["Source"] + "/engine.sock"
            if os.path.lexists(path):
                os.unlink(path)
            here = os.getcwd()
            os.chdir(m["Source"])  # a socket's path may have 107 bytes
            c["server"] = Unix("engine.sock", Model)
            os.chmod("engine.sock", 0o777)  # the gateway of a test has another uid
            os.chdir(here)
            c["server"].answer_ms = milliseconds(c["spec"], "--answer-ms")
            c["server"].alias = argv[argv.index("--alias") + 1] if "--alias" in argv else "fake"
            threading.Thread(target=c["server"].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    c["state"] = "running"
    c["started"] = stamp()
    happened(c, "start")
    return None


def power_off():
    """The daemon ends, and every container with it; who comes back is who has a restart policy and was not stopped by hand."""
    with lock:
        for c in containers.values():
            c["again"] = c["state"] == "running" and c["spec"]["HostConfig"]["RestartPolicy"]["Name"] in ("always", "unless-stopped")
            if c["state"] == "running":
                stop(c)


def power_on():
    with lock:
        events.clear()
        for c in containers.values():
            if c.pop("again", False):
                start(c)


def change_store():
    """Images and containers of the other store are still there, and not seen."""
    global store, images, layers, containers
    with lock:
        store = "containerd" if store == "classic" else "classic"
        (images, layers, containers), other_store[:] = other_store, [images, layers, containers]


def prune():
    """docker system prune -a"""
    with lock:
        for key in [k for k, c in containers.items() if c["state"] != "running"]:
            del containers[key]
        for name in [k for k in images if not any(c["image"] == k for c in containers.values())]:
            del images[name]
        layers.intersection_update(d for i in images.values() for d in i["config"]["rootfs"]["diff_ids"])


def wipe():
    """Everything goes, of both stores."""
    with lock:
        for c in containers.values():
            stop(c)
        for each in (images, layers, containers, *other_store):
            each.clear()


def wipe_other():
    with lock:
        for each in other_store:
            each.clear()


def forget_images():
    """docker rmi -f of all of them; who runs goes on."""
    with lock:
        images.clear()
        layers.clear()


def stop(c):
    server = c.pop("server", None)
    if server:
        server.shutdown()
        server.server_close()
    c["state"] = "exited"


def inspect(c):
    spec, running = c["spec"], c["state"] == "running"
    host = spec["HostConfig"]
    return {"Id": c["id"], "Name": "/" + c["name"], "Image": c["image"], "RestartCount": 0, "HostConfig": host,
            "State": {"Status": c["state"], "Running": running, "OOMKilled": False, "ExitCode": 0, "Pid": os.getpid() if running else 0,
                      "Error": "", "StartedAt": c.get("started", "0001-01-01T00:00:00Z"), "FinishedAt": NOW},
            "Config": {"Labels": spec.get("Labels"), "Env": spec.get("Env"), "Entrypoint": spec.get("Entrypoint"), "User": spec.get("User"), "Tty": False},
            "Mounts": [{"Type": "bind", "Source": m["Source"], "Destination": m["Target"], "RW": not m["ReadOnly"]} for m in host.get("Mounts") or []]}


class Engine(Handler):
    def handle_one(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        path = urllib.parse.unquote(url.path)
        self.server.doctor.before(self, "%s %s" % (self.command, path if path == "/_ping" else "/" + path.split("/", 2)[2]))
        with tempfile.TemporaryFile() as f:
            self.body(f)
            f.seek(0)
            if path == "/_ping":
                return self.answer(200, "OK")
            refused = self.server.doctor.instead(self)
            if refused:
                return self.answer(*refused)
            words = path.split("/")[2:]  # without the version
            if words[:2] == ["images", "load"]:
                try:
                    with lock:
                        load(f)
                    return self.answer(200, {"stream": "Loaded image"})
                except (ValueError, KeyError, tarfile.TarError) as e:
                    return self.answer(200, {"errorDetail": {"message": str(e)}})
            spec = json.loads(f.read() or b"null")
        if words[:2] == ["containers", "create"]:
            time.sleep(milliseconds(spec, "--create-ms") / 1000)
        with lock:
            self.route(words, query, spec)

    def route(self, words, query, spec):
        method, what = self.command, words[0]
        if what == "info":
            containerd = {"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
            return self.answer(200, {"ServerVersion": "20.10.24", "OperatingSystem": "test", "CgroupDriver": "cgroupfs",
                                     **(containerd if store == "containerd" else {"Driver": "overlay2"}), "CgroupVersion": "1", "MemTotal": 1 << 40, "NCPU": 2, "MemoryLimit": True, "PidsLimit": True})
        if what == "events":
            since, until = float(query["since"][0]), float(query["until"][0])
            return self.answer(200, [e for e in events if since <= e["timeNano"] / 1e9 <= until and labels_fit(query, e["Actor"]["Attributes"])])
        if what == "images" and words[1] == "json":
            return self.answer(200, [{"Id": k, "RepoTags": i["tags"] or None, "Labels": i["config"]["config"].get("Labels"), "Size": 1}
                                     for k, i in images.items() if labels_fit(query, i["config"]["config"].get("Labels"))])
        if what == "images":
            return self.image(method, "/".join(words[1:-1] if words[-1] in ("json", "tag") else words[1:]))
        if what == "containers" and words[1] == "json":
            return self.answer(200, [{"Id": c["id"], "Names": ["/" + c["name"]], "ImageID": c["image"], "State": c["state"], "Created": 1,
                                      "Labels": c["spec"].get("Labels")} for c in containers.values() if labels_fit(query, c["spec"].get("Labels"))])
        if what == "containers" and words[1] == "create":
            return self.create(query["name"][0], spec)
        if what == "containers":
            c = find_container(words[1])
            if not c:
                return self.answer(404, {"message": "No such container: " + words[1]})
            return self.container(method, c, words[2] if len(words) > 2 else "", query, spec)
        if what == "networks" and method == "GET":
            return self.answer(200, [])
        return self.answer(501, {"message": "not in this Engine: " + self.path})

    def stream(self, *pieces):
        """A log that is followed, and whose container ends."""
        data = b"".join(bytes([1, 0, 0, 0]) + len(p).to_bytes(4, "big") + p for p in pieces)
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def image(self, method, ref):
        name, image = find_image(ref)
        if not image:
            return self.answer(404, {"message": "No such image: " + ref})
        if method == "GET":
            return self.answer(200, {"Id": name, "RepoTags": image["tags"], "Config": {"Labels": image["config"]["config"].get("Labels")},
                                     "RootFS": {"Layers": image["config"]["rootfs"]["diff_ids"]}})
        if method == "DELETE" and any(c["image"] == name for c in containers.values()) and len(image["tags"]) < 2:
            return self.answer(409, {"message": "image is in use"})
        if method == "DELETE":
            image["tags"] = [t for t in image["tags"] if t != ref]
            if not image["tags"]:
                del images[name]
            return self.answer(200, [])
        return self.answer(201)

    def create(self, name, spec):
        if find_container(name):
            return self.answer(409, {"message": "Conflict. The container name \"/%s\" is already in use" % name})
        image, _ = find_image(spec["Image"])
        if not image:
            return self.answer(404, {"message": "No such image: " + spec["Image"]})
        key = secrets.token_hex(32)
        containers[key] = {"id": key, "name": name, "image": image, "spec": spec, "state": "created"}
        return self.answer(201, {"Id": key, "Warnings": []})

    def container(self, method, c, verb, query, spec):
        running = c["state"] == "running"
        if method == "DELETE":
            if running and "force" not in query:
                return self.answer(409, {"message": "You cannot remove a running container"})
            stop(c)
            del containers[c["id"]]
            return self.answer(204)
        if verb == "json":
            return self.answer(200, inspect(c))
        if verb == "logs" and "follow" in query:
            return self.stream(b"loading\nser", b"ving\n")
        if verb == "logs":
            return self.answer(200)
        if verb == "start":
            fault = None if running else start(c)
            return self.answer(400, {"message": fault}) if fault else self.answer(304 if running else 204)
        if verb in ("stop", "kill"):
            if verb == "kill" and not running:
                return self.answer(409, {"message": "is not running"})
            if running:
                happened(c, "kill", "die", "stop")
            stop(c)
            return self.answer(204 if running else 304)
        if verb == "update":
            c["spec"]["HostConfig"]["RestartPolicy"] = spec["RestartPolicy"]
            return self.answer(200, {"Warnings": None})
        if verb == "rename":
            if find_container(query["name"][0]):
                return self.answer(409, {"message": "Conflict"})
            c["name"] = query["name"][0]
            return self.answer(204)
        if verb == "wait":
            return self.answer(200, {"StatusCode": 0})
        return self.answer(501, {"message": "not in this Engine: " + self.path})

    do_GET = do_POST = do_DELETE = handle_one


class Daemon:
    """What comes and goes while its images and containers stay."""

    def __init__(self, path):
        self.path, self.server, self.lock = path, None, threading.RLock()

    def up(self):
        with self.lock:
            if not self.server:
                self.start()

    def start(self):
        power_on()
        if os.path.lexists(self.path):
            os.unlink(self.path)
        server = Unix(self.path, Engine)
        server.doctor = docker_faults.doctor
        server.daemon = self
        self.server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self):
        with self.lock:
            self.end()

    def end(self):
        server, self.server = self.server, None
        if not server:
            return
        os.unlink(self.path)
        server.shutdown()
        server.server_close()
        docker_faults.hang_up(server)
        power_off()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    daemon = Daemon(sys.argv[1])
    docker_faults.doctor.serve(daemon, {"prune": prune, "forget": forget_images, "store": change_store, "wipe": wipe, "wipe_other": wipe_other})
    daemon.up()
    signal.pause()


main()
