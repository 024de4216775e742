#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HAProxy refuses what it is given: at every place, every time, while clients of another route ask. TAP.

usage: refusals.py PROGRAM STATE HAPROXY REFUSER [accepted|fields|itself|protected]...

1. One row for each field of a manifest that reaches HAProxy, with a value that it refuses and that is in a lock anyway: the apply
   ends with 3 or 6, nothing is journalled, nothing of the gateway changes.
2. HAProxy itself refuses (REFUSER, built of refuser.c, in its place) when it is asked, when it is reloaded, or when it is started: each operation ends in a route that
   answers, and every command gets out of what is left.
3. Files that the active release needs are removed, closed or damaged between commands: its protection is never weaker.

The other route's clients ask the whole time, one connection a request: none of their requests may fail."""
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

from harness import Harness, digest, free_port

PLACES = ("check", "reload", "start")
class Clients:
    """One client of a route, without a pause."""

    def __init__(self, port):
        self.port, self.asked, self.failed, self.over = port, 0, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over:
            self.asked += 1
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                c.request("GET", "/v1/models")
                r = c.getresponse()
                r.read()
                c.close()
                if r.status != 200:
                    self.failed.append("%.3f: status %d" % (time.time(), r.status))
            except OSError as e:
                self.failed.append("%.3f: %s" % (time.time(), e))
            time.sleep(0.004)

    def stop(self):
        self.over = True
        self.thread.join(20)


class Refusals:
    def __init__(self, program, state, haproxy, refuser):
        self.haproxy, self.count, self.failures, self.faults, self.asked, self.lost = haproxy, 0, 0, 0, 0, 0
        self.w = Harness(program, state, "host")
        self.other, self.second = free_port(), free_port()
        self.dir = os.path.join(self.w.state, "files")
        os.makedirs(self.dir)
        os.chmod(self.w.state, 0o755)
        wrapper = os.path.join(self.dir, "haproxy")
        shutil.copy(refuser, wrapper)
        os.makedirs(os.path.join(self.dir, "real"))
        os.symlink(haproxy, os.path.join(self.dir, "real", "haproxy"))
        with open(os.path.join(self.dir, "nonsense.cfg"), "w") as f:
            f.write("global\n\tnonsense-of-the-test\n")
        os.chmod(wrapper, 0o755)
        shutil.copy("/bin/true", os.path.join(self.w.state, "tiny"))
        self.w.release()
        self.w.new_root()
        self.write_config(wrapper)
        self.good = self.certificate("good", 2048)

    def write_config(self, wrapper):
        path = os.path.join(self.w.root, "config.yaml")
        text = open(path).read().replace("{mode: host}", "{mode: host, program: %s}" % wrapper)
        with open(path, "w") as f:
            f.write(text)

    # ---- files ----

    def file(self, name, data, mode=0o600):
        path = os.path.join(self.dir, name)
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(path, mode)
        if os.geteuid() == 0:
            os.chown(path, 65532, 65532)
        return path

    def certificate(self, name, bits):
        key, crt = (os.path.join(self.dir, name + end) for end in (".key", ".crt"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:%d" % bits, "-nodes", "-keyout", key, "-out", crt, "-days", "2", "-subj", "/CN=" + name,
                        "-addext", "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
        return self.file(name + ".pem", open(crt, "rb").read() + open(key, "rb").read())

    # ---- the routes ----

    def section(self, **changes):
        base = {"listen": "127.0.0.1:%d" % self.w.port, "metrics": "127.0.0.1:%d" % self.w.metrics}
        base.update(changes)
        return base

    def lock(self, gateway, *changes, route="demo", privacy="local"):
        version = self.w.release("gateway=" + json.dumps(gateway), 'requirements.privacy="%s"' % privacy, *changes, route=route)
        return version

    def apply(self, version):
        return self.w.run("apply", self.w.lock(version), "--archive", os.path.join(self.w.state, "t", "tiny.tar"), timeout=150)

    def must_apply(self, *args, **kw):
        version = self.lock(*args, **kw)
        status, said = self.apply(version)
        if status:
            raise RuntimeError("apply ended with %d: %s" % (status, said))
        return version

    def begin(self):
        """Two routes on two addresses."""
        self.must_apply(self.section(listen="127.0.0.1:%d" % self.other), route="other")
        return self.must_apply(self.section())

    # ---- what is looked at ----

    def picture(self):
        """Journal, link, gateway and containers, whole."""
        seen = {}
        for where in ("routes/demo/journal", "gateway/state", "gateway/haproxy.cfg", "gateway/process.cfg", "gateway/canary.map", "gateway/releases.map",
                      "gateway/llmdeploy.conf", "gateway/haproxy.pid"):
            path = os.path.join(self.w.root, where)
            seen[where] = digest(open(path, "rb").read()) if os.path.exists(path) else None
        seen["active"] = self.w.active()
        seen["files"] = sorted(os.listdir(os.path.join(self.w.root, "gateway")))
        seen["containers"] = sorted(c["Id"] for c in self.w.our_containers())
        seen["workers"] = sorted(self.w.gateway_pids())
        return seen

    def differences(self, before):
        now = self.picture()
        # A worker of a reload before may end meanwhile, when it has finished its requests; a new one is a reload.
        if now["workers"] and set(now["workers"]) < set(before["workers"]):
            now["workers"] = before["workers"]
        return ["%s changed: %s, %s" % (k, before[k], now[k]) for k in before if before[k] != now[k]]

    def ask(self, port=None, tls=False, key=None, path="/v1/models"):
        """(status, release) of one request; status 0: no answer at all."""
        try:
            if tls:
                context = ssl._create_unverified_context()
                c = http.client.HTTPSConnection("127.0.0.1", port or self.w.port, timeout=5, context=context)
            else:
                c = http.client.HTTPConnection("127.0.0.1", port or self.w.port, timeout=5)
            c.request("GET", path, headers={"Authorization": "Bearer " + key} if key else {})
            r = c.getresponse()
            r.read()
            c.close()
            return r.status, r.getheader("x-llmdeploy-release")
        except (OSError, http.client.HTTPException):
            return 0, None

    def result(self, name, problems, clients=None):
        if clients:
            clients.stop()
            self.asked += clients.asked
            self.lost += len(clients.failed)
            if clients.failed:
                problems = problems + ["%d of %d requests of the other route failed: %s" % (len(clients.failed), clients.asked, clients.failed[:3])]
            if not clients.asked:
                problems = problems + ["the other route's clients did not ask"]
        self.count += 1
        print("%sok %d - %s" % ("not " if problems else "", self.count, name), flush=True)
        for p in problems:
            print("# " + str(p).replace("\n", "\n# "), flush=True)
        self.failures += bool(problems)

    # ---- 1. fields ----

    def rows(self):
        fallback = {"url": "https://api.example.org/v1", "model": "large"}
        listen = lambda at: self.section(listen=at)
        other = lambda **k: self.section(fallback=dict(fallback, **k))
        free = free_port()
        yield from (("listen: " + at, listen(at), "local") for at in
                    ("127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:abc", "127.0.0.1", "127.0.0.1:", "[::1:%d" % free, "[]:%d" % free, "[::g]:%d" % free, "::1:%d" % free,
                     "999.1.1.1:%d" % free, "no-such-host.invalid:%d" % free, "-a:%d" % free, "127.0.0.1:80", "203.0.113.1:%d" % free,
                     "localhost:%d" % self.other, "0.0.0.0:%d" % self.other, "[::]:%d" % self.other, "0.0.0.0:%d" % self.w.metrics, "127.0.0.1:%d" % self.w.metrics))
        yield from (("metrics: " + at, self.section(metrics=at), "local") for at in
                    ("127.0.0.1:x", "[::1", "256.0.0.1:%d" % free, "no-such-host.invalid:%d" % free, "0.0.0.0:%d" % self.other, "localhost:%d" % self.w.port))
        yield from (("fallback.url: " + url, other(url=url), "any") for url in
                    ("https://api.example.org:abc/v1", "https://api.example.org:/v1", "https://api.example.org:0/v1", "https://api.example.org:65536/v1",
                     "https://api.example.org:1:2/v1", "https://[::1/v1", "https://::1/v1", "https://[::g]/v1", "https://[]:443/v1", "https://-x/v1", "https://x..y/v1",
                     "https://" + "x" * 64 + ".org/v1", "https://1.2.3/v1", "https://999.1.1.1/v1", "https://h/a%20b", "https://h/%[src]", "https://h/v1/chat/completions",
                     "http://127.evil.example/v1", "http://10.0.0.1/v1", "https://user@h/v1"))
        weak, tiny = self.certificate("weak", 1024), self.certificate("tiny", 512)
        crt, key = (open(os.path.join(self.dir, "good." + e), "rb").read() for e in ("crt", "key"))
        closed = os.path.join(self.dir, "closed")
        os.makedirs(closed, exist_ok=True)
        inside = self.file("closed/good.pem", crt + key)
        os.chmod(closed, 0o700)
        certificates = [("a key that HAProxy finds too short", weak), ("a 512-bit key", tiny), ("below a closed directory", inside), ("nothing there", "/nowhere/x.pem"),
                        ("a directory", self.dir), ("no certificate", self.file("key.pem", key)), ("no key", self.file("crt.pem", crt)),
                        ("another's key", self.file("swapped.pem", crt + open(os.path.join(self.dir, "weak.key"), "rb").read())),
                        ("readable by all", self.file("open.pem", crt + key, 0o644)), ("a key that is cut", self.file("cut.pem", crt + key[:200])),
                        ("empty", self.file("empty.pem", ""))]
        yield from (("tls.certificate: " + name, self.section(tls={"certificate": path}), "local") for name, path in certificates)
        hashes = [("nothing there", "/nowhere/keys"), ("below a closed directory", self.file("closed/keys", "0" * 64 + " a\n", 0o644)), ("a directory", self.dir),
                  ("a key without a name", self.file("keys.bare", "0" * 64 + "\n")), ("no key", self.file("keys.text", "hello\n")),
                  ("capital letters", self.file("keys.caps", "A" * 64 + " a\n")), ("a byte of nothing", self.file("keys.nul", "\0" + "0" * 64 + " a\n")),
                  ("closed to the gateway", self.file("keys.closed", "0" * 64 + " a\n", 0))]
        yield from (("api_keys: " + name, self.section(api_keys=path), "local") for name, path in hashes)
        cas = [("nothing there", "/nowhere/ca"), ("no certificate", self.file("ca.bad", "hello\n")), ("empty", self.file("ca.empty", "")),
               ("a damaged one", self.file("ca.cut", crt[:len(crt) // 2]))]
        yield from (("fallback.ca_file: " + name, other(ca_file=path), "any") for name, path in cas)
        api = [("nothing there", "/nowhere/key"), ("readable by all", self.file("api.open", "k", 0o644)), ("below a closed directory", self.file("closed/api", "k"))]
        yield from (("fallback.api_key_file: " + name, other(api_key_file=path), "any") for name, path in api)
        yield from (("fallback.shareable: %s" % name, other(shareable=[name]), "any") for name in ("a b", "a\tb", "a\"b", "a\\", "#x", "", "x" * 1001))
        yield from (("fallback.model: %s" % name, other(model=name), "any") for name in ("", "a b", "a\nb", "$x", "x" * 1001))
        yield from (("sticky: %s" % name, self.section(sticky=name), "local") for name in ("a b", "a)", "a,b", "x:y", "\"", "x" * 1001))
        yield from (("%s: %s" % (k, v), self.section(**{k: v}), "local") for k, v in
                    (("max_body_bytes", 0), ("max_body_bytes", 10**13), ("max_body_bytes", "x"), ("queue", {"length": 0}), ("queue", {"length": 10**13}),
                     ("queue", {"timeout_ms": 0}), ("queue", {"timeout_ms": 2**31})))

    def fields(self):
        for name, gateway, privacy in self.rows():
            self.faults += 1
            clients = Clients(self.other)
            before = self.picture()
            version = self.lock(gateway, privacy=privacy)
            status, said = self.apply(version)
            problems = [] if status in (3, 6) else ["it ended with %d: %s" % (status, said.strip()[-300:])]
            problems += self.differences(before)
            if self.ask()[0] != 200:
                problems.append("the route itself answers %s" % (self.ask(),))
            self.result("%s: exit %d, nobody notices" % (repr(name)[1:60], status), problems, clients)
            if problems:
                self.must_apply(self.section())

    def accepted(self):
        """What looks strange and is none: HAProxy takes it."""
        fallback = {"url": "https://[2001:db8::1]:8443/openai/", "model": "a/b:c@d", "shareable": ["-large", "--", "or", "if", "a,b", "[x]", "%x"]}
        for name, gateway, privacy in (("names that look like options of HAProxy", self.section(fallback=fallback), "any"),
                                       ("the largest numbers", self.section(max_body_bytes=10**12, queue={"length": 10**6, "timeout_ms": 2**31 - 1}), "local"),
                                       ("a long header", self.section(sticky="x" * 256), "local"),
                                       ("IPv6, or a name", self.section(listen="localhost:%d" % self.second), "local")):
            clients = Clients(self.other)
            version = self.lock(gateway, privacy=privacy)
            status, said = self.apply(version)
            self.result("accepted: " + name, [] if status == 0 else ["it ended with %d: %s" % (status, said.strip()[-300:])], clients)
        self.must_apply(self.section())
        self.status()

    def status(self):
        """Each route with its own servers, as people see it and as programs do."""
        said = self.w.must("gateway", "status")
        seen = {line.split()[0]: line for line in said.splitlines() if " a " in line or " b " in line if "ready" in line}
        whole = json.loads(self.w.must("gateway", "status", "--json").strip().splitlines()[-1])
        problems = []
        for route in ("demo", "other"):
            active = self.w.active(route)
            if active not in seen.get(route, ""):
                problems.append("%s is active on '%s', and status says: %s" % (active, route, said))
        if len(whole["routes"]) != 2:
            problems.append("--json has %s" % whole)
        self.result("gateway status: two routes, each with its own servers", problems)

    # ---- 2. HAProxy itself ----

    def refuse(self, *places):
        for place in PLACES:
            path = os.path.join(self.dir, "refuse." + place)
            if place in places and not os.path.exists(path):
                open(path, "w").close()
            elif place not in places and os.path.exists(path):
                os.unlink(path)

    def door(self):
        """Another one each time."""
        self.w.versions += 0
        return self.section(sticky="X-%d" % self.w.versions)

    def operation(self, name):
        """What is to be done, with another door: (words, versions that may be active afterwards)."""
        active = self.w.active()
        apply = lambda v: ["apply", self.w.lock(v), "--archive", os.path.join(self.w.state, "t", "tiny.tar")]
        if name == "rollback":
            new = self.must_apply(self.door())
            return ["rollback", "demo"], {active, new}
        changes = ('rollout.strategy="recreate"',) if name == "recreate" else ()
        if name == "first":
            version = self.lock(self.section(listen="127.0.0.1:%d" % self.second), route="third")
            return apply(version), {active}
        version = self.lock(self.section() if name == "same door" else self.door(), *changes)
        return apply(version), {active, version}

    def ways_out(self):
        """Each command that someone may reach for."""
        return {"recover": ["recover", "demo"], "rollback": ["rollback", "demo"], "abort": ["abort", "demo"], "apply": None, "verify": ["verify", "demo", "--fix"]}

    def whole(self, allowed):
        others = {(c["Labels"] or {}).get("llmdeploy.lock", "")[:12] for c in self.w.our_containers()}
        problems = [p for p in self.w.invariants(allowed) if not any(p == "run/%s has no container" % o for o in others)]
        status, who = self.ask()
        if status != 200 or who != self.w.active():
            problems.append("the route answers %s %s, active is %s" % (status, who, self.w.active()))
        return problems

    def refused(self, places, name, out):
        words, allowed = self.operation(name)
        clients = Clients(self.other)
        self.faults += 1
        self.refuse(*places)
        status, said = self.w.run(*words, timeout=150)
        problems = [] if status in (0, 3, 6, 7, 9, 12) else ["it ended with %d: %s" % (status, said.strip()[-300:])]
        # It goes on refusing: whatever is called leaves the route as it was.
        for _ in range(2):
            self.w.run("recover", "demo", timeout=150)
            if self.ask()[0] != 200:
                problems.append("while HAProxy refuses, the route answers %s" % (self.ask(),))
        words = self.ways_out()[out]
        new = None
        if out == "apply":
            new = self.lock(self.section(), privacy="local")
            words = ["apply", self.w.lock(new), "--archive", os.path.join(self.w.state, "t", "tiny.tar")]
            self.refuse()
        ended, said = self.w.run(*words, timeout=150)
        if ended not in (0, 2, 3, 7) or (new and ended):
            problems.append("%s ended with %d: %s" % (out, ended, said.strip()[-300:]))
        self.refuse()
        ended, said = self.w.run("recover", "demo", timeout=150)
        if ended:
            problems.append("recover ended with %d: %s" % (ended, said.strip()[-300:]))
        if out in ("rollback", "apply"):
            allowed = set(allowed) | set(os.listdir(os.path.join(self.w.root, "routes", "demo", "releases")))
        problems += self.whole(allowed)
        self.result("HAProxy refuses at its %s: %s, exit %d; then %s" % (" and ".join(places), name, status, out), problems, clients)
        if problems:
            self.must_apply(self.section())

    def itself(self):
        outs = sorted(self.ways_out())
        turn = 0
        for places in (("check",), ("reload",), ("start",), ("check", "reload", "start"), ("reload", "start")):
            for name in ("apply", "same door", "rollback", "recreate", "first"):
                self.refused(places, name, outs[turn % len(outs)])
                turn += 1
        for out in outs:
            self.refused(("reload",), "apply", out)
        self.killed()

    def killed(self):
        """A process that ends while HAProxy refuses to be started: nothing runs by what was not accepted, and all is back as soon as it may."""
        self.refuse("check", "reload", "start")
        self.w.stop_gateway()
        status, said = self.w.run("gateway", "reload")
        problems = [] if status else ["reload ended with 0"]
        self.refuse()
        ended, said = self.w.run("recover", "demo")
        if ended:
            problems.append("recover ended with %d: %s" % (ended, said.strip()[-300:]))
        problems += self.whole({self.w.active()})
        if self.ask(self.other)[0] != 200:
            problems.append("the other route answers %s" % (self.ask(self.other),))
        self.result("HAProxy ended, and refuses to be started: exit %d, and back as soon as it may" % status, problems)

    # ---- 3. protection ----

    def as_started(self, argv):
        """Without what a reload puts into it, anywhere: -x SOCKET, -sf PID..."""
        kept, skip = [], False
        for word in argv:
            if skip or word in ("-x", "-sf", "-st"):
                skip = word == "-x"
            elif not (kept and word.isdigit()):
                kept.append(word)
        return kept

    def start_again(self):
        """As a restart policy does it: the files that are there, and no command of ours."""
        words = [open("/proc/%d/cmdline" % p, "rb").read().split(b"\0") for p in self.w.gateway_pids()]
        self.w.stop_gateway()
        for _ in range(200):
            if not self.w.gateway_pids():
                break
            time.sleep(0.05)
        argv = self.as_started([w.decode() for w in words[0] if w])
        user = {"user": 65532, "group": 65532, "extra_groups": []} if os.geteuid() == 0 else {}
        for _ in range(20):
            if subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user).returncode == 0:
                break
            time.sleep(0.25)
        for _ in range(400):
            if self.ask(self.other)[0] == 200:
                break
            time.sleep(0.05)

    def protected(self):
        key = "sk-test"
        keys = self.file("keys", "%s alice\n" % digest(key.encode()), 0o644)
        certificate = self.file("door.pem", open(self.good, "rb").read())
        version = self.must_apply(self.section(tls={"certificate": certificate}, api_keys=keys))
        acts = {"removed": lambda p: os.unlink(p), "closed": lambda p: os.chmod(p, 0), "damaged": lambda p: self.file(os.path.basename(p), "\0nonsense\n", 0o600),
                "a directory": lambda p: (os.unlink(p), os.mkdir(p))}
        whole = {keys: open(keys, "rb").read(), certificate: open(certificate, "rb").read()}
        weak = open(self.certificate("weak", 512), "rb").read()
        for path in (keys, certificate):
            if path == certificate:
                acts["changed into one that HAProxy alone refuses"] = lambda p: self.file(os.path.basename(p), weak)
            for what, act in acts.items():
                for then in ("nothing", "a restart", "recover", "an apply of the other route", "a reload"):
                    self.faults += 1
                    act(path)
                    clients = None if then == "a restart" else Clients(self.other)
                    problems = self.after(then)
                    problems += self.no_weaker(key, version)
                    self.result("%s %s, then %s" % (os.path.basename(path), what, then), problems, clients)
                    if os.path.isdir(path):
                        os.rmdir(path)
                    self.file(os.path.basename(path), whole[path], 0o600)
                    self.w.must("gateway", "reload")
        self.rebuilt(keys, certificate, key, version, whole)
        self.unseen(certificate, key, whole, weak)
        self.changed_door(key, certificate)

    def after(self, then):
        if then == "a restart":
            self.start_again()
        elif then == "recover":
            status, said = self.w.run("recover", "demo")
            return [] if status == 0 else ["recover ended with %d: %s" % (status, said.strip()[-300:])]
        elif then == "an apply of the other route":
            self.must_apply(self.section(listen="127.0.0.1:%d" % self.other, sticky="X-%d" % self.w.versions), route="other")
        elif then == "a reload":
            status, said = self.w.run("gateway", "reload")
            return [] if status == 3 else ["reload ended with %d: %s" % (status, said.strip()[-300:])]
        return []

    def no_weaker(self, key, version, closed=()):
        """In the clear: no answer. Without a key: none that is a model's. With it: the release, or an error where that is all that can be had."""
        problems = []
        plain, without, withkey = self.ask(key=key), self.ask(tls=True), self.ask(tls=True, key=key)
        if plain[0] not in (0, 400) or plain[1]:
            problems.append("in the clear it answers %s" % (plain,))
        if without[0] not in (0, 401, 503) or without[1]:
            problems.append("without a key it answers %s" % (without,))
        wanted = 0 if "certificate" in closed else 503 if "keys" in closed else 200
        if withkey[0] != wanted:
            problems.append("with a key it answers %s, %d is right" % (withkey, wanted))
        other = self.ask(self.other)
        if other[0] != 200:
            problems.append("the other route answers %s" % (other,))
        return problems

    def rebuilt(self, keys, certificate, key, version, whole):
        """The gateway's own folder is gone, and so is a file: what it protected is closed, and nothing else."""
        for gone, closed in ((keys, ("keys",)), (certificate, ("certificate",))):
            self.faults += 1
            os.unlink(gone)
            self.w.stop_gateway()
            time.sleep(0.1)
            for name in os.listdir(os.path.join(self.w.root, "gateway")):
                path = os.path.join(self.w.root, "gateway", name)
                subprocess.run(["rm", "-rf", path], check=True)
            status, said = self.w.run("recover", "demo")
            problems = [] if status == 0 else ["recover ended with %d: %s" % (status, said.strip()[-300:])]
            problems += self.no_weaker(key, version, closed)
            self.file(os.path.basename(gone), whole[gone], 0o600)
            status, said = self.w.run("gateway", "reload")
            problems += [] if status == 0 else ["reload ended with %d: %s" % (status, said.strip()[-300:])]
            problems += self.no_weaker(key, version)
            self.result("gateway/ is gone, and so is %s: closed until it is back" % os.path.basename(gone), problems)

    def unseen(self, certificate, key, whole, weak):
        """A certificate that was missing comes back as one that HAProxy refuses: a change of servers alone does not hand it to the next HAProxy."""
        os.unlink(certificate)
        self.w.stop_gateway()
        time.sleep(0.1)
        subprocess.run(["rm", "-rf", os.path.join(self.w.root, "gateway", "files")], check=True)
        problems = []
        status, said = self.w.run("recover", "demo")
        problems += [] if status == 0 else ["recover ended with %d: %s" % (status, said.strip()[-300:])]
        self.file(os.path.basename(certificate), weak)
        self.must_apply(self.section(listen="127.0.0.1:%d" % self.other), route="other")
        status, said = self.w.run("rollback", "other")
        problems += [] if status == 0 else ["rollback ended with %d: %s" % (status, said.strip()[-300:])]
        self.start_again()
        problems += self.no_weaker(key, None, ("certificate",))
        self.file(os.path.basename(certificate), whole[certificate])
        status, said = self.w.run("gateway", "reload")
        problems += [] if status == 0 else ["reload ended with %d: %s" % (status, said.strip()[-300:])]
        problems += self.no_weaker(key, None)
        self.result("a certificate comes back as one that HAProxy refuses: closed until a good one is there", problems)

    def changed_door(self, key, certificate):
        """From a door without protection to one with it: no answer of the new release in the clear, not one."""
        seen, over = [], threading.Event()

        def watch():
            while not over.is_set():
                seen.append(self.ask())

        old = self.must_apply(self.section())
        keys = os.path.join(self.dir, "keys")
        thread = threading.Thread(target=watch)
        thread.start()
        clients = Clients(self.other)
        version = self.must_apply(self.section(tls={"certificate": certificate}, api_keys=keys))
        over.set()
        thread.join()
        bare = [s for s in seen if s[1] == version]
        problems = ["%d answers of the protected release came in the clear" % len(bare)] if bare else []
        problems += [] if any(s[1] == old for s in seen) else ["the previous release answered nobody: nothing was looked at"]
        self.result("TLS and keys with the release that asks for them: none of %d answers in the clear is its own" % len(seen), problems, clients)

    def run(self):
        self.begin()
        for part in sys.argv[5:] or ("accepted", "fields", "itself", "protected"):
            getattr(self, part)()
        print("1..%d\n# %d configurations that HAProxy or we refuse, %d requests of another route, %d lost" % (self.count, self.faults, self.asked, self.lost))
        return 1 if self.failures else 0


def main():
    r = Refusals(*sys.argv[1:5])
    try:
        return r.run()
    finally:
        r.w.stop()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
