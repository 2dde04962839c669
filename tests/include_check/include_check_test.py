"""The include checker finds what it is there for, in small trees made for it."""

import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import check_includes  # noqa: E402


def faults_of(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return check_includes.check(root)


HEADERS = {f"{name}/x.h": "" for name in
           ["base", "schema", "drivers/pgwire", "drivers/net", "sharding", "proxy/core", "tests/support", "sharding/tests"]}


class Directions(unittest.TestCase):
    def expect(self, file, text, fault):
        found = faults_of({**HEADERS, file: text})
        self.assertEqual(found, [f"{file}:1: {fault}"] if fault else [])

    def test_every_direction(self):
        allowed = {
            "base/a.cc": ["base"],
            "schema/a.cc": ["base", "schema"],
            "drivers/pgwire/a.cc": ["base", "drivers/pgwire"],
            "drivers/net/a.cc": ["base", "schema", "drivers/pgwire", "drivers/net"],
            "sharding/a.cc": ["base", "schema", "drivers/pgwire", "sharding"],
            "proxy/core/a.cc": ["base", "schema", "drivers/pgwire", "drivers/net", "sharding", "proxy/core"],
        }
        layers = ["base", "schema", "drivers/pgwire", "drivers/net", "sharding", "proxy/core", "tests/support"]
        for file, targets in allowed.items():
            for target in layers:
                with self.subTest(file=file, target=target):
                    found = faults_of({**HEADERS, file: f'#include "{target}/x.h"\n'})
                    self.assertEqual(found == [], target in targets, found)

    def test_tests_of_a_layer_may_use_test_support(self):
        self.expect("sharding/tests/a_test.cc", '#include "tests/support/x.h"\n', None)
        self.expect("sharding/tests/a_test.cc", '#include "sharding/tests/x.h"\n', None)

    def test_paths_start_at_the_root(self):
        self.expect("base/a.cc", '#include "x.h"\n', "\"x.h\" is not a path from the repository's root")
        self.expect("schema/a.cc", '#include "../base/x.h"\n', "\"../base/x.h\" is not a path from the repository's root")
        self.expect("schema/a.cc", "#include <base/x.h>\n", "<base/x.h> is ours: include it with quotes")

    def test_pure_layers(self):
        for header in ["thread", "boost/asio.hpp", "sys/socket.h", "spdlog/spdlog.h", "fstream"]:
            self.assertNotEqual(faults_of({"sharding/a.cc": f"#include <{header}>\n"}), [], header)
            self.assertEqual(faults_of({"proxy/core/a.cc": f"#include <{header}>\n"}), [], header)
        for call in ["std::chrono::steady_clock::now()", "Clock::now ()", "clock_gettime(0, &t)"]:
            self.assertNotEqual(faults_of({"base/a.cc": f"auto t = {call};\n"}), [], call)
            self.assertEqual(faults_of({"proxy/core/a.cc": f"auto t = {call};\n"}), [], call)
        self.assertEqual(faults_of({"base/a.cc": "// never steady_clock::now()\n"}), [])
        self.assertEqual(faults_of({"base/tests/a_test.cc": "auto t = Clock::now();\n"}), [])

    def test_libraries_with_a_home(self):
        self.assertNotEqual(faults_of({"proxy/core/a.cc": "#include <pg_query.h>\n"}), [])
        self.assertEqual(faults_of({"sharding/sql/a.cc": "#include <pg_query.h>\n"}), [])
        self.assertNotEqual(faults_of({"proxy/core/a.cc": "#include <yaml-cpp/yaml.h>\n"}), [])


if __name__ == "__main__":
    unittest.main()
