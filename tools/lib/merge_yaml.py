"""merge_yaml.py BASE EXTRA: prints BASE with EXTRA merged into it: maps deep, everything else (lists too) replaced."""

import sys

import yaml


def merge(base, extra):
    if not isinstance(base, dict) or not isinstance(extra, dict):
        return extra
    merged = dict(base)
    for key, value in extra.items():
        merged[key] = merge(merged[key], value) if key in merged else value
    return merged


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file) or {}


if __name__ == "__main__":
    print(yaml.safe_dump(merge(read(sys.argv[1]), read(sys.argv[2])), sort_keys=False), end="")
