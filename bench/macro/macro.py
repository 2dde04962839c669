#!/usr/bin/env python3
"""Macro benchmark: pgbench -S through nothing, PgBouncer, HAProxy (TCP mode), Howdah unsharded and Howdah over four shards.

Everything runs in turn, in rounds, in one run on one machine: compare columns of one table, never two runs.
    bench/macro/macro.py [--seconds 5] [--rounds 3] [--clients 16] [--modes simple,extended,prepared]
                         [--pgbouncer PATH] [--howdah PATH] [--idle 10000] [--json FILE]
Prints per query mode: transactions a second, latency, the proxy's CPU microseconds per transaction (user and system, all threads),
and ratios to direct and to PgBouncer; then the memory of an idle client: (PSS with N clients, each logged in and having run one
statement, minus PSS with none) / N.
"""

import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

import idle
import proxies
from system import Postgres, raise_descriptor_limit, scratch_folder

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "bench/macro/select_only.sql"


def pgbouncer_version(binary):
    text = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in re.search(r"(\d+)\.(\d+)", text).groups())


def pgbench(endpoint, mode, options):
    """One measurement: {tps, latency_ms, cpu_us}."""
    before = endpoint.process.cpu_seconds() if endpoint.process else 0
    done = subprocess.run(
        ["pgbench", "-n", "-f", str(SCRIPT), "-D", f"scale={options.scale}", "-M", mode, "-c", str(options.clients), "-j", "2",
         "-T", str(options.seconds), f"postgresql://app:app@127.0.0.1:{endpoint.port}/app"], capture_output=True, text=True)
    after = endpoint.process.cpu_seconds() if endpoint.process else 0
    if done.returncode != 0:
        raise SystemExit(f"pgbench through {endpoint.name} failed:\n{done.stdout}{done.stderr}")
    count = int(re.search(r"actually processed: (\d+)", done.stdout).group(1))
    return {"tps": float(re.search(r"tps = ([\d.]+)", done.stdout).group(1)),
            "latency_ms": float(re.search(r"latency average = ([\d.]+)", done.stdout).group(1)),
            "cpu_us": (after - before) / count * 1e6}


def measure(endpoints, options):
    """{mode: {endpoint: median of each figure}}"""
    results = {}
    for mode in options.modes:
        rounds = {endpoint.name: [] for endpoint in endpoints if mode != "prepared" or endpoint.prepared}
        for number in range(options.rounds):
            for endpoint in endpoints:
                if endpoint.name in rounds:
                    rounds[endpoint.name].append(pgbench(endpoint, mode, options))
            print(f"  {mode}: round {number + 1} of {options.rounds} done", file=sys.stderr)
        results[mode] = {name: {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
                         for name, samples in rounds.items()}
    return results


def ratio(figures, name, base, key):
    if base not in figures or not figures[base][key]:
        return ""
    return f"{figures[name][key] / figures[base][key]:.2f}"


def print_results(results):
    for mode, figures in results.items():
        print(f"\n{mode}\n{'':16}{'tps':>9}{'ms':>8}{'CPU us/tx':>11}{'tps/direct':>12}{'CPU/pgbouncer':>15}{'CPU/haproxy':>13}")
        for name, figure in figures.items():
            cpu = f"{figure['cpu_us']:.1f}" if figure["cpu_us"] else "-"
            against = ["" if cpu == "-" else ratio(figures, name, base, "cpu_us") for base in ("pgbouncer", "haproxy")]
            print(f"{name:16}{figure['tps']:9.0f}{figure['latency_ms']:8.3f}{cpu:>11}"
                  f"{ratio(figures, name, 'direct', 'tps'):>12}{against[0]:>15}{against[1]:>13}")


def memory(endpoint, count):
    idle.idle_clients(endpoint.port, 50)[0].close()  # pools, caches and allocator are warm
    before = endpoint.process.pss_bytes()
    clients = idle.idle_clients(endpoint.port, count)
    per_client = (endpoint.process.pss_bytes() - before) / count
    for client in clients:
        client.close()
    return per_client


def start(folder, options):
    servers = [Postgres(f"pg{i}", folder, options.scale) for i in range(5)]
    servers[0].pgbench_init("gv")
    endpoints = [proxies.direct(servers[0])]
    if options.pgbouncer:
        prepared = pgbouncer_version(options.pgbouncer) >= (1, 21)
        endpoints.append(proxies.pgbouncer(servers[0], folder, options.clients, options.pgbouncer, prepared))
    if shutil.which("haproxy"):
        endpoints.append(proxies.haproxy(servers[0], folder))
    if pathlib.Path(options.howdah).exists():
        endpoints.append(proxies.howdah("howdah", servers[:1], folder, options.clients, options.howdah))
        endpoints.append(proxies.howdah("howdah-1w", servers[:1], folder, options.clients, options.howdah, workers=1))
        endpoints.append(proxies.howdah("howdah-4", servers[1:], folder, options.clients, options.howdah))
        fill_shards(servers[1:])
    return servers, endpoints


def fill_shards(shards):
    """Each shard is filled with all rows, once Howdah made its map, and keeps those of its own buckets."""
    for i, shard in enumerate(shards):
        shard.pgbench_init("g")
        shard.control("DELETE FROM pgbench_accounts WHERE (hashint8extended(aid, 0) & 4095)::int NOT IN "
                      f"(SELECT bucket FROM howdah.map WHERE shard = 's{i}')")
        shard.control("VACUUM ANALYZE pgbench_accounts")
    total = sum(int(shard.control("SELECT count(*) FROM pgbench_accounts")) for shard in shards)
    whole = 100_000 * int(shards[0].control("SELECT count(*) FROM pgbench_branches"))
    if total != whole:
        raise SystemExit(f"the shards hold {total} accounts together, not {whole}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--modes", type=lambda text: text.split(","), default=["simple", "extended", "prepared"])
    parser.add_argument("--pgbouncer", default=shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin"))
    parser.add_argument("--howdah", default=str(ROOT / "build/release/bin/howdah"))
    parser.add_argument("--idle", type=int, default=10_000, help="idle clients; 0 leaves the memory part out")
    parser.add_argument("--json", help="writes the figures to a file, too")
    options = parser.parse_args()
    options.howdah = str(pathlib.Path(options.howdah).resolve())
    return options


def main():
    options = arguments()
    raise_descriptor_limit()
    folder = scratch_folder()
    servers, endpoints = [], []
    try:
        servers, endpoints = start(folder, options)
        report = {"schema": "howdah.bench_macro.v1", "modes": measure(endpoints, options), "idle_bytes": {}}
        print_results(report["modes"])
        for endpoint in endpoints:
            if options.idle and endpoint.name in ("pgbouncer", "howdah"):
                report["idle_bytes"][endpoint.name] = memory(endpoint, options.idle)
                print(f"\n{endpoint.name}: {report['idle_bytes'][endpoint.name]:.0f} bytes per idle client ({options.idle} clients)")
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    finally:
        for endpoint in endpoints:
            endpoint.stop()
        for server in servers:
            server.process.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
