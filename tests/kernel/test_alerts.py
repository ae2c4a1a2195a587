#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Alerts that leave the machine: to a real rsyslog by each of the three ways, and to HTTP receivers
that answer, refuse, hang, hang up and are away.

    test_alerts.py DRIVER [NAME...]

    DRIVER  what is made of alert_driver.c
    NAME    of the tests to run (default: all)

Needs root, iproute2, openssl, rsyslog and util-linux. Prints TAP. All of it runs in namespaces of
its own, with a loopback, a /dev and a name server of their own, and ends with them.
"""
import concurrent.futures
import contextlib
import faulthandler
import functools
import http.server
import json
import os
import re
import select
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

PATIENCE_S = 20
DRIVER = os.path.abspath(sys.argv[1]) if sys.argv[1:] else ""
PROMPT_MS = 100
HOST = socket.gethostname()
# What the driver calls its container, and what that is on the way.
NAME = 'a]"\\b\nä'
SD_NAME = r"a\]\"\\b\\x0aä"
# What it says of itself it keeps to itself: /dev/log is listened to by one test alone.
RSYSLOG = """
global(workDirectory="%(directory)s" net.enableDNS="off" processInternalMessages="on")
module(load="imuxsock" SysSock.Use="off")
module(load="imtcp")
template(name="all" type="string" string="%%protocol-version%%|%%pri%%|\
%%timereported:::date-rfc3339%%|%%hostname%%|%%app-name%%|%%procid%%|\
%%msgid%%|%%structured-data%%|%%msg%%\\n")
action(type="omfile" file="%(directory)s/all" template="all" asyncWriting="off")
%(inputs)s
"""


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}:\n got {got!r}\nwant {want!r}")


def wait_for(condition, what, found=lambda: ""):
    """What it gives once it is true."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE_S} s: {what} {found()}")
        time.sleep(0.01)


class Driver:
    """A process with one way out. Proxies that its environment names are nobody's."""

    def __init__(self, *words):
        nowhere = "http://127.0.0.1:9"
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [DRIVER], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "http_proxy": nowhere, "https_proxy": nowhere,
                 "ALL_PROXY": nowhere, "TZ": "UTC"})  # fmt: skip
        self.ask(*words)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        same(status, 0, "how the driver ended")

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
            raise AssertionError(f"no answer to {words}")
        line = self.process.stdout.readline()
        if not line.startswith("ok"):
            raise AssertionError(f"{words}: {line!r}, {self.process.poll()}")
        return line[3:].rstrip("\n")

    def send(self, first, count=1, padding=0):
        """Milliseconds that it kept the loop from other things."""
        return float(self.ask("send", first, count, padding))

    def state(self):
        """(waiting, delivered, lost, fault)"""
        waiting, delivered, lost, fault = self.ask("state").split(" ", 3)
        return int(waiting), int(delivered), int(lost), fault

    def fault(self, pattern):
        """Waits for it."""
        return wait_for(lambda: re.search(pattern, self.state()[3]), pattern, self.state)

    def delivered(self, count):
        wait_for(lambda: self.state()[:2] == (0, count), f"{count} delivered", self.state)
        return self.state()[2:]

    def close(self):
        took_ms = float(self.ask("close"))
        assert took_ms < PROMPT_MS, f"{took_ms} ms to end"


def messages(first, count):
    return [f"message-{i:04}" for i in range(first, first + count)]


# -- rsyslog -----------------------------------------------------------------------------------


class Rsyslog:
    def __init__(self, directory, inputs):
        self.directory = directory
        self.path = os.path.join(directory, "all")
        config = os.path.join(directory, "rsyslog.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(RSYSLOG % {"directory": directory, "inputs": inputs})
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["rsyslogd", "-n", "-f", config, "-i", "NONE"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE_S)

    def lines(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return [line.rstrip("\n").split("|") for line in file
                        if "|netguard|" in line]  # fmt: skip
        except FileNotFoundError:
            return []

    def has(self, count):
        return wait_for(lambda: len(self.lines()) >= count and self.lines(),
                        f"{count} messages", self.lines)  # fmt: skip


def length(line):
    """Of what was sent, of which this is told."""
    return len(" ".join(line).encode()) + len("<>") - len(" ")


def connects(port, family=socket.AF_INET, address="127.0.0.1"):
    with socket.socket(family) as probe:
        return probe.connect_ex((address, port)) == 0


SD = (f'severity="high" key="00112233aabbccdd" over="false" rule="no-stores" '
      f'fix="bind it to 127.0.0.1" container_name="{SD_NAME}"]')  # fmt: skip
REMOTE = ["1", "83", "2025-11-24T16:00:00Z", HOST, "netguard", None, "finding-opened",
          f"[netguard@32473 {SD}"]  # fmt: skip


def rsyslog_by_each_way(directory):
    """With the default ports."""
    inputs = """
        input(type="imuxsock" Socket="/dev/log")
        module(load="imudp")
        input(type="imudp" address="127.0.0.1" port="514")
        input(type="imtcp" address="::1" port="601")
        """
    with Rsyslog(directory, inputs) as rsyslog:
        wait_for(lambda: os.path.exists("/dev/log"), "/dev/log")
        wait_for(lambda: connects(601, socket.AF_INET6, "::1"), "port 601")
        ways = ["local", "udp://127.0.0.1", "tcp://[::1]"]
        for done, way in enumerate(ways):
            with Driver("syslog", way) as driver:
                assert driver.send(0) < PROMPT_MS
                *head, text = rsyslog.has(done + 1)[-1]
                pid = str(driver.process.pid)
                same(driver.state(), (0, 0, 0, ""), way)
                driver.close()
            if way == "local":
                same((head[1], head[4:6], text), ("83", ["netguard", pid],
                     f' message-0000 [netguard@32473 kind="finding-opened" {SD}'), way)  # fmt: skip
                continue
            same(head, [pid if part is None else part for part in REMOTE], way)
            same(text, "message-0000", way)
        # As long as it gets: in one piece, and what follows is read for itself.
        with Driver("syslog", "tcp://[::1]:601") as driver:
            driver.send(0, 3, 16000)
            long = rsyslog.has(6)[3:]
            same([line[-1][:14] for line in long],
                 [f"message-000{i} {letter}" for i, letter in enumerate("abc")], "TCP")  # fmt: skip
            same([length(line) for line in long], [8000] * 3, "lengths by TCP")
        with Driver("syslog", "udp://127.0.0.1:514") as driver:
            driver.send(0, 1, 16000)
            same(length(rsyslog.has(7)[-1]), 2048, "length by UDP")
    local_comes_back()
    local_hangs()


def local_hangs():
    """Room for a few datagrams; and nobody waits for more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(PATIENCE_S)
        receiver.bind("/dev/log")
        with Driver("syslog", "local") as driver:
            assert driver.send(0, 100) < PROMPT_MS
            waiting, _, lost, _ = driver.state()
            assert waiting > 50 and lost == 0, (waiting, lost)
            found = [re.search(rb"message-\d+", receiver.recv(8192))[0].decode()
                     for _ in range(100)]  # fmt: skip
            same(found, messages(0, 100), "each once, in order")
            wait_for(lambda: driver.state() == (0, 0, 0, ""), "all is well", driver.state)
    os.unlink("/dev/log")


def local_comes_back():
    """To a syslog that listens for connections."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink("/dev/log")
    with Driver("syslog", "local") as driver, socket.socket(socket.AF_UNIX) as listener:
        driver.send(0, 2)
        driver.fault("^/dev/log: No such file or directory$")
        same(driver.state()[:3], (2, 0, 0), "what waits")
        listener.settimeout(PATIENCE_S)
        listener.bind("/dev/log")
        listener.listen()
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            text = b""
            while text.count(b"\0") < 2:
                more = connection.recv(65536)
                assert more, f"the end after {text}"
                text += more
        same(re.findall(rb"message-\d+", text), [b"message-0000", b"message-0001"], "the stream")
        same([part[:4] for part in text.split(b"\0")], [b"<83>", b"<83>", b""], "its messages")
        wait_for(lambda: driver.state()[3] == "", "the fault is over")
    os.unlink("/dev/log")


def rsyslog_restarted(directory):
    inputs = 'input(type="imtcp" address="127.0.0.1" port="6601")'
    with Driver("syslog", "tcp://127.0.0.1:6601") as driver:
        with Rsyslog(directory, inputs) as rsyslog:
            wait_for(lambda: connects(6601), "port 6601")
            driver.send(0, 2)
            rsyslog.has(2)
        driver.send(2, 3)
        driver.fault("^tcp://127.0.0.1:6601: Connection refused$")
        same(driver.state()[0], 3, "how many wait")
        with Rsyslog(directory, inputs) as rsyslog:
            rsyslog.has(5)
            wait_for(lambda: driver.state() == (0, 0, 0, ""), "all is well")
        same([line[-1] for line in rsyslog.lines()], messages(0, 5), "each once, in order")


# -- other receivers of syslog -----------------------------------------------------------------


def name_of(frame):
    """All of it is of one message: after its number comes a letter by that, over and over."""
    text = frame.decode().partition("] ")[2]
    number = int(text[8:12])
    assert not text[12:].strip(" " + chr(ord("a") + number % 26)), f"not one message: {text}"
    return text[:12]


def frames(data):
    """RFC 6587, 3.4.1: the messages, and what is left."""
    found = []
    while match := re.match(rb"(\d+) ", data):
        length = int(match[1])
        if len(data) < match.end() + length:
            break
        found.append(data[match.end():match.end() + length])
        data = data[match.end() + length:]
    return [name_of(frame) for frame in found], data


def listen(port, buffer=None):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    listener.settimeout(PATIENCE_S)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def read_all(connection, last):
    """All messages up to `last`."""
    found, rest = [], b""
    connection.settimeout(PATIENCE_S)
    while not found or found[-1] != last:
        data = connection.recv(1 << 16)
        assert data, f"the end after {found[-1:]}"
        more, rest = frames(rest + data)
        found += more
    same(rest, b"", "behind the last")
    return found


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def connection_reset(_directory):
    """What was not taken whole is sent again whole, and nothing twice that was."""
    with listen(7001, 4096) as listener, Driver("syslog", "tcp://127.0.0.1:7001") as driver:
        driver.send(0, 250, 4000)
        first, _ = listener.accept()
        wait_for(lambda: driver.state()[0] > 100, "it takes no more")
        data = taken = rest = b""
        while not (taken and rest):
            more = first.recv(5000)
            assert more, "the end"
            data += more
            taken, rest = frames(data)
        reset(first)
        second, _ = listener.accept()
        with second:
            again = read_all(second, "message-0249")
        same(again, messages(250 - len(again), len(again)), "the second connection")
        assert again[0] <= f"message-{len(taken):04}", f"{again[0]} after {taken}"
        wait_for(lambda: driver.state() == (0, 0, 0, ""), "all is well")


def receiver_hangs(_directory):
    """The oldest go, but none in the middle; and nobody waits for it."""
    with listen(7002, 32768) as listener, Driver("syslog", "tcp://127.0.0.1:7002") as driver:
        driver.send(0)
        connection, _ = listener.accept()
        took_ms = driver.send(1, 799, 4000)
        assert took_ms < 5000, f"{took_ms} ms"
        waiting, _, lost, fault = driver.state()
        assert 200 < waiting <= 256 and lost > 400, (waiting, lost)
        same(fault, "tcp://127.0.0.1:7002: it takes nothing at present", "fault")
        with connection:
            found = read_all(connection, "message-0799")
        same(found, sorted(set(found)), "in order")
        same(found[-255:], messages(800 - 255, 255), "the last")
        same(len(found), 800 - lost, "told and lost")
        wait_for(lambda: driver.state() == (0, 0, lost, ""), "all is well")
        driver.close()


def nobody_there(_directory):
    """By UDP, where that is found out only afterwards."""
    with Driver("syslog", "udp://127.0.0.1:7003") as driver:
        driver.send(0)
        driver.fault("^udp://127.0.0.1:7003: Connection refused$")
        same(driver.state()[:3], (0, 0, 1), "lost")
        with socket.socket(type=socket.SOCK_DGRAM) as receiver:
            receiver.settimeout(PATIENCE_S)
            receiver.bind(("127.0.0.1", 7003))
            driver.send(1)
            assert b"message-0001" in receiver.recv(4096)
            same(driver.state(), (0, 0, 1, ""), "all is well")


def names(_directory):
    """log.test is in the hosts file; who asks for slow.test waits for a name server."""
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(PATIENCE_S)
        receiver.bind(("127.0.0.1", 7004))
        with Driver("syslog", "udp://log.test:7004") as driver:
            driver.send(0)
            assert b"message-0000" in receiver.recv(4096)
    with listen(7005) as listener, Driver("syslog", "tcp://log.test:7005") as driver:
        driver.send(0, 2)
        connection, _ = listener.accept()
        with connection:
            same(read_all(connection, "message-0001"), messages(0, 2), "by TCP")
    with Driver("syslog", "tcp://slow.test") as driver:
        assert driver.send(0) < PROMPT_MS
        same(driver.state(), (1, 0, 0, ""), "while it is looked up")
        driver.close()


# -- webhooks ----------------------------------------------------------------------------------


class Receiver:
    """Answers each request as the next of `answers` says, then 200: a status; a status and a
    header; "reset"; "hang"."""

    def __init__(self, port, answers=(), wrap=None):
        self.seen = []
        self.times = []
        self.answers = list(answers)
        self.hangs = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # header and body in one piece

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.times.append(time.monotonic())
                outer.seen.append((self.path, self.headers, json.loads(body)))
                answer = outer.answers.pop(0) if outer.answers else 200
                if answer == "hang":
                    outer.hangs.wait()
                if answer in ("hang", "reset"):
                    reset(self.connection)
                    self.close_connection = True
                    return
                status, *header = answer if isinstance(answer, tuple) else (answer,)
                self.send_response(status)
                if header:
                    self.send_header(*header)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def finish(self):
                with contextlib.suppress(OSError):
                    super().finish()

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        if wrap:
            self.server.socket = wrap(self.server.socket)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.hangs.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(PATIENCE_S)

    def messages(self):
        return [body["message"] for _, _, body in self.seen]


def webhook(port, directory, layout="json", token="-", url=None):
    return Driver("webhook", url or f"http://127.0.0.1:{port}/hook?secret=word", layout,
                  os.path.join(directory, "queue") if directory else "-", token)  # fmt: skip


def queued(directory):
    return sorted(os.listdir(os.path.join(directory, "queue")))


def webhook_posts(directory):
    token = os.path.join(directory, "token")
    with open(token, "w", encoding="utf-8") as file:
        file.write("first-token\r\nmore\n")
    with Receiver(8001) as receiver:
        with webhook(8001, directory, token=token) as driver:
            assert driver.send(0, 20) < PROMPT_MS
            same(driver.delivered(20), (0, ""), "lost, fault")
            with open(token, "w", encoding="utf-8") as file:
                file.write("second-token")
            driver.send(20)
            driver.delivered(21)
            with open(token, "w", encoding="utf-8") as file:
                file.write("third\x01X-Forged: 1\n")
            driver.send(21)
            driver.fault(f"^{token}: its first line is no token$")
            os.unlink(token)
            driver.fault(f"^cannot read {token}: No such file or directory$")
            same(driver.state()[:3], (1, 21, 0), "waits")
            driver.close()
        same(receiver.messages(), messages(0, 21), "in order")
        path, headers, body = receiver.seen[0]
        same((path, headers["Content-Type"], headers["User-Agent"]),
             ("/hook?secret=word", "application/json", "netguard"), "the request")  # fmt: skip
        same((body["schema"], body["host"], body["container_name"]),
             ("netguard.alert/1", HOST, NAME), "the body")  # fmt: skip
        same([headers["Authorization"] for _, headers, _ in receiver.seen],
             ["Bearer first-token"] * 20 + ["Bearer second-token"], "who it is")  # fmt: skip
        same(len(queued(directory)), 1, "what waits on the disk")


def webhook_bodies(_directory):
    with Receiver(8002) as receiver:
        for layout in ("alertmanager", "slack"):
            with webhook(8002, None, layout) as driver:
                driver.send(0)
                driver.delivered(1)
        alerts, slack = (body for _, _, body in receiver.seen)
        same(alerts[0]["labels"], {
            "alertname": "netguard", "host": HOST, "category": "finding", "severity": "high",
            "key": "00112233aabbccdd", "rule": "no-stores", "container_name": NAME},
            "labels")  # fmt: skip
        same(slack, {"text": f"{HOST}: message-0000\nFix: bind it to 127.0.0.1"}, "text")


def webhook_refused(_directory):
    """Tried again, as late as it was asked for, or lost for good; no redirect is followed."""
    answers = [(503, "Retry-After", "1"), 200, 404,
               (302, "Location", "http://127.0.0.1:8003/elsewhere"), 201]  # fmt: skip
    with Receiver(8003, answers) as receiver, webhook(8003, None) as driver:
        driver.send(0)
        driver.fault("^http://127.0.0.1:8003 answered HTTP 503$")
        same(driver.delivered(1), (0, ""), "at last")
        driver.send(1)
        driver.fault("^http://127.0.0.1:8003 refused an alert: HTTP 404$")
        driver.send(2)
        driver.fault("^http://127.0.0.1:8003 refused an alert: HTTP 302$")
        driver.send(3)
        same(driver.delivered(2), (2, ""), "lost, fault")
        same(receiver.messages(), ["message-0000"] + messages(0, 4), "what came")
        assert 1 <= receiver.times[1] - receiver.times[0] < 1.9, receiver.times


def webhook_hangs_up(_directory):
    """Tried again within a second, then as late as it was asked for."""
    with Receiver(8008, ["reset", (429, "Retry-After", "1")]) as receiver, \
            webhook(8008, None) as driver:  # fmt: skip
        driver.send(0)
        driver.fault("^http://127.0.0.1:8008: ")
        driver.fault("^http://127.0.0.1:8008 answered HTTP 429$")
        same(driver.delivered(1), (0, ""), "at last")
        same(receiver.messages(), ["message-0000"] * 3, "what came")
        assert 0.45 < receiver.times[1] - receiver.times[0] < 1.9, receiver.times


def webhook_away(directory):
    """Down for a while, with a restart while 1,005 wait for it: 5 more than there is room for."""
    with webhook(8004, directory) as driver:
        driver.send(0, 1005)
        driver.fault("^http://127.0.0.1:8004: Failed to connect")
        wait_for(lambda: driver.state()[:3] == (1000, 0, 5), "1,000 wait")
        wait_for(lambda: len(queued(directory)) == 1000, "on the disk")
        driver.close()
    same(len(queued(directory)), 1000, "files")
    with webhook(8004, directory) as driver:
        driver.fault("^http://127.0.0.1:8004: Failed to connect")
        driver.send(1005)
        wait_for(lambda: driver.state()[:3] == (1000, 0, 1), "1,000 wait again")
        with Receiver(8004) as receiver:
            same(driver.delivered(1000), (1, ""), "lost, fault")
            same(receiver.messages(), messages(6, 1000), "each once, in order")
    same(queued(directory), [], "files")


def webhook_hangs(directory):
    """It is not waited for at the end, and what it was to have is there the next time."""
    with Receiver(8005, [200, "hang"]) as receiver:
        with webhook(8005, directory) as driver:
            driver.send(0, 3)
            wait_for(lambda: len(receiver.seen) == 2, "the second is under way")
            same(driver.state(), (2, 1, 0, ""), "meanwhile")
            driver.close()
        receiver.hangs.set()
        with webhook(8005, directory) as driver:
            driver.delivered(2)
        same(receiver.messages(), ["message-0000"] + messages(1, 1) + messages(1, 2), "what came")
    with webhook(0, None, url="http://slow.test/") as driver:
        driver.send(0)
        time.sleep(0.1)
        driver.close()


def webhook_without_disk(directory):
    """Full, or not to be written to: it waits in memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "netguard", directory], check=True)
    with Receiver(8006, ["hang"]) as receiver, webhook(8006, directory) as driver:
        driver.send(0, 40)
        queue = os.path.join(directory, "queue")
        driver.fault(f"^cannot use {queue}: No space left on device$")
        same(driver.state()[:3], (40, 0, 0), "what waits")
        assert 0 < len(queued(directory)) < 40, queued(directory)
        receiver.hangs.set()
        driver.delivered(40)
        same(receiver.messages(), ["message-0000"] + messages(0, 40), "in order")
        driver.send(40)
        same(driver.delivered(41), (0, ""), "all is well")
        same(queued(directory), [], "files")
    subprocess.run(["mount", "-o", "remount,ro", directory], check=True)
    with Receiver(8006), webhook(8006, directory) as driver:
        driver.send(0)
        driver.delivered(1)
        driver.fault(f"^cannot use {queue}: Read-only file system$")
    subprocess.run(["umount", directory], check=True)


def webhook_verifies(directory):
    """A certificate that nobody vouches for."""
    key, certificate = (os.path.join(directory, name) for name in ("key", "certificate"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate], check=True,
        stderr=subprocess.DEVNULL)  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    wrap = functools.partial(context.wrap_socket, server_side=True)
    with Receiver(8007, wrap=wrap) as receiver, \
            webhook(8007, None, url="https://127.0.0.1:8007/word") as driver:  # fmt: skip
        driver.send(0)
        driver.fault("^https://127.0.0.1:8007: .*certificate")
        assert "word" not in driver.state()[3], driver.state()
        same(driver.state()[:3], (1, 0, 0), "what waits")
        same(receiver.seen, [], "what came")
        driver.close()


# ----------------------------------------------------------------------------------------------

TESTS = [rsyslog_by_each_way, rsyslog_restarted, connection_reset, receiver_hangs, nobody_there,
         names, webhook_posts, webhook_bodies, webhook_refused, webhook_hangs_up,
         webhook_away, webhook_hangs, webhook_without_disk, webhook_verifies]  # fmt: skip


def prepare(directory):
    """A loopback like a wire, with little room on the way, a /dev without a log, names, and a name
    server that does not answer."""
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)
    with open("/proc/sys/net/ipv4/tcp_wmem", "w", encoding="ascii") as file:
        file.write("4096 16384 65536")
    subprocess.run(["mount", "-t", "tmpfs", "netguard", directory], check=True)
    devices = os.path.join(directory, "dev")
    os.mkdir(devices)
    for name in ("null", "zero", "random", "urandom"):
        device = os.path.join(devices, name)
        with open(device, "wb"):
            pass
        subprocess.run(["mount", "--bind", f"/dev/{name}", device], check=True)
    subprocess.run(["mount", "--rbind", devices, "/dev"], check=True)
    for path, content in (("/etc/hosts", "127.0.0.1 localhost log.test\n"),
                          ("/etc/resolv.conf", "nameserver 127.0.0.53\n"),
                          ("/etc/nsswitch.conf", "hosts: files dns\n")):  # fmt: skip
        own = os.path.join(directory, os.path.basename(path))
        with open(own, "w", encoding="utf-8") as file:
            file.write(content)
        subprocess.run(["mount", "--bind", own, os.path.realpath(path)], check=True)
    silent = socket.socket(type=socket.SOCK_DGRAM)
    silent.bind(("127.0.0.53", 53))
    return silent


def timed(test, directory):
    own = os.path.join(directory, test.__name__)
    os.mkdir(own)
    begun = time.monotonic()
    reason = None
    try:
        test(own)
    except (AssertionError, OSError, ValueError, LookupError,
            subprocess.SubprocessError) as error:  # fmt: skip
        reason = f"{type(error).__name__}: {error}"
    return reason, time.monotonic() - begun


def main(wanted):
    failed = 0
    faulthandler.dump_traceback_later(3 * PATIENCE_S, exit=True)
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    with prepare("/mnt"), concurrent.futures.ThreadPoolExecutor(len(tests)) as pool:
        print(f"1..{len(tests)}")
        runs = [pool.submit(timed, test, "/mnt") for test in tests]
        for number, (test, run) in enumerate(zip(tests, runs), 1):
            reason, took_s = run.result()
            name = test.__name__.replace("_", " ")
            print(f"{'not ok' if reason else 'ok'} {number} - {name} ({took_s:.1f} s)")
            for line in (reason or "")[:3000].splitlines():
                print(f"# {line}")
            failed += reason is not None
    return 1 if failed else 0


if __name__ == "__main__":
    if os.geteuid() != 0 or not shutil.which("rsyslogd"):
        print("1..0 # SKIP needs root and rsyslog")
        sys.exit(0)
    if os.environ.get("NETGUARD_INSIDE"):
        sys.exit(main(sys.argv[2:]))
    os.environ["NETGUARD_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
                          "--mount-proc", sys.executable, os.path.abspath(__file__), DRIVER,
                          *sys.argv[2:]])  # fmt: skip
