#!/usr/bin/env python3
"""Fails on an include that the layers do not allow, and on input, output, threads or clocks in the pure layers.

    tools/check_includes.py [ROOT]

The layers (docs/ARCHITECTURE.md draws them): what each folder may include besides itself. The longest prefix counts.
"""

import pathlib
import re
import sys

EVERYTHING = ["base", "schema", "sharding", "drivers", "proxy"]
ALLOWED = {
    "base": [],
    "schema": ["base"],
    "drivers/pgwire": ["base"],
    "drivers": ["base", "schema"],
    "sharding": ["base", "schema", "drivers/pgwire"],
    "proxy": ["base", "schema", "sharding", "drivers"],
    "tests": EVERYTHING,
    "tools": EVERYTHING,
    "bench": EVERYTHING + ["tests/support"],
    "fuzz": EVERYTHING,
}
# A folder named tests inside a layer belongs to the tests.
LAYER_TESTS = EVERYTHING + ["tests/support", "tools"]

PURE = ["base", "schema", "sharding", "drivers/pgwire"]
IMPURE_HEADERS = re.compile(
    r"(sys/(socket|epoll|uio|un|select|poll)\.h|netinet/.*|arpa/.*|netdb\.h|poll\.h|unistd\.h|pthread\.h|time\.h|ctime"
    r"|boost/(asio|beast).*|spdlog/.*|prometheus/.*|libpq-fe\.h|libpq/.*"
    r"|thread|mutex|shared_mutex|condition_variable|future|stop_token|semaphore|latch|barrier|iostream|fstream|filesystem)"
)
IMPURE_CALLS = re.compile(r"\b(\w*clock\w*|Clock)::now\s*\(|\b(clock_gettime|gettimeofday|std::time)\s*\(")
# Libraries that belong to a few folders only.
HOMES = [
    (re.compile(r"pg_query.*"), ["sharding/sql"]),
    (re.compile(r"(spdlog|prometheus)/.*"), ["proxy", "drivers", "tests", "bench"]),
    (re.compile(r"yaml-cpp/.*"), ["proxy/config"]),
]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
SOURCES = {".h", ".cc", ".c"}


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def layer_of(path):
    if "tests" in path.split("/")[:-1] and not path.startswith("tests/"):
        return None
    matches = [layer for layer in ALLOWED if inside(path, layer)]
    return max(matches, key=len, default="")


def direction_fault(path, target):
    layer = layer_of(path)
    folder = path.rsplit("/", 1)[0] if "/" in path else ""
    allowed = LAYER_TESTS if layer is None else ALLOWED.get(layer, []) + [layer]
    if layer is None and inside(target, folder):
        return None
    best = [name for name in allowed if inside(target, name)]
    # drivers may include drivers/pgwire, but pgwire may include nothing of drivers but itself.
    return None if best else f"{layer or 'a test of ' + path.split('/')[0]} may not include {target}"


def code_of(line):
    return line.split("//", 1)[0]


def check_line(root, path, line):
    match = INCLUDE.match(line)
    layer = layer_of(path)
    pure = layer in PURE
    if match is None:
        call = IMPURE_CALLS.search(code_of(line)) if pure else None
        return [f"{layer} is pure: {call.group(0).rstrip('(').strip()} reads a clock; take `now` as an argument"] if call else []
    kind, target = match.groups()
    faults = []
    if kind == '"':
        if not (root / target).is_file():
            # Quotes are PostgreSQL's own style for its headers; what must not be is a path from the file's folder.
            relative = ((root / path).parent / target).is_file()
            return [f'"{target}" is not a path from the repository\'s root'] if relative else []
        fault = direction_fault(path, target)
        return [fault] if fault else []
    if (root / target).is_file():
        faults.append(f'<{target}> is ours: include it with quotes')
    if pure and IMPURE_HEADERS.fullmatch(target):
        faults.append(f"{layer} is pure: <{target}> belongs in drivers or proxy")
    for pattern, homes in HOMES:
        if pattern.fullmatch(target) and not any(inside(path, home) for home in homes) and layer is not None:
            faults.append(f"<{target}> is used in {', '.join(homes)} only")
    return faults


def sources(root):
    for folder in sorted({layer.split("/")[0] for layer in ALLOWED}):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                yield path


def check(root):
    faults = []
    for file in sources(root):
        path = file.relative_to(root).as_posix()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            faults += [f"{path}:{number}: {fault}" for fault in check_line(root, path, line)]
    return faults


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    faults = check(root)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
