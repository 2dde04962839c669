"""tools/demo.sh keeps its promises: servers, schema, env file, status, and nothing left behind.
The binary is HOWDAH_BIN's.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("HOWDAH_BIN", "")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def demo(*arguments):
    return subprocess.run([str(ROOT / "tools/demo.sh"), *arguments], capture_output=True, text=True, timeout=240,
                          env={**os.environ, "HOWDAH_BIN": BINARY})


def ask(url, sql):
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url, "-c", sql], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def processes_with(text):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in path.read_bytes().replace(b"\0", b" ").decode(errors="replace") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        cls.outer = tempfile.TemporaryDirectory(prefix="hwd-", dir=base)
        os.chmod(cls.outer.name, 0o755)
        cls.dir = cls.outer.name + "/demo"
        extra = pathlib.Path(cls.outer.name) / "extra.yaml"
        extra.write_text("pool: { size: 7 }\ndatabases: { app: { sharding: { tables: { extra: { hash: id } } } } }\n")
        cls.up = demo("up", "--shards", "2", "--replicas", "1", "--port", str(free_port()), "--dir", cls.dir, "--config-extra", str(extra))
        cls.env = {}
        if cls.up.returncode == 0:
            cls.env = dict(re.findall(r"^export (\w+)='(.*)'$", pathlib.Path(cls.dir, "env").read_text(), re.M))

    @classmethod
    def tearDownClass(cls):
        down = demo("down", "--dir", cls.dir)
        left = processes_with(cls.dir)
        gone = not os.path.exists(cls.dir)
        cls.outer.cleanup()
        assert down.returncode == 0 and gone and left == [], (down.stderr, left)

    def setUp(self):
        self.assertEqual(self.up.returncode, 0, self.up.stdout + self.up.stderr)

    def test_env_names_everything(self):
        for name in ["HOWDAH_URL", "HOWDAH_ADMIN_URL", "HOWDAH_HTTP", "HOWDAH_PID", "HOWDAH_CONFIG", "TWIN_URL", "SHARD_1_PRIMARY_URL",
                     "SHARD_1_REPLICA_0_URL", "SHARD_1_PRIMARY_DIR", "SHARD_1_REPLICA_0_DIR"]:
            self.assertIn(name, self.env)
        self.assertTrue(os.path.isdir(self.env["SHARD_1_REPLICA_0_DIR"]))
        self.assertEqual(ask(self.env["SHARD_0_REPLICA_0_URL"], "SELECT pg_is_in_recovery()"), "t")
        self.assertEqual(ask(self.env["TWIN_URL"], "SHOW is_superuser"), "on")

    def test_the_schema_is_the_same_everywhere(self):
        columns = ("SELECT string_agg(format('%s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod)), ',' ORDER BY c.relname, a.attnum)"
                   " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
                   " WHERE n.nspname = 'public' AND a.attnum > 0 AND c.relkind IN ('r', 'p')")
        twin = ask(self.env["TWIN_URL"], columns)
        self.assertIn("transactions.tags text[]", twin)
        for shard in (0, 1):
            self.assertEqual(ask(self.env[f"SHARD_{shard}_PRIMARY_URL"], columns), twin)
        owners = "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'public'"
        self.assertEqual(ask(self.env["SHARD_1_PRIMARY_URL"], owners), "app")

    def test_partitions_reach_from_a_year_ago_to_three_months_ahead(self):
        sql = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.transactions'::regclass"
        self.assertEqual(ask(self.env["SHARD_0_PRIMARY_URL"], sql), "16")

    def test_each_shard_is_a_system_of_its_own(self):
        sql = "SELECT system_identifier FROM pg_control_system()"
        names = ["SHARD_0_PRIMARY_URL", "SHARD_1_PRIMARY_URL", "TWIN_URL"]
        self.assertEqual(len({ask(self.env[name], sql) for name in names}), 3)

    def test_extra_configuration_is_merged_deep(self):
        text = pathlib.Path(self.env["HOWDAH_CONFIG"]).read_text()
        self.assertRegex(text, r"size: 7")
        self.assertRegex(text, r"mode: transaction")
        self.assertRegex(text, r"extra:")
        self.assertRegex(text, r"users:\n\s+hash: id")

    def test_rows_written_through_howdah_are_read_back(self):
        ask(self.env["HOWDAH_URL"], "INSERT INTO users (id, email) VALUES (77, 'x@example.com')")
        self.assertEqual(ask(self.env["HOWDAH_URL"], "SELECT email FROM users WHERE id = 77"), "x@example.com")
        held = [ask(self.env[f"SHARD_{i}_PRIMARY_URL"], "SELECT count(*) FROM users WHERE id = 77") for i in (0, 1)]
        self.assertEqual(sorted(held), ["0", "1"])

    def test_a_second_up_in_the_same_folder_is_refused(self):
        again = demo("up", "--dir", self.dir)
        self.assertEqual(again.returncode, 1)
        self.assertIn("there is a demo", again.stderr)

    # Named to run last: it breaks the replica.
    def test_z_status_tells_when_a_server_is_down(self):
        self.assertEqual(demo("status", "--dir", self.dir).returncode, 0)
        pid = int(pathlib.Path(self.env["SHARD_0_REPLICA_0_DIR"], "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and demo("status", "--dir", self.dir).returncode == 0:
            pass
        status = demo("status", "--dir", self.dir)
        self.assertEqual(status.returncode, 1)
        self.assertRegex(status.stdout, r"s0r0 +down")


if __name__ == "__main__":
    unittest.main()
