# SPDX-License-Identifier: Apache-2.0
"""The harness of the fault matrix: a root, an Engine with a memory (tests/fake/dockerd.py) or a real one, an installed HAProxy, an archive of packages.

What a fault left is looked at here, on the disk, in the Engine and in the gateway, never through llmdeploy's own word."""
import glob
import gzip
import hashlib
import http.client
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
SECRET = "hf_" + hashlib.sha256(b"nobody may write this down").hexdigest()  # as a token in the environment
sys.path.insert(0, os.path.join(TESTS, "integration"))
import tiny_release  # noqa: E402


def digest(data):
    return hashlib.sha256(data).hexdigest()


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def free_port():
    """Below those that the system gives to clients: another harness's client must not have it when our gateway wants it."""
    for _ in range(1000):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randrange(12000, 32000)))
                return s.getsockname()[1]
            except OSError:
                pass
    raise RuntimeError("no free port")


class Harness:
    def __init__(self, program, state, gateway, engine=None):
        self.program, self.state, self.gateway = os.path.abspath(program), os.path.abspath(state), gateway
        self.root = os.path.join(self.state, "root")
        self.real = engine is not None
        self.socket = engine or os.path.join(self.state, "d.sock")
        self.port, self.metrics = free_port(), free_port()
        self.engine = None
        self.versions = 0
        self.env = dict(os.environ, LLMDEPLOY_ROOT=self.root, DOCKER_HOST="unix://" + self.socket, NO_COLOR="1",
                        LLMDEPLOY_RUNTIMES=os.path.join(self.state, "runtimes"), HF_TOKEN=SECRET)
        self.env.pop("LLMDEPLOY_FAULT", None)
        os.makedirs(self.state)
        self.serve()

    # ---- what is around it ----

    def serve(self):
        """A web server on loopback with the model, and an archive of packages that a key of ours has signed."""
        web = os.path.join(self.state, "web")
        os.makedirs(web)

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=web)

            def log_message(self, *args):
                pass

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        self.url = "http://127.0.0.1:%d" % self.web.server_address[1]
        threading.Thread(target=self.web.serve_forever, daemon=True).start()

    def start_engine(self):
        if self.real:
            return
        self.engine = subprocess.Popen(["python3", os.path.join(TESTS, "fake", "dockerd.py"), self.socket])
        for _ in range(200):
            try:
                self.ask_engine("GET", "/_ping")
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the fake Engine does not answer")

    def stop(self):
        self.stop_gateway()
        self.empty_engine()
        if self.engine:
            self.engine.terminate()
            self.engine.wait(10)
        self.web.shutdown()

    def root_id(self):
        try:
            return open(os.path.join(self.root, "root-id")).read().strip()
        except OSError:
            return None

    def our_containers(self):
        """Of this root. A fake Engine has no other's."""
        return [c for c in self.ask_engine("GET", "/v1.41/containers/json?all=1") or []
                if not self.real or (c["Labels"] or {}).get("llmdeploy.root", "?") == self.root_id()]

    def empty_engine(self):
        if not self.real and not self.engine:
            return
        for c in self.our_containers():
            self.ask_engine("DELETE", "/v1.41/containers/%s?force=1" % c["Id"])
        for i in self.ask_engine("GET", "/v1.41/images/json") or []:
            for tag in i["RepoTags"] or []:
                if not self.real or (self.root_id() and tag.startswith("localhost/llmdeploy-%.8s/" % self.root_id())):
                    self.ask_engine("DELETE", "/v1.41/images/" + tag)

    def ask_engine(self, method, path):
        c = UnixHTTP(self.socket)
        c.request(method, path)
        r = c.getresponse()
        text = r.read()
        c.close()
        return json.loads(text) if text and r.status < 300 else None

    def gateway_pids(self):
        """Processes of this root's HAProxy, by their working directory."""
        pids = []
        for path in glob.glob("/proc/[0-9]*/cwd"):
            try:
                name = open(os.path.dirname(path) + "/comm").read().strip()
                if name == "haproxy" and os.readlink(path) == self.root:
                    pids.append(int(path.split("/")[2]))
            except OSError:
                pass
        return pids

    def stop_gateway(self):
        for pid in self.gateway_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass

    # ---- the program ----

    def run(self, *words, fault=None, timeout=60, log=None):
        env = dict(self.env)
        if fault:
            env["LLMDEPLOY_FAULT"] = fault
        p = subprocess.run([self.program, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=timeout, pass_fds=[log] if log else [])
        return p.returncode, p.stdout.decode(errors="replace")

    def must(self, *words):
        status, said = self.run(*words)
        if status:
            raise RuntimeError("%s ended with %d: %s" % (" ".join(words), status, said))
        return said

    def release(self, *changes, route="demo", arguments=()):
        """A new version's lock and, for all of them, one archive."""
        self.versions += 1
        version = "v%04d" % self.versions
        gateway = {"listen": "127.0.0.1:%d" % self.port, "metrics": "127.0.0.1:%d" % self.metrics}
        tiny_release.make(os.path.join(self.state, "tiny"), os.path.join(self.state, "t"), route, version, "gateway=" + json.dumps(gateway), *changes,
                          "--", *(["--alias", route] if not self.real else []), *arguments)
        return version

    def lock(self, version):
        return os.path.join(self.state, "t", version + ".lock.json")

    def put_model(self):
        data = open(os.path.join(self.state, "t", "model"), "rb").read()
        path = os.path.join(self.root, "store", "sha256", digest(data)[:2], digest(data))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o444)

    def lists_model(self, manifest, *says):
        """`model list` has what a manifest's build or pull brought."""
        sha = re.search("sha256: ([0-9a-f]{64})", open(os.path.join(self.state, manifest)).read())[1]
        status, said = self.run("model", "list", "--json")
        row = [r for r in json.loads(said.splitlines()[-1]) if r["sha256"] == sha] if status == 0 else []
        used = row[0]["used_as"] if row else ""
        good = "GGUF" in used and "no release uses it" in used and all(text in used for text in says)
        return [] if good else ["model list does not show the model: " + said]

    def new_root(self):
        self.stop_gateway()
        self.empty_engine()
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)
        with open(os.path.join(self.root, "config.yaml"), "w") as f:
            f.write("mirror: %s/mirror\nkeyring: %s/keyring.gpg\ngateway: {mode: %s}\n" % (self.url, self.state, self.gateway))
        if not self.engine:
            self.start_engine()
        if os.path.exists(os.path.join(self.state, "t", "model")):
            self.put_model()

    # ---- what must never be false ----

    def active(self, route="demo"):
        try:
            return os.path.basename(os.readlink(os.path.join(self.root, "routes", route, "active")))
        except OSError:
            return None

    def is_stopped(self, route="demo"):
        """By the newest record of its journal that says so."""
        path = os.path.join(self.root, "routes", route, "journal")
        lines = open(path, "rb").read().splitlines() if os.path.exists(path) else []
        events = [json.loads(line[74:]).get("event") for line in lines]
        return ([e for e in events if e in ("route_stopped", "route_started", "flipped", "removed")] or [None])[-1] == "route_stopped"

    def removed(self, route="demo"):
        """Of a route that was removed nothing is left but its journal and its attempts."""
        base = os.path.join(self.root, "routes", route)
        wrong = ["%s is left" % n for n in glob.glob(base + "/*") if not re.fullmatch(r"journal(\.\d+)?|lock|attempts|releases", os.path.basename(n))]
        wrong += ["%s is left" % n for n in glob.glob(base + "/releases/*") + glob.glob(os.path.join(self.root, "run", "routes", route))]
        wrong += ["container of %s" % c["Labels"]["llmdeploy.version"] for c in self.our_containers() if (c["Labels"] or {}).get("llmdeploy.route") == route]
        tag = "localhost/llmdeploy-%.8s/%s:" % (self.root_id() or "?", route)
        wrong += [t for i in self.ask_engine("GET", "/v1.41/images/json") or [] for t in i["RepoTags"] or [] if t.startswith(tag)]
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            wrong.append("something listens on its port")
        except OSError:
            pass
        return wrong

    def invariants(self, allowed, route="demo", stopped=False):
        """Empty, or what is wrong."""
        wrong = []
        base = os.path.join(self.root, "routes", route)
        now = self.active(route)
        if now not in allowed:
            wrong.append("active is %s, not one of %s" % (now, allowed))
        wrong += self.releases(base, now)
        wrong += self.containers(route, now, stopped)
        wrong += self.left_over()
        wrong += self.journals()
        if self.gateway != "none":
            wrong += self.traffic(route, now, stopped)
        return wrong

    def releases(self, base, now):
        wrong = []
        for path in glob.glob(os.path.join(base, "releases", "*")):
            evidence = sorted(glob.glob(path + "/evidence/*.json"), key=lambda p: int(re.sub(r"\D", "", os.path.basename(p)) or 0))
            if not evidence or not os.path.isfile(path + "/release.lock.json"):
                wrong.append("%s is not whole" % path)
                continue
            lock = open(path + "/release.lock.json", "rb").read()
            if json.load(open(evidence[-1])).get("lock") != digest(lock):
                wrong.append("%s was not proved as it is" % path)
            lock = json.loads(lock)
            names = [a["sha256"] for a in lock["artifacts"]] + [lock["image"]["config"], lock["image"]["manifest"]]
            for name in names + [layer["diff_id"] for layer in lock["image"]["layers"]]:
                stored = os.path.join(self.root, "store", "sha256", name[:2], name)
                if not os.path.isfile(stored) or digest(open(stored, "rb").read()) != name:
                    wrong.append("%s of %s is not in the store as its lock names it" % (name, path))
        if now and not os.path.isdir(os.path.join(base, "releases", now)):
            wrong.append("active leads nowhere")
        return wrong

    def containers(self, route, now, stopped=False):
        wrong, running, ids = [], [], set()
        for c in self.our_containers():
            labels = c["Labels"] or {}
            if labels.get("llmdeploy.route") != route:
                continue
            version = labels["llmdeploy.version"]
            ids.add(labels["llmdeploy.lock"][:12])
            path = os.path.join(self.root, "routes", route, "releases", version, "release.lock.json")
            if not os.path.isfile(path) or digest(open(path, "rb").read()) != labels["llmdeploy.lock"]:
                wrong.append("a container of %s, which is no release here" % version)
            if c["State"] == "running":
                running.append(version)
        if now and now not in running and not stopped:
            wrong.append("%s is active and does not run" % now)
        if stopped and running:
            wrong.append("%s runs in a route that is stopped" % running)
        if len(running) > 2:
            wrong.append("%s run" % running)
        for path in glob.glob(os.path.join(self.root, "run", "*")):
            name = os.path.basename(path)
            if re.fullmatch("[0-9a-f]{12}", name) and name not in ids:
                wrong.append("run/%s has no container" % name)
        return wrong

    def left_over(self):
        wrong = []
        for where, dirs, files in os.walk(self.root):
            wrong += ["left over: %s" % os.path.join(where, n) for n in dirs + files if ".tmp-" in n]
            dirs[:] = [d for d in dirs if where != self.root or d != "store"]
            for path in (os.path.join(where, n) for n in files):
                if os.path.isfile(path) and SECRET.encode() in open(path, "rb").read():
                    wrong.append("a secret is in " + path)
        return wrong + ["left over: %s" % p for p in glob.glob(os.path.join(self.root, "store", "tmp", "*"))]

    def journals(self):
        wrong = []
        for path in glob.glob(os.path.join(self.root, "journal")) + glob.glob(os.path.join(self.root, "routes", "*", "journal")):
            previous = "0" * 64
            for n, line in enumerate(open(path, "rb").read().splitlines(True)):
                if not line.endswith(b"\n") or line[9:73].decode() != previous:
                    wrong.append("record %d of %s breaks the chain" % (n + 1, path))
                    break
                previous = digest(line)
        return wrong

    def traffic(self, route, now, stopped=False):
        """Clients are answered by the active release, and by no other; in a route that is stopped they are told to come again."""
        if not now:
            return []
        for attempt in range(50):
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                c.request("POST", "/v1/chat/completions", json.dumps({"model": route, "messages": [{"role": "user", "content": "x"}]}),
                          {"Content-Type": "application/json"})
                r = c.getresponse()
                r.read()
                c.close()
                by = r.getheader("x-llmdeploy-release")
                if stopped:
                    return [] if r.status == 503 and r.getheader("retry-after") else ["it is stopped, and the gateway answers with %d" % r.status]
                if r.status == 200:
                    return [] if by == now else ["%s is active, %s answers" % (now, by)]
                problem = "status %d" % r.status
            except OSError as e:
                problem = str(e)
            time.sleep(0.02)
        return ["the gateway does not answer: " + problem]


# ---- an archive of packages, and what is built from it ----

def make_packages(harness):
    pool = os.path.join(harness.state, "web", "mirror", "pool", "main", "t", "tiny-engine")
    tree = os.path.join(harness.state, "deb")
    os.makedirs(pool)
    os.makedirs(tree + "/DEBIAN")
    os.makedirs(tree + "/usr/bin")
    with open(tree + "/usr/bin/tiny-engine", "w") as f:
        f.write("not a program, but a file of a package\n")
    os.chmod(tree + "/usr/bin/tiny-engine", 0o755)
    with open(tree + "/DEBIAN/control", "w") as f:
        f.write("Package: tiny-engine\nVersion: 1.0\nArchitecture: amd64\nMaintainer: nobody <nobody@example.invalid>\nDescription: tiny\n")
    deb = os.path.join(pool, "tiny-engine_1.0_amd64.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, stdout=subprocess.DEVNULL)
    data = open(deb, "rb").read()
    packages = ("Package: tiny-engine\nVersion: 1.0\nArchitecture: amd64\nInstalled-Size: 1\nFilename: %s\nSize: %d\nSHA256: %s\n\n" %
                (os.path.relpath(deb, os.path.join(harness.state, "web", "mirror")), len(data), digest(data))).encode()
    sign(harness, packages)


def sign(harness, packages):
    suite = os.path.join(harness.state, "web", "mirror", "dists", "testing")
    os.makedirs(suite + "/main/binary-amd64")
    packed = gzip.compress(packages, mtime=0)
    with open(suite + "/main/binary-amd64/Packages.gz", "wb") as f:
        f.write(packed)
    release = "Origin: Test\nSuite: testing\nCodename: test\nArchitectures: amd64\nComponents: main\nDate: %s\nSHA256:\n" % time.strftime(
        "%a, %d %b %Y %H:%M:%S UTC", time.gmtime(time.time() - 3600))
    for name, data in (("main/binary-amd64/Packages", packages), ("main/binary-amd64/Packages.gz", packed)):
        release += " %s %d %s\n" % (digest(data), len(data), name)
    home = os.path.join(harness.state, "gpg")
    os.makedirs(home, mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-tty", "--passphrase", ""]
    subprocess.run(gpg + ["--quick-gen-key", "matrix@example.invalid", "ed25519", "sign", "never"], check=True, stderr=subprocess.DEVNULL)
    with open(os.path.join(harness.state, "keyring.gpg"), "wb") as f:
        subprocess.run(gpg + ["--export"], check=True, stdout=f)
    with open(os.path.join(suite, "InRelease"), "wb") as f:
        subprocess.run(gpg + ["--clearsign"], input=release.encode(), check=True, stdout=f, stderr=subprocess.DEVNULL)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def make_runtime(harness, repository):
    """The packaged runtime's definition with one tiny package instead of its own."""
    source = open(os.path.join(repository, "runtimes", "llama.cpp", "runtime.yaml")).read()
    source = re.sub(r"^name: .*$", "name: tiny", source, count=1, flags=re.M)
    source = re.sub(r"^version_of: .*$", "version_of: tiny-engine", source, count=1, flags=re.M)
    source = re.sub(r"^command:\n(  - .*\n)+", "command: [/usr/bin/tiny-engine]\n", source, count=1, flags=re.M)
    source = source[:source.index("\npackages:")] + """
packages:
  suites:
    - {name: testing, components: [main]}
  roots:
    - {name: tiny-engine, layer: engine}
  excludes: []
  prefer: []
  layers: {}
  backends:
    cpu: {}
"""
    where = os.path.join(harness.state, "runtimes", "tiny")
    os.makedirs(where)
    with open(where + "/runtime.yaml", "w") as f:
        f.write(source)


def make_manifests(harness, model):
    """A manifest whose model is a file, and one whose model is downloaded."""
    shutil.copy(model, os.path.join(harness.state, "web", "model.gguf"))
    sha = digest(open(model, "rb").read())
    for name, source in (("build", "file:" + os.path.abspath(model)), ("pull", harness.url + "/model.gguf")):
        with open(os.path.join(harness.state, name + ".yaml"), "w") as f:
            f.write("""apiVersion: llmdeploy/v1
route: built
version: b1
model: {source: "%s", sha256: %s}
runtime: {name: tiny, backend: cpu, context_tokens: 256, concurrent_sequences: 1}
eval: {skip: "the fault matrix"}
""" % (source, sha))
