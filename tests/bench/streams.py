#!/usr/bin/env python3
"""WebSockets through a gateway against the same directly, and a gateway under slow clients; see streams.sh.

    streams.py VESTIBULE [--smoke] [--upgrades N] [--soak SECONDS]

Prints one line a figure, and fails where a verdict differs, an upgrade is lost, or a bound does not hold.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "12.1.*", "13.1.*"]
SMOKE_CASES = ["1.*", "2.*", "5.*", "7.*"]

# What Autobahn lets pass. Whether it says OK or NON-STRICT depends on which of two messages comes first.
GOOD = ("OK", "INFORMATIONAL", "NON-STRICT")

failures = []


def say(what, figure):
    print(f"{what}: {figure}", flush=True)


def demand(holds, what):
    if not holds:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Gateway:
    """`vestibule run` with public circuits: its own address for WebSockets, `localhost` for plain requests, and
    `load.localhost`, which stands before nginx."""

    def __init__(self, program, folder, sockets, plain, origin, bound):
        self.port, self.admin = free_port(), free_port()
        config = folder / "vestibule.toml"
        config.write_text(
            f'[server]\ndata_dir = "{folder}/data"\nlisten = [{{ address = "127.0.0.1:{self.port}" }}]\n'
            f'[server.limits]\nbody_timeout = "{bound}s"\nheader_timeout = "{bound}s"\nconnections_per_ip = 20000\n'
            f'[admin]\nlisten = "127.0.0.1:{self.admin}"\n'
            f'[circuits.echo]\nhosts = ["127.0.0.1"]\nupstream = "http://127.0.0.1:{sockets}"\naccess = "public"\n'
            f'[circuits.plain]\nhosts = ["localhost"]\nupstream = "http://127.0.0.1:{plain}"\naccess = "public"\n'
            f'[circuits.load]\nhosts = ["load.localhost"]\nupstream = "http://127.0.0.1:{origin}"\naccess = "public"\n'
        )
        config.chmod(0o600)
        self.output = open(folder / "output", "wb")
        self.process = subprocess.Popen([program, "run", "-c", config], stdout=self.output, stderr=self.output)
        for _ in range(600):
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz") as answer:
                    if answer.status == 200:
                        return
            time.sleep(0.05)
        sys.exit("the gateway does not start")

    def memory_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


class Origin:
    """nginx, which answers faster than what stands before it."""

    def __init__(self, folder):
        self.port = free_port()
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null; events {{ }} "
            f"http {{ {paths} access_log off; keepalive_requests 1000000; "
            f"server {{ listen 127.0.0.1:{self.port}; return 200 {'x' * 1024}; }} }}\n"
        )
        self.process = subprocess.Popen(["nginx", "-c", config, "-p", folder], stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)


async def answer(reader, writer):
    """A server of plain requests: reads a whole body of a known length, and says ok."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length: " in head:
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    writer.close()


async def verdicts(port, cases, folder):
    """What Autobahn's cases say of the server at a port, by the number of the case."""
    kosoku = pathlib.Path(sys.executable).with_name("kosoku")
    chosen = [word for case in cases for word in ("-i", case)]
    command = [kosoku, "-m", "fuzzingclient", *chosen, "-p", "4", "-o", folder, f"127.0.0.1:{port}"]
    run = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
    _, errors = await run.communicate()
    reports = list(pathlib.Path(folder).rglob("index.json"))
    if not reports:
        sys.exit(f"kosoku made no report: {errors.decode()[-500:]}")
    agents = json.loads(reports[0].read_text())
    return {case: result.get("behavior") for results in agents.values() for case, result in results.items()}


async def compare(upstream, gateway, cases, folder):
    start = time.monotonic()
    direct = await verdicts(upstream, cases, folder / "direct")
    between = time.monotonic()
    proxied = await verdicts(gateway.port, cases, folder / "proxied")
    passed = [{case for case, verdict in verdicts.items() if verdict in GOOD} for verdicts in (direct, proxied)]
    differ = sorted(passed[0] ^ passed[1])
    say("Autobahn cases", f"{len(direct)} direct in {between - start:.1f} s, {len(proxied)} through in {time.monotonic() - between:.1f} s")
    say("Autobahn verdicts", f"{len(passed[0])} pass directly, {len(passed[1])} through, {len(differ)} differ {differ[:10]}")
    demand(direct.keys() == proxied.keys() and not differ, "every verdict is the same through the gateway")


async def upgrade(port, count, workers):
    """How many of so many tunnels did not send one message back."""
    lost, left = [], iter(range(count))

    async def worker():
        for number in left:
            try:
                async with connect(f"ws://127.0.0.1:{port}/", compression=None, open_timeout=30) as websocket:
                    await websocket.send(str(number))
                    if await asyncio.wait_for(websocket.recv(), 30) != str(number):
                        lost.append(number)
            except Exception as error:  # whatever it is, the tunnel is lost
                lost.append(f"{number}: {error!r}")

    start = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(workers)))
    say("upgrades", f"{count} in {time.monotonic() - start:.1f} s, {len(lost)} lost {lost[:3]}")
    demand(not lost, "no upgrade is lost")


async def slow_client(port, head, drip, every):
    """Sends a head and then a drop every so often; after how many seconds it was cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    start = time.monotonic()
    cut = asyncio.create_task(reader.read())

    async def send():
        with contextlib.suppress(OSError):
            while drip:
                await asyncio.sleep(every)
                writer.write(drip)
                await writer.drain()

    sending = asyncio.create_task(send())
    with contextlib.suppress(OSError):
        await cut
    sending.cancel()
    writer.close()
    return time.monotonic() - start


async def innocent(port, until):
    """Times of requests by others, in seconds."""
    times = []
    while not until.done():
        start = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        times.append(time.monotonic() - start)
        await asyncio.sleep(0.02)
    return times


async def slow(gateway, idle, bound):
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    kinds = {
        "heads that do not end": (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n", bound / 10),
        "bodies that stall": (head, b"", 1),
        "bodies that drip": (head, b"x", bound / 10),
    }
    connections = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(idle)]
    clients = {kind: [slow_client(gateway.port, *how) for _ in range(20)] for kind, how in kinds.items()}
    everyone = asyncio.gather(*(asyncio.gather(*group) for group in clients.values()))
    times = sorted(await innocent(gateway.port, everyone))
    for kind, cut in zip(kinds, await everyone):
        say(f"20 {kind}, bound {bound} s", f"cut after {min(cut):.2f} to {max(cut):.2f} s")
        demand(max(cut) <= bound * 1.3, f"{kind} are cut within 1.3 times their bound")
    p99 = times[int(len(times) * 0.99)] * 1000
    say(f"others beside them and {idle} idle connections", f"p99 {p99:.1f} ms of {len(times)} requests")
    for _, writer in connections:
        writer.close()


# For wrk, which pauses every connection before each request by what `delay` says in ms: the next place in one schedule
# for all of them, however long answers take. Its Lua has no clock but the system's.
PACE = """
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanos; } instant; int clock_gettime(int, instant *);")
local instant, begun, sent = ffi.new("instant"), nil, 0
function delay()
  ffi.C.clock_gettime(1, instant)
  local now = tonumber(instant.seconds) + tonumber(instant.nanos) * 1e-9
  begun, sent = begun or now, sent + 1
  return math.max(0, (begun + sent / %.1f - now) * 1000)
end
"""


async def wrk(port, seconds, script=None):
    """Requests a second that were answered, on 128 connections."""
    pace = ["-s", script] if script else []
    command = ["wrk", "-t1", "-c128", f"-d{seconds}s", *pace, "-H", "Host: load.localhost", f"http://127.0.0.1:{port}/"]
    run = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output = (await run.communicate())[0].decode()
    demand("Non-2xx" not in output and "Socket errors" not in output, f"every request is answered: {output}")
    return float(output.split("Requests/sec:")[1].split()[0])


async def soak(gateway, folder, seconds):
    """Tunnels, and plain requests at 70 % of what is possible, for so long; memory and descriptors stay flat."""
    most = await wrk(gateway.port, max(1, seconds // 120))
    script = folder / "pace.lua"
    script.write_text(PACE % (0.7 * most))
    end, samples = time.monotonic() + seconds, []

    async def tunnels():
        count = 0
        while time.monotonic() < end:
            async with connect(f"ws://127.0.0.1:{gateway.port}/", compression=None) as websocket:
                for _ in range(20):
                    await websocket.send(b"x" * 1000)
                    await websocket.recv()
                    await asyncio.sleep(0.05)
            count += 1
        return count

    async def sample():
        while time.monotonic() < end:
            samples.append((gateway.memory_mib(), gateway.descriptors()))
            await asyncio.sleep(max(seconds / 120, 0.25))

    counts, rate, _ = await asyncio.gather(
        asyncio.gather(*(tunnels() for _ in range(8))), wrk(gateway.port, seconds, script), sample()
    )
    half = len(samples) // 2
    # The largest of each half: what the logs hold in memory until it is sealed comes and goes.
    first, second = ([max(figures) for figures in zip(*part)] for part in (samples[:half], samples[half:]))
    say(
        f"soak of {seconds} s",
        f"{sum(counts)} tunnels, {rate:.0f} requests/s of at most {most:.0f}; largest of both halves: memory "
        f"{first[0]:.1f} and {second[0]:.1f} MiB, descriptors {first[1]} and {second[1]}",
    )
    # A short one ends before the logs have filled what they may hold.
    demand(seconds < 300 or second[0] < first[0] * 1.05, "memory is flat")
    demand(second[1] - first[1] < 20, "descriptors are flat")


async def main(options):
    # A server of WebSockets says much about clients that break rules, as Autobahn's do.
    logging.disable()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vestibule-streams-"))
    try:
        async with serve(echo, "127.0.0.1", 0, max_size=64 << 20, ping_interval=None, compression=None) as server:
            upstream = server.sockets[0].getsockname()[1]
            plain = await asyncio.start_server(answer, "127.0.0.1", 0)
            bound, origin = 2 if options.smoke else 5, Origin(folder)
            gateway = Gateway(options.vestibule, folder, upstream, plain.sockets[0].getsockname()[1], origin.port, bound)
            try:
                await compare(upstream, gateway, SMOKE_CASES if options.smoke else CASES, folder)
                await upgrade(gateway.port, options.upgrades, 16)
                await slow(gateway, 30 if options.smoke else 300, bound)
                await soak(gateway, folder, options.soak)
            finally:
                gateway.stop()
                origin.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("vestibule")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--upgrades", type=int, default=None)
    parser.add_argument("--soak", type=int, default=None)
    options = parser.parse_args()
    options.upgrades = options.upgrades or (500 if options.smoke else 5000)
    options.soak = options.soak or (2 if options.smoke else 600)
    asyncio.run(main(options))
