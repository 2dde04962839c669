#!/usr/bin/env python3
"""Runs a driver's suite against PostgreSQL and then through Howdah (one server, transaction pooling), and compares.

    run.py DRIVER [--howdah BINARY] [--only direct|howdah] [--verbose]
    run.py sharded [--howdah BINARY]       short suites of some drivers, on the demo's twin and on its four shards
    run.py --list

A suite prints one JSON line per test: {"test": name, "ok": true|false, "saw": anything, "error": text}. Both runs must list
the same tests, with the same outcome and the same things seen; and every test passes directly. Exit codes: 0 alike,
1 different, 77 skipped (no toolchain or registry; with HOWDAH_REQUIRE_CLIENTS=1 that is a failure).
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from sharded import ShardedWorld  # noqa: E402
from toolchains import DRIVERS, SHARDED, Broken, Missing, prepare  # noqa: E402
from world import SERVER_LIMIT, Failed, World  # noqa: E402

SKIPPED = 77

# Where Howdah answers otherwise by design: driver -> test -> the reason. Such a test must differ, or the line is obsolete.
DIFFERENCES = {}


def read_results(text):
    results = {}
    for line in text.splitlines():
        if line.startswith('{"test"'):
            result = json.loads(line)
            if result["test"] in results:
                raise Failed(f"two tests are called {result['test']}")
            results[result["test"]] = result
    return results


def run_suite(command, environment, what):
    started = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150)
        output, errors, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as late:
        output, errors, code = (late.stdout or b"").decode(), (late.stderr or b"").decode(), "no end after 150 s"
    results = read_results(output)
    print(f"{what}: {sum(r['ok'] for r in results.values())} of {len(results)} pass, {time.monotonic() - started:.1f} s", flush=True)
    # The suite counts its failures in its results; any other end means that it did not get to its end.
    if code != 0 or not results:
        raise Failed(f"{what}: the suite ended with {code} after {list(results)[-1:]}\n{output[-1500:]}\n{errors[-3000:]}")
    return results


def shown(result):
    if result is None:
        return "not run"
    return ("passes, saw " if result["ok"] else "FAILS: ") + json.dumps(result["saw"] if result["ok"] else result.get("error"))


def compare(driver, direct, through):
    faults = []
    reasons = DIFFERENCES.get(driver, {})
    for name in [*direct, *(name for name in through if name not in direct)]:
        one, two = direct.get(name), through.get(name)
        alike = one and two and (one["ok"], one["saw"]) == (two["ok"], two["saw"])
        if one and not one["ok"]:
            faults.append(f"{name}: fails against PostgreSQL itself: {one.get('error')}")
        if name in reasons:
            if alike:
                faults.append(f"{name}: listed as different ({reasons[name]}), but is not")
            else:
                print(f"  {name} differs by design: {reasons[name]}")
        elif not alike:
            faults.append(f"{name}:\n    PostgreSQL: {shown(one)}\n    Howdah:     {shown(two)}")
    faults.extend(f"{name}: listed as different, but there is no such test" for name in reasons if name not in direct)
    return faults


def both_ways(driver, command, extra, options):
    world = World(options.howdah)
    faults, runs = [], {}
    try:
        world.start_server()
        if options.only != "howdah":
            world.fresh_database(-1)
            runs["direct"] = run_suite(command, world.environment(world.server_port) | extra, "PostgreSQL")
        direct_logins = world.connections_made()
        if options.only != "direct":
            world.fresh_database(SERVER_LIMIT)
            world.start_howdah()
            try:
                runs["howdah"] = run_suite(command, world.environment(world.port) | extra, "Howdah")
            except Failed as failed:
                faults.append(f"{failed}\n{world.howdah_tail()}")
            ended = world.stop_howdah()
            if ended:
                faults.append(ended)
        pooled_logins = world.connections_made() - direct_logins
        print(f"server connections: {direct_logins} directly, {pooled_logins} through Howdah")
    finally:
        world.stop()
    if len(runs) == 2:
        faults.extend(compare(driver, runs["direct"], runs["howdah"]))
        if pooled_logins >= direct_logins:
            faults.append(f"{pooled_logins} server connections through Howdah, {direct_logins} without: nothing was pooled")
    elif options.only:
        for name, result in next(iter(runs.values()), {}).items():
            if options.verbose or not result["ok"]:
                print(f"  {name} {shown(result)}")
    return faults


def on_shards(commands, options):
    """The twin has the same schema on one server; what a driver sees there it must see on four shards."""
    world = ShardedWorld(options.howdah)
    faults = []
    try:
        world.start()
        for driver, (command, extra) in commands.items():
            twin = run_suite(command, world.environment(world.env["TWIN_URL"]) | extra, f"{driver}, one server")
            shards = run_suite(command, world.environment(world.env["HOWDAH_URL"]) | extra, f"{driver}, four shards")
            faults.extend(f"{driver}: {fault}" for fault in compare(f"{driver} sharded", twin, shards))
        users = world.shards_with_users()
        print(f"users per shard: {users}")
        if 0 in users:
            faults.append(f"users per shard: {users}; the rows are not spread")
    finally:
        world.stop()
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver", nargs="?", choices=[*DRIVERS, "sharded"])
    parser.add_argument("--howdah", default=os.environ.get("HOWDAH_BIN", ""))
    parser.add_argument("--only", choices=["direct", "howdah"])
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list or not options.driver:
        print("\n".join(DRIVERS))
        return 0
    sharded = options.driver == "sharded"
    try:
        commands = {driver: prepare(driver, sharded) for driver in (SHARDED if sharded else [options.driver])}
    except Missing as missing:
        required = os.environ.get("HOWDAH_REQUIRE_CLIENTS") == "1"
        print(f"{'FAILED (HOWDAH_REQUIRE_CLIENTS=1)' if required else 'skipped'}: {options.driver}: {missing}")
        return 1 if required else SKIPPED
    except Broken as broken:
        print(f"FAILED: {options.driver}: {broken}")
        return 1
    try:
        faults = on_shards(commands, options) if sharded else both_ways(options.driver, *commands[options.driver], options)
    except Failed as failed:
        faults = [str(failed)]
    for fault in faults:
        print(f"  {fault}")
    print(f"{options.driver}: {f'FAILED, {len(faults)} faults' if faults else 'alike' if not options.only else 'done'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
