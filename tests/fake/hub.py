#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hub of models, written from huggingface.co's documented API: what it has, in small.

    hub.py DIR          writes DIR/port, serves until it is ended; what it was asked is in DIR/asked

A request that the real hub would not understand ends the server, with the reason in DIR/died: a path that is no part of the API, a
Range that is malformed, an Authorization that is no bearer token or goes to the storage (another host there), a signed address that
was changed. Storage is a second port: /resolve/ of a file in Git LFS redirects there, as the real hub does.
"""
import hashlib
import http.server
import json
import os
import pathlib
import re
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
import make  # noqa: E402  the tiny models of the golden compilations

NEW, OLD = "1f" * 20, "0e" * 20
GOOD, POOR = "hf_good", "hf_poor"
PAGE = 1000
folder = pathlib.Path(sys.argv[1])
counts = {}


def die(why):
    (folder / "died").write_text(why + "\n")
    os._exit(3)


def sized(rows, **pairs):
    """A tiny model with a further tensor of so many rows."""
    fields = {"general.architecture": "llama", "general.name": "tiny", "llama.block_count": 2, "llama.context_length": 4096,
              "llama.embedding_length": 64, "llama.feed_forward_length": 128, "llama.attention.head_count": 2,
              "llama.attention.head_count_kv": 1, "tokenizer.ggml.tokens": ["<s>", "a", "b", "c"]}
    fields.update(pairs)
    return make.gguf(fields, [("token_embd.weight", 4, 64), ("blk.0.attn_q.weight", 64, 64), ("blk.1.attn_q.weight", rows, 64)])


def hollow(rows):
    """The header of a model whose weights nobody wrote, and its whole size."""
    data = sized(64)
    small = 2 * 64 * 64
    head = data[:len(data) - 2 * small - 2 * 4 * 64].replace(b"blk.1.attn_q.weight" + (2).to_bytes(4, "little") + (64).to_bytes(8, "little") +
                                                          (64).to_bytes(8, "little"),
                                                          b"blk.1.attn_q.weight" + (2).to_bytes(4, "little") + (64).to_bytes(8, "little") +
                                                          rows.to_bytes(8, "little"))
    return head, len(data) - small + 2 * rows * 64


class File:
    def __init__(self, data, lfs=True, size=None):
        self.data, self.lfs, self.size = data, lfs, size or len(data)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def entry(self, path):
        e = {"type": "file", "oid": self.oid, "size": self.size, "path": path}
        if self.lfs:
            e["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 134}
            e["xetHash"] = "ab" * 32
        return e


README = File(b"# tiny\n", lfs=False)
big, big_size = hollow(2 ** 32)
projector = make.gguf({"general.architecture": "clip", "general.type": "mmproj"}, [("v.patch", 4, 64)])
tiny = {
    ".gitattributes": File(b"*.gguf filter=lfs\n", lfs=False), "README.md": README,
    "tiny.Q2_K.gguf": File(sized(8)), "tiny.Q4_0.gguf": File(sized(16)), "tiny.Q4_K_M.gguf": File(sized(20)), "tiny.Q5_K_M.gguf": File(sized(32)),
    "sub dir/tiny Q6_K.gguf": File(sized(40)), "tiny.Q8_0.gguf": File(sized(64)), "tiny.F16.gguf": File(sized(128)),
    "mmproj-tiny-F16.gguf": File(projector), "tiny.imatrix.gguf": File(b"GGUF imatrix"),
    "tiny.F32-00001-of-00002.gguf": File(sized(200)), "tiny.F32-00002-of-00002.gguf": File(sized(201)),
}
repos = {
    "acme/tiny-GGUF": {NEW: tiny, OLD: {"tiny.Q4_K_M.gguf": File(sized(21)), "README.md": README}},
    "acme/one": {NEW: {"model.gguf": File(sized(50))}},
    "acme/tensors": {NEW: {"config.json": File(b"{}", lfs=False), "model-00001-of-00002.safetensors": File(b"x" * 900),
                           "model-00002-of-00002.safetensors": File(b"y" * 100)}},
    "acme/empty": {NEW: {"README.md": README, "weights.bin": File(b"pickle")}},
    "acme/nothing": {NEW: {}},
    "acme/split": {NEW: {"m-00001-of-00003.gguf": File(sized(200)), "m-00003-of-00003.gguf": File(sized(201))}},
    "acme/liar": {NEW: {"adapter.Q4_K_M.gguf": File(make.adapter(4)), "page.Q5_K_M.gguf": File(b"<html><title>Oops</title>"), "tiny.Q8_0.gguf": File(sized(64))}},
    "acme/plain": {NEW: {"small.gguf": File(sized(1), lfs=False)}},
    "acme/huge": {NEW: {"huge.Q4_K_M.gguf": File(big, size=big_size), "huge.Q8_0.gguf": File(big + b"\0" * 64, size=big_size + 64)}},
    "acme/half-huge": {NEW: {"huge.Q8_0.gguf": File(big, size=big_size), "tiny.Q4_K_M.gguf": File(sized(20))}},
    "acme/adapter": {NEW: {"lora.gguf": File(make.adapter(4))}},
    "acme/gated": {NEW: {"model.Q4_K_M.gguf": File(sized(50))}},
    "acme/terms": {NEW: {"model.Q4_K_M.gguf": File(sized(50))}},
    "acme/archive": {NEW: {"a.zip": File(b"PK")}},
    "acme/limited": {NEW: {"model.Q4_K_M.gguf": File(sized(50))}},
    "acme/many": {NEW: dict({"dir/%05d.txt" % i: README for i in range(2500)}, **{"z.Q4_K_M.gguf": File(sized(50))})},
}
names = {"main": NEW, "v1": OLD, NEW: NEW, OLD: OLD, NEW[:12]: None}


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, v in headers.items():
            self.send_header(name.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code, message, **more):
        self.reply(status, json.dumps({"error": message}).encode(), X_Error_Code=code, X_Error_Message=message, Content_Type="application/json", **more)

    def do_GET(self):
        with lock:
            (folder / "asked").open("a").write("%s %s %s\n" % (self.path, self.headers.get("Range", "-"), self.headers.get("Authorization", "-")))
        url = urllib.parse.urlsplit(self.path)
        if not self.headers.get("User-Agent"):
            die("no User-Agent")
        auth = self.headers.get("Authorization")
        if auth is not None and not re.fullmatch(r"Bearer hf_[A-Za-z0-9]+", auth):
            die("Authorization: " + auth)
        m = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/(revision|tree)/([\w.%-]+)", url.path)
        if m:
            return self.api(m[1], m[2], urllib.parse.unquote(m[3]), urllib.parse.parse_qs(url.query), auth)
        m = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([\w.%-]+)/(.+)", url.path)
        if m and not url.query:
            return self.resolve(m[1], urllib.parse.unquote(m[2]), urllib.parse.unquote(m[3]), auth)
        die("no such path: " + self.path)

    def may(self, repo, auth):
        if repo == "acme/private" or repo not in repos:
            # The real hub does not tell those apart from what is not there; without a token it asks for one.
            self.refuse(404 if auth else 401, "RepoNotFound", "Repository not found" if auth else "Invalid username or password.")
            return False
        if repo == "acme/gated" and auth != "Bearer " + GOOD:
            self.refuse(403 if auth else 401, "GatedRepo", "Access to model acme/gated is restricted.")
            return False
        if auth == "Bearer hf_invalid":
            self.refuse(401, "", "Invalid credentials in Authorization header")
            return False
        return True

    def api(self, repo, what, revision, query, auth):
        with lock:
            n = counts[repo] = counts.get(repo, 0) + 1
        if repo == "acme/old-name":
            return self.reply(307, Location=self.path.replace(repo, "acme/tiny-GGUF"))
        if repo == "acme/portal":
            return self.reply(200, b"<html><title>Hotel</title></html>", Content_Type="text/html")
        if repo == "acme/hang":
            time.sleep(30)
        if repo == "acme/broken":
            return self.reply(200, b'{"sha": "not a commit"}')
        if repo == "acme/down":
            return self.reply(503, b"down")
        if repo == "acme/stopped":
            return self.refuse(429, "", "We had to rate limit your IP", RateLimit='"api";r=0;t=280', RateLimit_Policy='"fixed window";"api";q=500;w=300')
        if repo == "acme/limited" and n <= 2:
            return self.refuse(429, "", "We had to rate limit your IP", RateLimit='"api";r=0;t=1')
        if not self.may(repo, auth):
            return None
        commit = names.get(revision)
        if not commit or commit not in repos[repo]:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id: " + revision)
        if what == "revision":
            if query:
                die("revision takes no such query: " + self.path)
            return self.reply(200, json.dumps({"id": repo, "sha": commit, "gated": False, "private": False, "tags": ["gguf", "license:mit"],
                                               "siblings": [{"rfilename": f} for f in repos[repo][commit]]}).encode(), Content_Type="application/json")
        return self.tree(repo, commit, query)

    def tree(self, repo, commit, query):
        if query.get("recursive") != ["true"] or set(query) - {"recursive", "cursor", "limit"}:
            die("tree takes no such query: " + self.path)
        files = sorted(repos[repo][commit])
        folders = sorted({f.rsplit("/", 1)[0] for f in files if "/" in f})
        entries = [{"type": "directory", "oid": "00" * 20, "size": 0, "path": d} for d in folders] + [repos[repo][commit][f].entry(f) for f in files]
        at = int(query.get("cursor", ["0"])[0])
        more = {}
        if at + PAGE < len(entries):
            # The real host's name, whatever endpoint was asked: a mirror may pass it on as it is.
            more["Link"] = '<https://huggingface.co/api/models/%s/tree/%s?recursive=true&cursor=%d>; rel="next"' % (repo, commit, at + PAGE)
        return self.reply(200, json.dumps(entries[at:at + PAGE]).encode(), Content_Type="application/json", **more)

    def resolve(self, repo, revision, path, auth):
        if repo == "acme/old-name":
            return self.reply(307, Location=self.path.replace(repo, "acme/tiny-GGUF"))
        if not self.may(repo, auth):
            return None
        if repo == "acme/terms" and auth != "Bearer " + GOOD: # its list is for everybody, its files are not
            return self.refuse(403 if auth else 401, "GatedRepo", "Access to model acme/terms is restricted.")
        f = repos[repo].get(names.get(revision), {}).get(path)
        if not f:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        if not f.lfs:
            return self.reply(200, f.data, X_Repo_Commit=names[revision], ETag='"%s"' % f.oid)
        where = "http://127.0.0.1:%d/%s/%s?Signature=%s" % (storage.server_address[1], repo, f.sha256, f.sha256[:8])
        return self.reply(302, Location=where, X_Repo_Commit=names[revision], X_Linked_Size=str(f.size), X_Linked_ETag='"%s"' % f.sha256)


class Storage(Hub):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if self.headers.get("Authorization"):
            die("a token went to the storage")
        org, repo, sha = url.path[1:].split("/")
        if url.query != "Signature=" + sha[:8]:
            die("a signed address was changed: " + self.path)
        f = next(f for files in repos["%s/%s" % (org, repo)].values() for f in files.values() if f.sha256 == sha)
        asked = self.headers.get("Range")
        if not asked:
            return self.reply(200, f.data)
        m = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
        if not m:
            die("Range: " + asked)
        first, last = int(m[1]), min(int(m[2] or f.size - 1), f.size - 1)
        if first > last:
            return self.reply(416, Content_Range="bytes */%d" % f.size)
        body = f.data[first:last + 1]
        body += b"\0" * (last + 1 - first - len(body))
        return self.reply(206, body, Content_Range="bytes %d-%d/%d" % (first, last, f.size))


lock = threading.Lock()
hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
storage = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
threading.Thread(target=storage.serve_forever, daemon=True).start()
(folder / "port.new").write_text("%d\n" % hub.server_address[1])
(folder / "port.new").rename(folder / "port")
hub.serve_forever()
