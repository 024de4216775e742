#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stop, start, remove, releases, versions with other content, and an apply under way: what clients get, what is said and left, while another route is asked all the time. TAP.

usage: stop.py PROGRAM STATE

Two routes share an address, a third has its own. On the fake Engine with the installed HAProxy."""
import http.client
import http.server
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time

from harness import Harness, free_port, tiny_release

WRONG = {"name": "g", "cases": [{"id": "a", "severity": "blocker", "messages": [{"role": "user", "content": "x"}], "context": [], "max_tokens": 4,
                                 "seed": 42, "timeout_ms": 5000, "attempts": 1, "assert": [{"kind": "contains", "values": ["no such word"]}]}]}
EXIT_USAGE, EXIT_SPEC, EXIT_GATE, EXIT_HELD, EXIT_DRIFT, EXIT_RECOVERY, EXIT_INTERRUPTED = 2, 3, 6, 10, 11, 12, 130


class Clients(threading.Thread):
    """One who asks a route all the time. What it got is counted by answer."""

    def __init__(self, harness, route):
        super().__init__(daemon=True)
        self.w, self.route, self.over, self.got = harness, route, False, {}

    def run(self):
        while not self.over:
            status, _, _ = ask(self.w.port, self.route)
            self.got[status] = self.got.get(status, 0) + 1
            time.sleep(0.01)

    def end(self):
        self.over = True
        self.join()
        return self.got


def ask(port, route, path="/v1/chat/completions"):
    """(status or the error, the release that answered, headers and body)"""
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        c.request("POST", path, json.dumps({"model": route, "messages": [{"role": "user", "content": "x"}]}), {"Content-Type": "application/json"})
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, r.getheader("x-llmdeploy-release"), (r, text)
    except ConnectionRefusedError:
        return "refused", None, None
    except OSError as e:
        return str(e), None, None


class Hosted(http.server.BaseHTTPRequestHandler):
    """A fallback."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        text = json.dumps({"model": "big", "choices": [{"message": {"role": "assistant", "content": "from elsewhere"}, "finish_reason": "stop"}],
                           "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


class Stop:
    def __init__(self, harness):
        self.w, self.count, self.failures, self.said = harness, 0, 0, ""

    def result(self, name, *wrong):
        wrong = [str(w) for w in wrong if w]
        self.count += 1
        self.failures += bool(wrong)
        print("%sok %d - %s" % ("not " if wrong else "", self.count, name), flush=True)
        for text in wrong + (["output: " + self.said] if wrong else []):
            print("# " + text.replace("\n", "\n# "), flush=True)

    def run(self, *words, status=0, says=()):
        """What is wrong with how it ended and what it said, or nothing."""
        code, self.said = self.w.run(*words)
        wrong = [] if code == status else ["%s ended with %d, not %d" % (" ".join(words), code, status)]
        for text in [says] if isinstance(says, str) else says:
            wrong += [] if text in self.said else ["%s did not say: %s" % (" ".join(words), text)]
        return "\n".join(wrong + ([self.said] if wrong else []))

    def apply(self, *changes, route="demo", arguments=(), status=0, says=()):
        version = self.w.release(*changes, route=route, arguments=arguments)
        return version, self.run("apply", self.w.lock(version), "--archive", os.path.join(self.w.state, "t", "tiny.tar"), status=status, says=says)

    def json(self, *words):
        code, text = self.w.run(*words, "--json")
        return json.loads(text.splitlines()[-1]) if text.strip() else {}

    def status(self, route="demo", **want):
        now = self.json("status", route)
        return ["status: %s is %s, not %s" % (k, now.get(k), v) for k, v in want.items() if now.get(k) != v]

    def answers(self, status, release=None, route="demo", port=None):
        got = None
        for _ in range(60):  # a server that has just been started is up with its next health check
            got = ask(port or self.w.port, route)[:2]
            if got[0] == status and release in (None, got[1]):
                return None
            time.sleep(0.05)
        return "the gateway answers %s, not %s by %s" % (got, status, release)

    def container(self, version):
        for c in self.w.our_containers():
            if c["Labels"].get("llmdeploy.version") == version:
                return c["State"], self.w.ask_engine("GET", "/v1.41/containers/%s/json" % c["Id"])["HostConfig"]["RestartPolicy"]["Name"], c["Id"]
        return None, None, None

    def is_stopped(self, version):
        state, policy, _ = self.container(version)
        return None if state != "running" and policy in ("no", "") else "the container of %s is %s, its restart policy '%s'" % (version, state, policy)

    # ---- parts ----

    def stop_and_start(self):
        s1, bad = self.apply()
        s2, worse = self.apply()
        o1, other = self.apply(route="other")
        self.result("two releases of a route, and another route on its address", bad, worse, other, self.answers(200, s2), self.answers(200, o1, "other"))
        clients = Clients(self.w, "other")
        clients.start()
        wrong = self.run("stop", "demo", says=["from now on clients of this route get", "503 with Retry-After",
                                               "stopped: route 'demo' runs nothing, '%s' stays its active release" % s2, "next: llmdeploy start demo"])
        self.result("stop says what clients get, and what to do next", wrong)
        code, _, answer = ask(self.w.port, "demo")
        reply, text = answer or (None, "{}")
        error = json.loads(text).get("error", {})
        self.result("while it is stopped clients get 503 with Retry-After, in OpenAI's form", code != 503 and code,
                    reply and not reply.getheader("retry-after") and "no Retry-After", not (error.get("message") and error.get("type")) and text)
        self.result("neither release runs, and the Engine brings none back", self.is_stopped(s1), self.is_stopped(s2))
        self.result("status says so", *self.status(state="stopped", active=s2, rollback_to=s1), self.run("status", "demo", says="stopped"))
        self.result("verify finds no fault in that", self.run("verify", "demo", says="everything matches the lockfile"), self.run("verify", says="everything matches"))
        self.result("stop again: nothing to do", self.run("stop", "demo", says="nothing to do: route 'demo' is stopped"))
        self.result("recover, as at boot, does not start it", self.run("recover", "--all"), self.run("recover", "demo"), self.is_stopped(s2),
                    self.answers(503), *self.status(state="stopped"))
        self.w.ask_engine("POST", "/v1.41/containers/%s/start" % self.container(s2)[2])
        self.result("someone started its container: verify says so", self.run("verify", "demo", status=EXIT_DRIFT, says=["container", "stopped: the route is stopped"]),
                    *self.status(state="stopped, but its container is running"))
        self.result("verify --fix stops it", self.run("verify", "demo", "--fix"), self.is_stopped(s2), self.answers(503), self.run("verify", "demo"))
        self.result("rollback to the active one points to start", self.run("rollback", "demo", "--to", s2, status=EXIT_USAGE,
                                                                           says="the route is stopped: llmdeploy start demo"))
        self.result("ask says that it is stopped", self.run("ask", "demo", "x", status=EXIT_USAGE, says="route 'demo' is stopped: llmdeploy start demo"))
        self.result("gc keeps what start needs", self.run("gc"))
        self.result("start", self.run("start", "demo", says="started: '%s' of route 'demo' serves" % s2), self.answers(200, s2), *self.status(state="serving"))
        self.result("start again: nothing to do", self.run("start", "demo", says="nothing to do: '%s' of route 'demo' serves" % s2), self.run("verify", "demo"))
        self.after_stop(s1, s2)
        got = clients.end()
        self.result("the other route never noticed: %s" % got, set(got) != {200} and got)

    def after_stop(self, s1, s2):
        wrong = self.run("stop", "demo")
        self.result("rollback of a stopped route starts the one before", wrong, self.run("rollback", "demo", says="from '%s' to '%s', which is stopped" % (s2, s1)),
                    self.answers(200, s1), *self.status(state="serving", active=s1, rollback_to=None, forward_to=s2))
        self.result("and forward again", self.run("rollback", "demo", "--to", s2), self.answers(200, s2), *self.status(rollback_to=s1, forward_to=None),
                    self.run("status", "demo", says="to %s" % s1))
        wrong = self.run("stop", "demo")
        self.result("apply of the active release starts it", wrong, self.run("apply", self.w.lock(s2), says="started: '%s' is active, and the route was stopped" % s2),
                    self.answers(200, s2))
        wrong = self.run("stop", "demo")
        _, bad = self.apply("eval=" + json.dumps({"golden": WRONG}), status=EXIT_GATE, says="the route stays stopped")
        self.result("a release that fails leaves it stopped", wrong, bad, self.answers(503), self.is_stopped(s2), *self.status(state="stopped", active=s2))
        new, bad = self.apply()
        self.result("one that passes has the traffic", bad, self.answers(200, new), *self.status(state="serving", active=new), self.run("verify", "demo"))
        self.result("history tells of it", self.run("history", "demo", says=["stop", "route_stopped", "start", "route_started"]))
        code, said = self.w.run("stop", "nowhere")
        self.result("a route that is not there", (code != EXIT_USAGE or "no route 'nowhere'" not in said) and said)

    def interrupted(self):
        """Ctrl-C while a request in flight is waited for: it serves as before."""
        slow, bad = self.apply("rollout.drain_ms=20000", arguments=("--answer-ms", "2500"))
        got = []
        client = threading.Thread(target=lambda: got.append(ask(self.w.port, "demo")[:2]))
        client.start()
        time.sleep(0.2)
        p = subprocess.Popen([self.w.program, "stop", "demo"], env=self.w.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        journal = os.path.join(self.w.root, "routes", "demo", "journal")
        for _ in range(400):
            if b'"event":"stop"' in open(journal, "rb").read().splitlines()[-1]:
                break
            time.sleep(0.01)
        time.sleep(0.3)
        p.send_signal(signal.SIGINT)
        self.said = p.communicate(timeout=60)[0].decode()
        client.join()
        self.result("Ctrl-C in the drain of a stop: it serves as before", bad, p.returncode != EXIT_INTERRUPTED and p.returncode,
                    "'%s' serves as before" % slow not in self.said and self.said, got != [(200, slow)] and got, self.answers(200, slow), self.run("verify", "demo"))
        self.apply()

    def held(self):
        """A candidate without a verdict is aborted by a stop, as by an apply."""
        canary = {"steps": [{"weight_percent": 50, "duration_ms": 20, "min_requests": 5}], "gates": {
            "error_rate_percent": 5, "against_active": {"error_rate_percent": 50, "p95_percent": 9000, "ttft_percent": 9000}}}
        active = self.w.active()
        candidate, bad = self.apply('rollout.strategy="canary"', "rollout.canary=" + json.dumps(canary), status=EXIT_HELD)
        wrong = self.run("stop", "demo", says="the held candidate is aborted first")
        self.result("stop aborts a held candidate", bad, wrong, self.is_stopped(active), self.container(candidate)[0], *self.status(state="stopped", held=None))

    def repairs(self):
        """Of a route that is stopped: the gateway's state is lost, its journal is given up, its model is replaced."""
        active = self.w.active()
        os.unlink(os.path.join(self.w.root, "gateway", "state"))
        self.result("the gateway's state is created again: the stopped route leads to no release", self.run("recover", "other", says="rebuilt from the active releases"),
                    self.answers(503), self.answers(200, route="other"), self.run("recover", "demo"), self.run("verify"), *self.status(state="stopped"))
        journal = os.path.join(self.w.root, "routes", "demo", "journal")
        text = open(journal, "rb").read()
        at = text.index(b"\n") - 20
        with open(journal, "wb") as f:
            f.write(text[:at] + bytes([text[at] ^ 1]) + text[at + 1:])
        self.result("a journal that is broken before it said so", self.run("recover", "demo", status=EXIT_RECOVERY),
                    self.run("recover", "demo", "--accept-journal"), *self.status(active=active))
        self.run("stop", "demo")
        with open(journal, "ab") as f:
            f.write(b"0123abcd a line that is no record\n" + b"another\n")
        self.result("a journal that is broken after it said so: the route stays stopped", self.run("recover", "demo", status=EXIT_RECOVERY),
                    self.run("recover", "demo", "--accept-journal"), self.is_stopped(active), *self.status(state="stopped", active=active))
        self.result("start after that", self.run("start", "demo"), self.answers(200, active), self.run("verify", "demo"))

    def damaged(self):
        """A route whose active release cannot be read can be removed."""
        self.w.put_model()
        version, bad = self.apply(route="third")
        path = os.path.join(self.w.root, "routes", "third", "releases", version, "release.lock.json")
        os.chmod(path, 0o644)
        with open(path, "ab") as f:
            f.write(b" ")
        self.result("a damaged release does not keep its route from being removed", bad, self.run("remove", "third", "--yes", says="cannot be read: its requests are not drained"),
                    *[w for w in self.w.removed("third") if "port" not in w and "localhost/" not in w])
        slow, bad = self.apply(route="third", arguments=("--answer-ms", "1000"))
        got = []
        client = threading.Thread(target=lambda: got.append(ask(self.w.port, "third")[:2]))
        client.start()
        time.sleep(0.3)
        wrong = self.run("remove", "third", "--yes", "--purge")
        client.join()
        self.result("a request in flight ends before its route goes", bad, wrong, got != [(200, slow)] and got)

    def fallback(self):
        port = free_port()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Hosted)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        gateway = {"listen": "127.0.0.1:%d" % self.w.port, "metrics": "127.0.0.1:%d" % self.w.metrics, "fallback": {"url": "http://127.0.0.1:%d/v1" % port, "model": "big"}}
        version, bad = self.apply("gateway=" + json.dumps(gateway), 'requirements.privacy="any"')
        wrong = self.run("stop", "demo", says="the fallback where it may answer")
        status, by, answer = ask(self.w.port, "demo")
        self.result("a stopped route with a fallback: it answers", bad, wrong, (status, by) != (200, None) and (status, by),
                    answer and "elsewhere" not in answer[1] and answer[1])
        self.result("and the release again after start", self.run("start", "demo"), self.answers(200, version))
        self.apply()
        server.shutdown()

    def confirm(self, answer):
        """`remove` at a terminal. (status, what it said)"""
        pid, fd = pty.fork()
        if not pid:
            os.execve(self.w.program, [self.w.program, "remove", "demo"], dict(self.w.env, TERM="xterm"))
        text = b""
        try:
            while b"[y/N]" not in text:
                text += os.read(fd, 4096)
            os.write(fd, answer)
            while True:
                text += os.read(fd, 4096)
        except OSError:
            pass
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode(errors="replace")

    def remove(self):
        active = self.w.active()
        solo_port = free_port()
        gateway = {"listen": "127.0.0.1:%d" % solo_port, "metrics": "127.0.0.1:%d" % self.w.metrics}
        solo, bad = self.apply("gateway=" + json.dumps(gateway), route="solo")
        clients = Clients(self.w, "other")
        clients.start()
        self.result("remove asks, and in a pipe wants --yes", bad, self.run("remove", "demo", status=EXIT_USAGE, says=["remove route 'demo': '%s' is active" % active,
                    "new ones get 503 with Retry-After", "after that: 404 on 127.0.0.1:%d, where 'other' continues" % self.w.port, "--purge removes them", "use --yes"]),
                    self.answers(200, active))
        status, said = self.confirm(b"n\n")
        self.result("at a terminal no is no", status != EXIT_INTERRUPTED and status, "not removed" not in said and said, self.answers(200, active))
        self.run("pin", "demo", active, "--reason", "the audit")
        status, said = self.confirm(b"y\n")
        self.result("and yes is yes", status and (status, said), "removed: route 'demo'" not in said and said, "pinned releases among them: " + active not in said and said)
        # The address is another route's, too, and so is the image: all tiny engines have the same.
        self.result("nothing is left but its journal", *[w for w in self.w.removed("demo") if "port" not in w and "localhost/" not in w])
        got = ask(self.w.port, "demo", "/demo/v1/chat/completions")[:2]
        code, _, answer = ask(self.w.port, "demo")
        error = json.loads(answer[1]).get("error", {}) if answer else {}
        self.result("its clients get 404 on the shared address", got[0] != 404 and got, code != 404 and code, error.get("code") != "model_not_found" and error)
        self.result("status, history and releases say so", *self.status(state="removed", active=None), self.run("history", "demo", says=["remove", "removed"]),
                    self.run("releases", "demo", says="it was removed"))
        self.result("verify and gc find nothing", self.run("verify"), self.run("gc"), self.run("recover", "--all"))
        self.result("remove again: nothing to do", self.run("remove", "demo", "--yes", says="nothing to do: route 'demo' is removed"))
        self.result("nothing to stop, to start or to roll back to", self.run("stop", "demo", status=EXIT_USAGE, says="has no active release"),
                    self.run("start", "demo", status=EXIT_USAGE, says="has no active release"),
                    self.run("rollback", "demo", status=EXIT_USAGE, says="no release to roll back to: none was ever committed"))
        self.w.put_model()
        again, bad = self.apply()
        self.result("apply begins it again, with the journal that there is", bad, self.answers(200, again), *self.status(active=again, rollback_to=None), self.run("verify"))
        self.result("--purge removes the journal, too", self.run("remove", "solo", "--yes", "--purge", says=["nothing listens on 127.0.0.1:%d" % solo_port, "purged"]),
                    os.path.exists(os.path.join(self.w.root, "routes", "solo")) and "routes/solo is there", self.container(solo)[0], self.run("verify"),
                    ask(solo_port, "solo")[0] != "refused" and "something answers on its port", self.run("status", "solo", status=EXIT_USAGE, says="no route 'solo'"))
        self.w.must("remove", "demo", "--yes")
        self.result("--purge of one that was removed before", self.run("remove", "demo", "--yes", "--purge", says="its journal remains"),
                    self.run("status", "demo", status=EXIT_USAGE))
        got = clients.end()
        self.result("the other route never noticed: %s" % got, set(got) != {200} and got)

    def outcomes(self):
        self.w.put_model()
        _, bad = self.apply(route="other")
        wrong = [bad]
        for words, outcome in ((["stop"], "stopped"), (["stop"], "nothing"), (["start"], "started"), (["start"], "nothing"), (["remove", "--yes"], "removed"),
                               (["remove", "--yes"], "nothing"), (["remove", "--yes", "--purge"], "purged")):
            got = self.json(words[0], "other", *words[1:])
            wrong += [] if got.get("outcome") == outcome and got.get("route") == "other" else ["%s: %s, not %s" % (words, got, outcome)]
        self.result("--json: each outcome", *wrong)
        code, text = self.w.run("remove", "other", "--json")
        self.result("--json never asks", code != EXIT_USAGE and text)

    def releases(self):
        self.w.put_model()
        r1, _ = self.apply()
        r2, _ = self.apply()
        r3, _ = self.apply()
        self.w.must("pin", "demo", r1, "--reason", "the audit")
        now = {r["version"]: r for r in self.json("releases", "demo")["releases"]}
        want = {r1: ("committed", True, False), r2: ("committed", False, True), r3: ("active", False, False)}
        self.result("releases: state, pinned, where a rollback goes", *[
            "%s: %s" % (v, now.get(v)) for v, w in want.items() if (now[v]["state"], now[v]["pinned"], now[v]["rollback"]) != w or not now[v]["committed"] or
            not now[v]["bytes"] or "no questions" not in now[v]["evidence"]], list(now) != [r3, r2, r1] and list(now))
        self.result("releases, for people", self.run("releases", "demo", says=["rollback target, warm", "pinned (the audit)", "to %s, warm" % r2]))
        self.w.must("rollback", "demo")
        now = {r["version"]: r for r in self.json("releases", "demo")["releases"]}
        self.result("after a rollback", now[r3]["state"] != "rolled back from" and now[r3], not now[r3]["forward"] and now[r3], not now[r1]["rollback"] and now[r1],
                    self.run("releases", "demo", says="to %s: llmdeploy rollback demo --to %s" % (r3, r3)))
        self.w.must("stop", "demo")
        self.result("of a stopped route", self.run("releases", "demo", says="active, stopped"))
        self.w.must("start", "demo")

    def conflicts(self):
        """The same version with another content: which fields differ, and what to do."""
        version, bad = self.apply()
        self.result("a release, for its likes", bad)
        text = json.load(open(self.w.lock(version)))
        for changes, says, table in (
                ({"rollout.keep": 4}, "rollout.keep 5 -> 4; give it a new version", "rollout.keep"),
                ({"eval.skip": "another reason"}, "eval.skip a tiny engine -> another reason; give", "eval.skip"),
                ({"container.argv": text["container"]["argv"] + ["--ctx-size", "4096"]}, "--ctx-size none -> 4096; give", "--ctx-size"),
                ({"tool": "another"}, "tool tiny_release -> another; give", "tool"),
                ({"probes.warmup.max_tokens": 2}, "probes.warmup.max_tokens 1 -> 2; give", "probes.warmup.max_tokens"),
                ({"container.env": ["A=b"]}, "container.env [] -> [\"A=b\"]; give", "container.env"),
                ({"container.memory_bytes": 65 << 20}, "container.memory_bytes 67108864 -> 68157440; give", "memory limit"),
                ({"rollout.keep": 4, "health.stall_timeout_ms": 1, "eval.skip": "x", "rollout.drain_ms": 7, "rollout.watch_ms": 5},
                 "eval.skip a tiny engine -> x, health.stall_timeout_ms 20000 -> 1, rollout.drain_ms 1000 -> 7 and 2 more; give it a new version", "rollout.watch_ms")):
            other = json.loads(json.dumps(text))
            for path, value in changes.items():
                at = other
                for key in path.split(".")[:-1]:
                    at = at[key]
                at[path.split(".")[-1]] = value
            path = os.path.join(self.w.state, "other.lock.json")
            with open(path, "wb") as f:
                f.write(tiny_release.canonical(other) + b"\n")
            self.result("another content: " + says, self.run("apply", path, status=EXIT_SPEC, says=["version '%s' of 'demo' exists with other content: %s" % (version, says), table]))
        self.result("the same content is none", self.run("apply", self.w.lock(version), says="nothing to do"), self.answers(200, version))

    def under_way(self):
        """An apply in its watch, then one that was killed there."""
        version = self.w.release("rollout.watch_ms=60000")
        p = subprocess.Popen([self.w.program, "apply", self.w.lock(version)], env=self.w.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(400):
            if self.w.active() == version:
                break
            time.sleep(0.02)
        time.sleep(0.2)
        now = self.json("status", "demo").get("under_way") or {}
        self.result("status shows an apply under way: phase, since when, by whom", *["%s is %s" % (k, now.get(k)) for k, v in (
            ("operation", "apply"), ("version", version), ("phase", "watching the new release"), ("interrupted", False)) if now.get(k) != v],
            "pid %d: apply %s" % (p.pid, self.w.lock(version)) not in (now.get("holder") or "") and now, not now.get("phase_since") and now,
            self.run("status", "demo", says=["under way", "pid %d" % p.pid, "apply of '%s': watching the new release, since 2" % version]),
            self.run("status", says="watching the new release"))
        self.result("releases meanwhile", self.run("releases", "demo", says=version))
        p.kill()
        p.wait()
        now = self.json("status", "demo").get("under_way") or {}
        self.result("and one that was killed, with the way out", now.get("interrupted") is not True and now,
                    self.run("status", "demo", says="'apply' of '%s' was interrupted after 'flipped': llmdeploy recover demo" % version))
        self.apply("rollout.watch_ms=0")
        self.result("nothing is under way afterwards", self.json("status", "demo").get("under_way"))


def main():
    program, state = sys.argv[1:]
    os.makedirs(state, exist_ok=True)
    harness = Harness(program, os.path.join(state, "harness"), "host")
    try:
        with open("/bin/true", "rb") as source, open(os.path.join(harness.state, "tiny"), "wb") as out:
            out.write(source.read())
        harness.release()
        harness.new_root()
        t = Stop(harness)
        for part in (t.stop_and_start, t.interrupted, t.held, t.repairs, t.damaged, t.fallback, t.remove, t.outcomes, t.releases, t.conflicts, t.under_way):
            part()
        print("1..%d" % t.count)
        return 1 if t.failures else 0
    finally:
        harness.stop()


# Who ends it early finds no Engine and no gateway of it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
