#!/usr/bin/env python3
"""Holds tests/PROTOCOL_COVERAGE.md to the sources: every line of the table names tests, and every test named exists in the
binary it is said to be in. Usage: check_coverage_map.py ROOT"""
import re
import sys
from pathlib import Path

LINES = 92

BINARY = re.compile(r"^\s*howdah_\w+\(\s*(\w+)\s+SOURCES\s+([^)]*)\)", re.MULTILINE)
LOOP = re.compile(r"^foreach\((\w+)\s+([^)]*)\)\n(.*?)^endforeach\(\)", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"^(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
ROW = re.compile(r"^\|\s*(\d+)\s*\|(.*)\|\s*$")
SKIPPED = {"build", ".git"}


def unrolled(text):
    """CMake text with its foreach loops over plain words written out."""

    def repeat(loop):
        name, words, body = loop.groups()
        return "\n".join(body.replace("${" + name + "}", word) for word in words.split())

    return LOOP.sub(repeat, text)


def tests_by_binary(root):
    """{binary: {"Suite.Name", ...}} of all CMake test targets below `root`."""
    found = {}
    for path in root.rglob("CMakeLists.txt"):
        if SKIPPED & set(path.relative_to(root).parts):
            continue
        for binary, rest in BINARY.findall(unrolled(path.read_text())):
            names = found.setdefault(binary, set())
            for source in rest.split():
                file = path.parent / source
                if file.suffix == ".cc" and file.exists():
                    names.update(f"{suite}.{name}" for suite, name in TEST.findall(file.read_text()))
    return found


def rows_of(text):
    """{line number: [(binary, [test, ...]), ...]} of the table; the tests are its third column."""
    rows = {}
    for line in text.splitlines():
        row = ROW.match(line)
        if not row:
            continue
        cells = [cell.strip() for cell in row.group(2).split("|")]
        groups = []
        for part in cells[1].split(";") if len(cells) > 1 else []:
            binary, _, tests = part.strip().strip(".").partition(":")
            names = [name.strip().strip("`") for name in tests.split(",") if name.strip()]
            if names:
                groups.append((binary.strip().strip("`"), names))
        rows[int(row.group(1))] = groups
    return rows


def faults(rows, known, lines=LINES):
    found = []
    for number in range(1, lines + 1):
        if number not in rows:
            found.append(f"line {number} is not in the table")
        elif not rows[number]:
            found.append(f"line {number} names no test")
        for binary, names in rows.get(number, []):
            if binary not in known:
                found.append(f"line {number}: there is no test binary {binary}")
                continue
            for name in names:
                if name not in known[binary]:
                    found.append(f"line {number}: {binary} has no test {name}")
    return found


def main():
    root = Path(sys.argv[1])
    found = faults(rows_of((root / "tests/PROTOCOL_COVERAGE.md").read_text()), tests_by_binary(root))
    for fault in found:
        print("tests/PROTOCOL_COVERAGE.md: " + fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
