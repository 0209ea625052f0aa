"""serve.py - clients of `yardmaster serve` that curl is too well-behaved to be, each a word of the command line.

    serve.py URL events N         print N frames, one line of JSON each
    serve.py URL hostile PID      all that is unkind, and whether the server (PID) still answers, and stays small
    serve.py URL slow PID         a viewer that does not read
"""

import json
import os
import socket
import struct
import sys
import time
import urllib.parse
import urllib.request

PATIENCE = 20
MANY = 3000
RSS_MOST = 200 << 20


class Server:
    def __init__(self, url):
        self.url = url.rstrip("/")
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname, parts.port)

    def connect(self):
        return socket.create_connection(self.address, timeout=PATIENCE)

    def send(self, data):
        """What it says to these bytes, until it closes."""
        with self.connect() as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return self.rest(sock)

    @staticmethod
    def rest(sock):
        said = b""
        while True:
            try:
                part = sock.recv(65536)
            except ConnectionResetError:
                return said
            if not part:
                return said
            said += part

    def fine(self):
        """Well, and quick?"""
        start = time.monotonic()
        with urllib.request.urlopen(self.url + "/api/status", timeout=PATIENCE) as answer:
            json.load(answer)
        took = time.monotonic() - start
        assert took < 2, f"an answer took {took:.1f} s"

    def open_frames(self):
        sock = self.connect()
        sock.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return sock


def status_of(said):
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0


def rss(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def events(server, number):
    with urllib.request.urlopen(server.url + "/events", timeout=PATIENCE) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream", answer.headers
        left = int(number)
        for line in answer:
            if line.startswith(b"data: {"):
                print(json.dumps(json.loads(line[6:])), flush=True)
                left -= 1
            if left == 0:
                return


# ---- unkind ---------------------------------------------------------------------------------------------------------

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
# Bytes, and the status that they get.
WRONG = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    (bytes(range(256)) * 4, 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET https://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: localhost\n\n" + b"\r\n\r\n", 400),
    (GET + b" folded: 1\r\n\r\n", 400),
    (GET + b"Host: localhost\r\n\r\n", 400),
    (GET + b"X : 1\r\n\r\n", 400),
    (GET + b"X: \x00\r\n\r\n", 400),
    (GET + b"Content-Length: 5\r\n\r\nhello", 413),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
    (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", 405),
    (b"DELETE /api/jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
    (GET + b"X: " + b"b" * 100000 + b"\r\n\r\n", 431),
    (GET + b"".join(b"X%d: 1\r\n" % i for i in range(20000)) + b"\r\n", 431),
    (GET.replace(b"localhost", b"evil.example") + b"\r\n", 421),
    (GET.replace(b"localhost", b"127.0.0.1.evil.example:80") + b"\r\n", 421),
    (GET.replace(b"/healthz", b"http://evil.example/healthz") + b"\r\n", 421),
]


def wrong_requests(server):
    for data, status in WRONG:
        said = server.send(data)
        assert status_of(said) == status, (data[:60], said[:80])
        server.fine()


def endless_stream(server):
    """Bytes without end, of which nothing can become a request."""
    with server.connect() as sock:
        sent = 0
        try:
            while sent < 64 << 20:
                sent += sock.send(b"GET /" + b"x" * 65531)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 64 << 20, "it takes whatever comes"
    server.fine()


def pipelined(server):
    """Many requests at once: an answer to each, in order."""
    with server.connect() as sock:
        sock.sendall((GET + b"\r\n") * 500 + GET + b"Connection: close\r\n\r\n")
        said = server.rest(sock)
    assert said.count(b"HTTP/1.1 ") == 501, said.count(b"HTTP/1.1 ")


def resets(server):
    """Ask, and go with a reset before the answer is read."""
    for path in (b"/", b"/metrics", b"/events", b"/api/jobs/1", b"/api/status"):
        for _ in range(40):
            with server.connect() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server.fine()


def crowd(server):
    """Thousands of connections that say nothing, or half of something: others still get through."""
    socks = []
    for i in range(MANY):
        sock = server.connect()
        if i % 2:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        socks.append(sock)
        if i % 500 == 499:
            server.fine()
    for sock in socks:
        sock.close()
    server.fine()


def drip(server):
    """Half a request, a byte now and then: it ends all the same, in its time."""
    with server.connect() as sock, server.connect() as silent:
        start = time.monotonic()
        sock.sendall(b"GET / HTTP/1.1\r\n")
        sock.settimeout(0.2)
        said = b""
        while time.monotonic() - start < 30 and not said:
            try:
                sock.sendall(b"x")
                said = sock.recv(100)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        took = time.monotonic() - start
        assert took < 25 and (not said or status_of(said) == 408), (took, said)
        silent.settimeout(PATIENCE)
        assert silent.recv(1) == b"", "a connection that says nothing stays"
    server.fine()


def hostile(server, pid):
    for attack in (wrong_requests, endless_stream, pipelined, resets, crowd, drip):
        attack(server)
        assert rss(pid) < RSS_MOST, f"{attack.__name__}: {rss(pid)} bytes of memory"
    print("fine")


def slow(server, pid):
    """A hundred viewers that read nothing: one that reads gets its frames, and memory does not grow."""
    lazy = [server.open_frames() for _ in range(100)]
    with urllib.request.urlopen(server.url + "/events", timeout=PATIENCE) as answer:
        frames, before, start = 0, 0, time.monotonic()
        while time.monotonic() - start < 8:
            line = answer.readline()
            assert line, "the viewer that reads was dropped"
            frames += line.startswith(b"data: {")
            if not before and time.monotonic() - start > 4:
                before = rss(pid)
    assert frames >= 16, f"only {frames} frames"
    assert rss(pid) < before + (8 << 20), f"memory grew from {before} to {rss(pid)}"
    for sock in lazy:
        sock.close()
    server.fine()
    print("fine")


def main():
    {"events": events, "hostile": hostile, "slow": slow}[sys.argv[2]](Server(sys.argv[1]), *sys.argv[3:])


main()
