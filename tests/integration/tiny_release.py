#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A release of tests/integration/tiny_llm.c without packages or a compiler's run: a lock, and the archive of its image.

usage: tiny_release.py PROGRAM OUT ROUTE VERSION [KEY=JSON]... [-- ARGUMENT...]

Writes OUT/VERSION.lock.json and OUT/tiny.tar (the same image for all). KEY is a path in the lock, as in
rollout.watch_ms=2000; ARGUMENTs go to the engine. Apply it: llmdeploy apply OUT/VERSION.lock.json --archive OUT/tiny.tar
"""
import hashlib
import io
import json
import os
import sys
import tarfile


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def add(tar, name, data, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    entry.mode = mode
    tar.addfile(entry, io.BytesIO(data))


def layer_of(program):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("tmp", "models", "run", "run/engine"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        add(tar, "tiny", program, 0o755)
    return out.getvalue()


def image_of(program, path):
    layer = layer_of(program)
    config = canonical({"architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
                        "config": {"Entrypoint": ["/tiny"], "Labels": {"llmdeploy.route": "tiny"}},
                        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(layer)]}})
    kind = "application/vnd.oci.image."
    manifest = canonical({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                          "config": {"mediaType": kind + "config.v1+json", "digest": "sha256:" + digest(config), "size": len(config)},
                          "layers": [{"mediaType": kind + "layer.v1.tar", "digest": "sha256:" + digest(layer), "size": len(layer)}]})
    index = canonical({"schemaVersion": 2, "manifests": [{"mediaType": kind + "manifest.v1+json", "digest": "sha256:" + digest(manifest),
                                                          "size": len(manifest)}]})
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        add(tar, "oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
        add(tar, "index.json", index)
        for blob in (config, manifest, layer):
            add(tar, "blobs/sha256/" + digest(blob), blob)
    return {"config": digest(config), "manifest": digest(manifest), "packages": [],
            "layers": [{"name": "tiny", "diff_id": digest(layer), "size": len(layer)}]}


def lock_of(image, model, route, version, arguments):
    return {
        "apiVersion": "llmdeploy/v1", "kind": "Release", "tool": "tiny_release", "route": route, "version": version,
        "runtime": {"name": "tiny", "version": "1", "backend": "cpu", "architecture": "amd64", "packages_lock": "0" * 64},
        "image": image,
        "artifacts": [{"role": "model", "sha256": digest(model), "size": len(model), "path": "/models/model.gguf", "sources": []}],
        "container": {"argv": ["/tiny", "--socket", "/run/engine/engine.sock", "--model", route] + arguments, "env": [],
                      "socket": "/run/engine/engine.sock", "network": "none", "memory_bytes": 64 << 20, "pids": 600,
                      "stop_signal": "SIGTERM", "stop_timeout_ms": 2000, "read_only": True, "gpu": "", "devices": [], "tmpfs": {}},
        "probes": {"liveness": {"path": "/health", "status": [200, 503]},
                   "readiness": {"path": "/health", "ready": {"status": 200, "json": {"status": "ok"}}, "loading": {"status": [503]}},
                   "identity": {"path": "/v1/models", "json": {"data.0.id": route}},
                   "warmup": {"path": "/v1/chat/completions", "max_tokens": 1}},
        "logs": {"fatal": [], "oom": []},
        "health": {"startup_timeout_ms": 20000, "stall_timeout_ms": 20000},
        "eval": {"skip": "a tiny engine"},
        "rollout": {"strategy": "blue-green", "previous": "warm", "watch_ms": 0, "drain_ms": 1000, "keep": 5,
                    "gates": {"error_rate_percent": 5}},
        "gateway": {"listen": "127.0.0.1:8080"},
        "requirements": {"privacy": "local", "capabilities": []},
        "budget": {"weights_bytes": len(model), "adapters_bytes": 0, "kv_bytes": 0, "compute_bytes": 0, "output_bytes": 0,
                   "overhead_bytes": 0, "planned_bytes": len(model), "reserve_percent": 20, "limit_bytes": 64 << 20, "admission": "off"},
    }


def make(program, out, route, version, *rest):
    split = rest.index("--") if "--" in rest else len(rest)
    os.makedirs(out, exist_ok=True)
    model = b"a model of few bytes\n"
    with open(os.path.join(out, "model"), "wb") as file:
        file.write(model)
    with open(program, "rb") as file:
        image = image_of(file.read(), os.path.join(out, "tiny.tar"))
    lock = lock_of(image, model, route, version, list(rest[split + 1:]))
    for change in rest[:split]:
        path, value = change.split("=", 1)
        at, keys = lock, path.split(".")
        for key in keys[:-1]:
            at = at.setdefault(key, {})
        at[keys[-1]] = json.loads(value)
    with open(os.path.join(out, version + ".lock.json"), "wb") as file:
        file.write(canonical(lock) + b"\n")


if __name__ == "__main__":
    make(*sys.argv[1:])
