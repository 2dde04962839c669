"""The runner itself: it sees every difference, and says when it cannot run."""

import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import run  # noqa: E402


def results(**tests):
    return {name: {"test": name, "ok": ok, "saw": saw} for name, (ok, saw) in tests.items()}


class Compare(unittest.TestCase):
    def tearDown(self):
        run.DIFFERENCES.clear()

    def test_alike_is_no_fault(self):
        self.assertEqual(run.compare("d", results(a=(True, [1])), results(a=(True, [1]))), [])

    def test_every_difference_is_a_fault(self):
        direct = results(a=(True, [1]), b=(True, None))
        for through in (results(a=(True, [2]), b=(True, None)), results(a=(False, [1]), b=(True, None)), results(a=(True, [1])),
                        results(a=(True, [1]), b=(True, None), c=(True, None))):
            self.assertEqual(len(run.compare("d", direct, through)), 1, through)

    def test_a_test_that_fails_both_ways_is_a_fault(self):
        self.assertEqual(len(run.compare("d", results(a=(False, 1)), results(a=(False, 1)))), 1)

    def test_a_listed_difference_must_be_one(self):
        run.DIFFERENCES["d"] = {"a": "by design", "gone": "no longer a test"}
        self.assertEqual(len(run.compare("d", results(a=(True, 1)), results(a=(True, 2)))), 1)
        self.assertEqual(len(run.compare("d", results(a=(True, 1)), results(a=(True, 1)))), 2)

    def test_results_are_read_from_among_other_output(self):
        text = 'noise\n{"test": "a", "ok": true, "saw": [1]}\n{"other": 1}\n'
        self.assertEqual(list(run.read_results(text)), ["a"])
        with self.assertRaises(run.Failed):
            run.read_results('{"test": "a", "ok": true, "saw": 1}\n' * 2)


class Skip(unittest.TestCase):
    def run_without_tools(self, **environment):
        # No node and no npm in an empty PATH; nothing else is asked for before that.
        return subprocess.run([sys.executable, str(HERE / "run.py"), "node-postgres"], capture_output=True, text=True, timeout=60,
                              env={"PATH": "/nowhere", "HOME": os.environ.get("HOME", "/"), **environment})

    def test_a_missing_toolchain_is_named(self):
        done = self.run_without_tools()
        self.assertEqual((done.returncode, done.stdout.strip()), (run.SKIPPED, "skipped: node-postgres: node is not installed"))

    def test_a_required_suite_may_not_be_skipped(self):
        done = self.run_without_tools(HOWDAH_REQUIRE_CLIENTS="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("node is not installed", done.stdout)


if __name__ == "__main__":
    unittest.main()
