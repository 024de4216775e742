# SPDX-License-Identifier: Apache-2.0
"""Our readers, asked about many files at once through build/tests/compare/read."""
import json
import subprocess


def ask(program, files):
    """files: [(kind, bytes)]. Returns one answer a file, {"ok": ..., "value" or "why": ...}."""
    sent = b"".join(b"%s %d\n%s" % (kind.encode(), len(text), text) for kind, text in files)
    said = subprocess.run([program], input=sent, stdout=subprocess.PIPE, check=True, timeout=500).stdout
    answers, at = [], 0
    while at < len(said):
        line = said.index(b"\n", at)
        end = line + 1 + int(said[at:line])
        answers.append(json.loads(said[line + 1:end].decode(), parse_int=float))
        at = end
    if len(answers) != len(files):
        raise SystemExit("the reader answered %d of %d files" % (len(answers), len(files)))
    return answers
