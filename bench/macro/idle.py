"""Many clients that logged in, ran one statement each, and wait: a minimal PostgreSQL client, SCRAM included."""

import base64
import functools
import hashlib
import hmac
import os
import socket
import struct


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def receive(sock):
    """(type, body) of the next message."""
    head = exactly(sock, 5)
    return head[:1], exactly(sock, struct.unpack("!i", head[1:])[0] - 4)


def exactly(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise SystemExit("the proxy closed a connection")
        data += part
    return data


@functools.lru_cache(maxsize=None)
def salted_password(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


def digest(key, text):
    return hmac.new(key, text, "sha256").digest()


def scram(sock, password):
    """RFC 5802 without channel binding, after AuthenticationSASL."""
    first_bare = b"n=,r=" + base64.b64encode(os.urandom(18))
    first = b"n,," + first_bare
    sock.sendall(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first))
    kind, body = receive(sock)
    if kind != b"R" or struct.unpack("!i", body[:4])[0] != 11:
        raise SystemExit(f"unexpected answer {kind} {body}")
    server_first = body[4:]
    fields = dict(part.split(b"=", 1) for part in server_first.split(b","))
    salted = salted_password(password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    client_key = digest(salted, b"Client Key")
    final_bare = b"c=biws,r=" + fields[b"r"]
    signature = digest(hashlib.sha256(client_key).digest(), first_bare + b"," + server_first + b"," + final_bare)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    sock.sendall(message(b"p", final_bare + b",p=" + base64.b64encode(proof)))


def connect(port, user=b"app", database=b"app", password=b"app"):
    sock = socket.create_connection(("127.0.0.1", port))
    startup = struct.pack("!i", 196608) + b"user\0" + user + b"\0database\0" + database + b"\0\0"
    sock.sendall(struct.pack("!i", len(startup) + 4) + startup)
    while True:
        kind, body = receive(sock)
        if kind == b"R" and struct.unpack("!i", body[:4])[0] == 10:
            scram(sock, password)
        elif kind == b"E":
            raise SystemExit(f"login failed: {body}")
        elif kind == b"Z":
            return sock


def simple(sock, sql):
    sock.sendall(message(b"Q", sql.encode() + b"\0"))
    while True:
        kind, body = receive(sock)
        if kind == b"E":
            raise SystemExit(f"{sql}: {body}")
        if kind == b"Z":
            return


def idle_clients(port, count):
    """`count` open sockets, each logged in, each having run one statement."""
    clients = []
    for i in range(count):
        sock = connect(port)
        simple(sock, f"SELECT abalance FROM pgbench_accounts WHERE aid = {i + 1}")
        clients.append(sock)
    return clients
