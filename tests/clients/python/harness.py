"""The frame of a Python suite: @test marks a test, main() runs all of them and prints one JSON line for each.

What a test returns is what it saw; the runner compares it between PostgreSQL and Howdah. So it holds no process ids, times
or other things that differ from run to run. A test that hangs fails after 20 s.
"""

import asyncio
import datetime
import decimal
import inspect
import json
import signal
import sys
import traceback
import uuid

TESTS = []
DEADLINE_S = 20


def test(function):
    TESTS.append(function)
    return function


class Hangs(BaseException):
    """Not an Exception: no driver may swallow it."""


def on_alarm(*_):
    raise Hangs(f"no end after {DEADLINE_S} s")


def plain(value):
    """A value as JSON, its type kept visible where JSON has none."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes:" + bytes(value).hex()
    if isinstance(value, (float, decimal.Decimal, uuid.UUID)):
        return f"{type(value).__name__}:{value}"
    if isinstance(value, (datetime.date, datetime.time)):
        return f"{type(value).__name__}:{value.isoformat()}"
    return repr(value)


def state_of(action, kinds=Exception):
    """Runs what must fail; returns the SQLSTATE and first line of the error, as the driver reports it."""
    try:
        action()
    except kinds as error:
        return describe(error)
    raise AssertionError("this should have failed")


def describe(error):
    state = getattr(error, "sqlstate", None)
    return [type(error).__name__, state, str(error).splitlines()[0] if state and str(error) else ""]


async def async_state_of(awaitable):
    try:
        await awaitable
    except Exception as error:
        return describe(error)
    raise AssertionError("this should have failed")


def run_one(function):
    result = {"test": function.__name__, "ok": True, "saw": None}
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(DEADLINE_S)
    try:
        if inspect.iscoroutinefunction(function):
            saw = asyncio.run(function())
        else:
            saw = function()
        result["saw"] = plain(saw)
    except (Exception, Hangs) as error:
        result["ok"] = False
        result["saw"] = plain(describe(error))
        result["error"] = "".join(traceback.format_exception(error))[-1500:]
    finally:
        signal.alarm(0)
    return result


def main():
    wanted = sys.argv[1:]
    for function in TESTS:
        if not wanted or function.__name__ in wanted:
            print(json.dumps(run_one(function)), flush=True)
