#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models of tests/fake/archs.table, and the runtime's own list of architectures.

    archs.py list LIBRARY RUNTIME.YAML    compares LLM_ARCH_NAMES of libllama.so with artifacts.architectures
    archs.py keys TABLE DIR               DIR/N.keys.gguf for each row: its keys, a tokenizer, no tensors
    archs.py models TABLE DIR TENSORS     DIR/N.gguf: the same with the tensors that arch_tensors printed into TENSORS, as a hole
"""
import os
import re
import struct
import sys

VOCABULARY = 512


# ---- the list: an array of {enum, char *} that relocations fill; "clip" is its first name ----

def names(library):
    b = open(library, "rb").read()
    offset, = struct.unpack_from("<Q", b, 0x28)
    count, strings = struct.unpack_from("<HH", b, 0x3C)
    heads = [struct.unpack_from("<IIQQQQIIQQ", b, offset + 64 * i) for i in range(count)]
    texts = heads[strings][4]
    sections = {b[texts + h[0]:b.index(b"\0", texts + h[0])].decode(): h for h in heads}
    rela, rodata = sections[".rela.dyn"], sections[".rodata"]
    target = {}
    for at in range(rela[4], rela[4] + rela[5], 24):
        where, info, addend = struct.unpack_from("<QQq", b, at)
        if info & 0xFFFFFFFF == 8 and rodata[3] <= addend < rodata[3] + rodata[5]:
            target[where] = addend - rodata[3] + rodata[4]

    def text(where):
        at = target[where]
        return b[at:b.index(b"\0", at)].decode()

    for first in target:
        if text(first) != "clip" or first + 16 not in target or text(first + 16) != "llama":
            continue
        out, at = [], first
        while at in target and text(at) != "(unknown)":
            out.append(text(at))
            at += 16
        return [n for n in out if n != "clip"]
    sys.exit("archs.py: there is no list of architectures in " + library)


# ---- GGUF ----

def string(s):
    return struct.pack("<Q", len(s.encode())) + s.encode()


def value(v):
    """A pair's value, with its type before it."""
    if isinstance(v, tuple):  # of signed numbers
        return struct.pack("<IIQ", 9, 5, len(v)) + struct.pack(f"<{len(v)}i", *v)
    if isinstance(v, list):
        kind, body = value(v[0])[:4], b"".join(value(x)[4:] for x in v)
        return struct.pack("<I", 9) + kind + struct.pack("<Q", len(v)) + body
    if isinstance(v, bool):
        return struct.pack("<I?", 7, v)
    if isinstance(v, int):
        return struct.pack("<II", 4, v)
    if isinstance(v, float):
        return struct.pack("<If", 6, v)
    return struct.pack("<I", 8) + string(v)


def parse(word):
    if word[0] == "[":
        return [parse(w) for w in word[1:-1].split(",")]
    if word[0] == '"':
        return word[1:-1]
    if word in ("true", "false"):
        return word == "true"
    return float(word) if "." in word or "e" in word else int(word)


def rows(table):
    for line in open(table):
        if line.startswith("#"):
            continue
        words = line.split()
        keys = {"general.architecture": words[0]}
        for w in words[4:]:
            k, v = w.split("=", 1)
            keys[k[1:] if k[0] == "/" else f"{words[0]}.{k}"] = parse(v)
        keys[f"{words[0]}.vocab_size"] = VOCABULARY
        yield words[0], words[1:4], keys


def with_tokenizer(keys):
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    tokens = ["<unk>", "<s>", "</s>"] + bytes_ + [f"w{i}" for i in range(VOCABULARY - 259)]
    return keys | {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.scores": [0.0] * VOCABULARY,
                   "tokenizer.ggml.token_type": (2, 3, 3) + (6,) * 256 + (1,) * (VOCABULARY - 259), "tokenizer.ggml.bos_token_id": 1,
                   "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0}


def write(path, keys, tensors):
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(string(k) + value(v) for k, v in keys.items())
    data = 0
    for name, dims in tensors:
        n = 1
        for d in dims:
            n *= d
        head += string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, data)
        data += (n * 4 + 31) // 32 * 32
    head += bytes(-len(head) % 32)
    with open(path, "wb") as f:
        f.write(head)
        f.truncate(len(head) + data)


def tensors_of(path):
    """By file: the tensors, each once; those of a file that was refused are not there."""
    found, now = {}, None
    for line in open(path):
        words = line.split()
        if words[0] == "file":
            name, now = os.path.basename(words[1]), {}
        elif words[0] == "tensor":
            dims = [int(d) for d in words[2:]]
            while len(dims) > 1 and dims[-1] == 1:
                dims.pop()
            now[words[1]] = dims
        elif words[0] == "end" and words[1] == "0":
            found[name] = list(now.items())
    return found


def main():
    if sys.argv[1] == "list":
        theirs = names(sys.argv[2])
        ours = re.split(r"[\s,]+", re.search(r"^  architectures: \[(.*?)\]", open(sys.argv[3]).read(), re.M | re.S)[1].strip())
        print(f"archs: the runtime names {len(theirs)} architectures, its definition {len(ours)}")
        for what, some in (("only the runtime has", set(theirs) - set(ours)), ("only the definition has", set(ours) - set(theirs))):
            if some:
                print(f"archs: {what}", *sorted(some))
        sys.exit(theirs != ours)
    table, folder = sys.argv[2:4]
    tensors = tensors_of(sys.argv[4]) if sys.argv[1] == "models" else {}
    for i, (name, numbers, keys) in enumerate(rows(table)):
        if sys.argv[1] == "keys":
            write(f"{folder}/{i}.keys.gguf", keys | {"tokenizer.ggml.model": "no_vocab"}, [])
        else:
            own = tensors.get(f"{i}.keys.gguf")
            print(i, name, *numbers, "yes" if own else "no")
            if own:
                write(f"{folder}/{i}.gguf", with_tokenizer(keys), own)


main()
