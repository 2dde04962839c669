#!/usr/bin/env python3
"""The check itself: it must find an empty line, a missing one, a test that does not exist and a binary that does not."""
import unittest

from check_coverage_map import BINARY, faults, rows_of, unrolled

KNOWN = {"one_test": {"Suite.Passes"}}


def table(tests):
    return rows_of(f"| 1 | subject | {tests} | |\n")


class CheckTest(unittest.TestCase):
    def test_accepts_tests_that_exist(self):
        self.assertEqual(faults(table("`one_test`: `Suite.Passes`"), KNOWN, lines=1), [])

    def test_finds_what_is_wrong(self):
        for tests in ("", "`one_test`: `Suite.Gone`", "`gone_test`: `Suite.Passes`", "`one_test`: `Suite.Passes`, `Suite.Gone`"):
            self.assertEqual(len(faults(table(tests), KNOWN, lines=1)), 1, tests)
        self.assertEqual(faults({}, KNOWN, lines=1), ["line 1 is not in the table"])

    def test_sees_binaries_named_in_loops(self):
        text = "foreach(name a b)\n  howdah_test(x_${name} SOURCES ${name}.cc DEPS y)\nendforeach()\n"
        self.assertEqual([name for name, _ in BINARY.findall(unrolled(text))], ["x_a", "x_b"])


if __name__ == "__main__":
    unittest.main()
