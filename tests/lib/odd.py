#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""odd.py PORT RULES: a server on a port of its own, which it prints, before an honest one on 127.0.0.1:PORT.

RULES is a file, read anew for each command; in each line a word and a pattern of commands without their tags:

  second PATTERN    every second of these is refused with NO
  no PATTERN        refused: NO
  bad PATTERN       refused: BAD
  full PATTERN      refused for want of room
  idle PATTERN      OK, and nothing is done
  cut PATTERN       the server gets it whole, and the line is cut before its answer
  bye PATTERN       BYE, and the line is cut; of an APPEND in the middle of the literal
  mute CODE         the response code CODE (APPENDUID, COPYUID) is left out of what the server says

A pattern is a regular expression that is looked for in the command, its first literal included. Literals are always
awaited ("+ go on") by us, so that a whole command is there before it is judged."""
import re
import socket
import sys
import threading

target, rules_path = int(sys.argv[1]), sys.argv[2]
ANSWERS = {
    "no": b"NO not this time",
    "bad": b"BAD that is no good",
    "full": b"NO [OVERQUOTA] no room",
    "idle": b"OK done",
}
counts, lock = {}, threading.Lock()
LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r\n$")


def rules():
    with open(rules_path, encoding="utf-8") as file:
        return [line.rstrip("\n").split(" ", 1) for line in file if line.strip()]


def verdict(command):
    for word, pattern in rules():
        if word == "mute" or not re.search(pattern.encode(), command, re.S):
            continue
        if word != "second":
            return word
        with lock:
            counts[pattern] = counts.get(pattern, 0) + 1
            if counts[pattern] % 2 == 0:
                return "no"
    return "pass"


def read_command(lines, client):
    """The whole of it; and what goes before each literal is answered here."""
    parts = []
    while True:
        line = lines.readline()
        if not line:
            return None
        parts.append(line)
        literal = LITERAL.search(line)
        if not literal:
            return b"".join(parts)
        size = int(literal[1])
        if any(word == "bye" and re.search(pattern.encode(), b"".join(parts)) for word, pattern in rules()):
            if not literal[2]:
                client.sendall(b"+ go on\r\n")
            lines.read(size // 2)
            client.sendall(b"* BYE not now\r\n")
            return None
        if not literal[2]:
            client.sendall(b"+ go on\r\n")
        parts[-1] = line[: literal.start()] + b"{%d+}\r\n" % size  # the server need not ask again
        parts.append(lines.read(size))


def up(client, server, state):
    lines = client.makefile("rb")
    while (command := read_command(lines, client)) is not None:
        if b" " not in command:  # of a login, or DONE
            server.sendall(command)
            continue
        tag, rest = command.split(b" ", 1)
        word = verdict(rest)
        if word in ANSWERS:
            client.sendall(tag + b" " + ANSWERS[word] + b"\r\n")
            continue
        state["cut"] = tag if word == "cut" else None
        server.sendall(command)
    for end in (client, server):
        end.shutdown(socket.SHUT_RDWR)


def down(client, server, state):
    for line in server.makefile("rb"):
        if state.get("cut") and line.startswith(state["cut"] + b" "):
            client.shutdown(socket.SHUT_RDWR)
            return
        for word, code in rules():
            if word == "mute":
                line = re.sub(rb"\[%s [^]]*\] " % code.encode(), b"", line)
        client.sendall(line)
    client.shutdown(socket.SHUT_RDWR)


def guarded(function, *args):
    try:
        function(*args)
    except OSError:  # either side has gone
        for end in args[:2]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
while True:
    near, _ = listener.accept()
    far, shared = socket.create_connection(("127.0.0.1", target)), {}
    for way in (up, down):
        threading.Thread(target=guarded, args=(way, near, far, shared), daemon=True).start()
