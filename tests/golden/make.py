#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes what the golden compilations read: tiny models, tiny Debian packages, a mirror, runtimes.

    make.py DIR RUNTIME.YAML

Every byte is written here by hand, so that no digest depends on a library's version. Below DIR:
    models/*.gguf                      mirror/pool/*.deb
    runtimes/VARIANT/llama.cpp/        runtime.yaml and packages.lock, whole or broken in one way
"""
import hashlib
import json
import pathlib
import shutil
import struct
import sys


# ---- GGUF: header, pairs, tensors; version 3 ----

def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def value(v):
    if isinstance(v, str):
        return struct.pack("<I", 8) + text(v)
    if isinstance(v, list):
        return struct.pack("<IIQ", 9, 8, len(v)) + b"".join(map(text, v))
    return struct.pack("<II", 4, v)


def gguf(pairs, tensors):
    """tensors: name, rows, columns, all of type f16."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(text(k) + value(v) for k, v in pairs.items())
    data = b""
    for name, rows, columns in tensors:
        head += text(name) + struct.pack("<IQQIQ", 2, columns, rows, 1, len(data))
        data += bytes(len(name) + i & 0xFF for i in range(2 * rows * columns))
        data += bytes(-len(data) % 32)
    return head + bytes(-len(head) % 32) + data


TENSORS = [("token_embd.weight", 4, 64), ("blk.0.attn_q.weight", 64, 64), ("blk.1.attn_q.weight", 64, 64)]


def model(architecture="llama", tensors=TENSORS, **changed):
    pairs = {
        "general.architecture": architecture,
        "general.name": "tiny",
        f"{architecture}.block_count": 2,
        f"{architecture}.context_length": 4096,
        f"{architecture}.embedding_length": 64,
        f"{architecture}.feed_forward_length": 128,
        f"{architecture}.attention.head_count": 2,
        f"{architecture}.attention.head_count_kv": 1,
        "tokenizer.ggml.tokens": ["<s>", "a", "b", "c"],
    }
    pairs.update(changed)
    return gguf(pairs, tensors)


def adapter(rank, layer=0, width=64, b=True, **changed):
    pairs = {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"}
    pairs.update(changed)
    tensors = [(f"blk.{layer}.attn_q.weight.lora_a", rank, 64), (f"blk.{layer}.attn_q.weight.lora_b", width, rank)]
    return gguf(pairs, tensors if b else tensors[:1])


def write_models(folder):
    folder.mkdir()
    tiny = model()
    files = {
        "tiny.gguf": tiny,
        "cut.gguf": tiny[:-100],
        "text.gguf": b"<!DOCTYPE html> not found\n",
        "vocabulary.gguf": model(tensors=[]),
        "vision.gguf": model(tensors=TENSORS + [("v.blk.0.attn_q.weight", 8, 64)]),
        "deeper.gguf": model(tensors=TENSORS + [("blk.2.attn_q.weight", 64, 64)]),
        "mmproj.gguf": gguf({"general.architecture": "clip", "general.type": "mmproj"}, [("v.patch_embd.weight", 8, 64)]),
        "control.gguf": gguf({"general.architecture": "controlvector", "controlvector.layer_count": 2}, [("direction.1", 1, 64)]),
        "imatrix.gguf": gguf({"general.type": "imatrix", "imatrix.chunk_count": 8}, [("blk.0.attn_q.weight.in_sum2", 1, 64)]),
        "elsewhere.gguf": adapter(4, layer=7),
        "wider.gguf": adapter(4, width=96),
        "half.gguf": adapter(4, b=False),
        "unloadable.gguf": model("lama2"),
        "inexact.gguf": model("deepseek4"),
        "narrow.gguf": model(**{"llama.attention.head_count": 4}),
        "one.gguf": adapter(4),
        "two.gguf": adapter(8),
        "foreign.gguf": adapter(4, **{"general.architecture": "qwen3"}),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


# ---- Debian packages: ar, with plain tars in it ----

def entry(path, kind="0", content=b"", mode=0o644, link=""):
    """One header of a ustar archive and its content. kind: 0 file, 1 hard link, 2 link, 3 device, 5 folder."""
    head = bytearray(512)

    def put(at, data):
        head[at:at + len(data)] = data

    put(0, path.encode())
    put(100, b"%07o\0%07o\0%07o\0%011o\0%011o\0        " % (mode, 0, 0, len(content), 1000000000))
    put(156, kind.encode() + link.encode())
    put(257, b"ustar\00000root")
    put(297, b"root")
    put(329, b"%07o\0%07o\0" % (1, 3))
    put(148, b"%06o\0 " % sum(head))
    return bytes(head) + content + bytes(-len(content) % 512)


def tar(entries):
    whole = b"".join(entry(*e[:1], **e[1]) for e in entries) + bytes(1024)
    return whole + bytes(-len(whole) % 10240)


def member(name, data):
    return b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", len(data)) + data + b"\n" * (len(data) % 2)


def deb(name, version, arch, entries):
    control = f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\nDescription: for tests\n".encode()
    return (b"!<arch>\n" + member(b"debian-binary", b"2.0\n")
            + member(b"control.tar", tar([("./", {"kind": "5", "mode": 0o755}), ("./control", {"content": control})]))
            + member(b"data.tar", tar(entries)))


def folder(path):
    return (path, {"kind": "5", "mode": 0o755})


def plain(path, content, mode=0o644):
    return (path, {"content": content.encode(), "mode": mode})


def copyright_of(name):
    return plain(f"./usr/share/doc/{name}/copyright", f"{name} is free\n")


CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
ENGINE = [
    folder("./"), folder("./usr/"), folder("./usr/bin/"),
    plain("./usr/bin/llama-server", "the engine\n", 0o755),
    ("./usr/bin/llama-serve", {"kind": "1", "link": "./usr/bin/llama-server"}),
    copyright_of("llama.cpp-tools"),
    plain("./usr/share/man/man1/llama-server.1.gz", "left out\n"),
]
# name, version, architecture, layer, files, entries
PACKAGES = [
    ("ca-certificates", "20260101", "all", "base", ["usr/share/ca-certificates/mozilla/"], [
        plain("./usr/share/ca-certificates/mozilla/B.crt", CERTIFICATE.format("Qg==")),
        plain("./usr/share/ca-certificates/mozilla/A.crt", CERTIFICATE.format("QQ==")),
        plain("./usr/sbin/update-ca-certificates", "left out\n", 0o755),
        copyright_of("ca-certificates")]),
    ("coreutils", "9.7-3", "amd64", "base", ["usr/bin/unlink"], [
        plain("./usr/bin/unlink", "unlink\n", 0o755), plain("./usr/bin/ls", "left out\n", 0o755),
        copyright_of("coreutils")]),
    ("execline", "2.9.7-1", "amd64", "base", None, [
        plain("./usr/lib/execline/bin/execline", "execline\n", 0o755),
        ("./usr/lib/execline/bin/foreground", {"kind": "2", "link": "execline"}),
        plain("./bin/execlineb", "merged into /usr\n", 0o755),
        copyright_of("execline")]),
    ("llama.cpp-tools", "1:0.7.0+dfsg-2", "amd64", "engine", None, ENGINE),
]


def write_package(mirror, name, version, arch, layer, files, entries, change=None, at="pool"):
    data = deb(name, version, arch, entries)
    path = f"{at}/{name}_{version.split(':')[-1]}_{arch}.deb"
    lock = {"name": name, "version": version, "architecture": arch, "suite": "testing", "path": path}
    if change:
        data = change(data)
    if at != "gone":
        (mirror / path).parent.mkdir(parents=True, exist_ok=True)
        (mirror / path).write_bytes(data)
    lock.update(sha256=hashlib.sha256(data).hexdigest(), size=len(data), installed_size=1024, layer=layer)
    if files:
        lock["files"] = files
    lock["reason"] = "asked for"
    return lock


INDEX = {
    "suite": "testing", "archive": "debian", "codename": "forky", "components": ["main"],
    "date": "2026-01-01T00:00:00Z", "accepted_expired": False, "release_sha256": "0" * 64, "signed_by": ["A" * 40],
}


def write_runtime(base, variant, packages, runtime):
    at = base / "runtimes" / variant / "llama.cpp"
    at.mkdir(parents=True)
    shutil.copy(runtime, at / "runtime.yaml")
    lock = {"index": [INDEX], "packages": packages, "excludes": []}
    tree = {"apiVersion": "llmdeploy/v1", "kind": "PackagesLock", "runtime": "llama.cpp", "locks": {"cpu/amd64": lock}}
    (at / "packages.lock").write_text(json.dumps(tree, indent=2) + "\n")


# What is in place of the engine's package, in a variant of the mirror.
ENGINES = {
    "parent": {"entries": ENGINE + [plain("./usr/../../etc/passwd", "x")]},
    "absolute": {"entries": ENGINE + [plain("/etc/passwd", "x")]},
    "device": {"entries": ENGINE + [("./dev/sda", {"kind": "3", "mode": 0o660})]},
    "setuid": {"entries": ENGINE + [plain("./usr/bin/su", "su\n", 0o4755)]},
    "conflict": {"entries": ENGINE + [plain("./usr/bin/unlink", "another one\n", 0o755)]},
    "through-link": {"entries": ENGINE + [("./usr/lib/out", {"kind": "2", "link": "/etc"}), plain("./usr/lib/out/passwd", "x")]},
    "cut": {"change": lambda d: d[:-12000]},
    "noise": {"change": lambda d: b"<html>" + d},
    "other": {"change": lambda d: d.replace(b"Package: llama.cpp-tools", b"Package: llama.cpp-toolz")},
    "gone": {},
}


def main():
    base, runtime = pathlib.Path(sys.argv[1]), sys.argv[2]
    mirror = base / "mirror"
    write_models(base / "models")
    good = [write_package(mirror, *p) for p in PACKAGES]
    write_runtime(base, "good", good, runtime)
    name, version, arch, layer, files, entries = PACKAGES[-1]
    for variant, how in ENGINES.items():
        bad = write_package(mirror, name, version, arch, layer, files, how.get("entries", entries), how.get("change"), variant)
        write_runtime(base, variant, good[:-1] + [bad], runtime)
    # The mirror's file is another one than the lock says.
    swapped = dict(good[-1], path=f"swapped/{pathlib.Path(good[-1]['path']).name}")
    at = mirror / swapped["path"]
    at.parent.mkdir()
    at.write_bytes((mirror / good[-1]["path"]).read_bytes().replace(b"the engine", b"The engine"))
    write_runtime(base, "swapped", good[:-1] + [swapped], runtime)


if __name__ == "__main__":
    main()
