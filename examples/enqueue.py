#!/usr/bin/env python3
"""Enqueues a job with Python's standard library: enqueue.py [HOST:PORT or /path/to.sock]"""
import json, socket, sys, time, uuid

at = sys.argv[1] if len(sys.argv) > 1 else "localhost:6379"
job = {"id": uuid.uuid4().hex, "kind": "email.welcome", "enqueued_at": int(time.time() * 1000), "args": "Ada"}
words = [b"RPUSH", b"tasuki:{default}", json.dumps(job, separators=(",", ":")).encode()]
host, _, port = at.rpartition(":")
try:
    with socket.create_connection((host, int(port))) if host else socket.socket(socket.AF_UNIX) as s:
        if not host:
            s.connect(at)
        s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        reply = s.makefile("rb").readline().decode().strip()
except (OSError, ValueError) as e:
    sys.exit(f"enqueue: {e}")
if not reply.startswith(":"):
    sys.exit("enqueue: " + (reply or "no reply"))
print(job["id"])
