#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model server that answers at once, for tests of the gateway: upstream.py SOCKET VERSION

GET /health and /v1/models; POST /v1/chat/completions: one answer with VERSION in it, or a stream of as many tokens as
max_tokens says, one every 20 ms."""
import asyncio
import json
import os
import sys


def answer(status, body, close=False):
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return (head + ("Connection: close\r\n" if close else "") + "\r\n").encode() + body


async def stream(writer, version, tokens):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(text):
        line = f"data: {text}\n\n".encode()
        writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    for i in range(tokens):
        chunk(json.dumps({"model": version, "choices": [{"delta": {"content": f"t{i} "}}]}))
        await writer.drain()
        await asyncio.sleep(0.02)
    chunk("[DONE]")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def serve(reader, writer):
    version = sys.argv[2]
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
            length = next((int(l.split(":")[1]) for l in head.split("\r\n") if l.lower().startswith("content-length:")), 0)
            body = await reader.readexactly(length)
            if head.startswith("GET "):
                writer.write(answer("200 OK", json.dumps({"status": "ok", "data": [{"id": version}]}).encode()))
                await writer.drain()
                continue
            q = json.loads(body or b"{}")
            if q.get("stream"):
                await stream(writer, version, int(q.get("max_tokens", 5)))
            else:
                text = {"model": version, "choices": [{"message": {"content": version}, "finish_reason": "stop"}]}
                writer.write(answer("200 OK", json.dumps(text).encode()))
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    path = sys.argv[1]
    if os.path.exists(path):
        os.unlink(path)
    # The path of a root may be longer than a socket's may: go there.
    os.chdir(os.path.dirname(path))
    server = await asyncio.start_unix_server(serve, os.path.basename(path), backlog=1024)
    os.chmod(os.path.basename(path), 0o777)
    async with server:
        await server.serve_forever()


asyncio.run(main())
