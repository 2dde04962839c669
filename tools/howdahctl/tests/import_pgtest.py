"""From a running PgBouncer to Howdah: `howdahctl import pgbouncer.ini`, the same port, the same clients, the same answers.
The binaries are HOWDAH_BIN's and HOWDAHCTL_BIN's.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/clients/lib"))
from world import POSTGRES_SH, World, bash  # noqa: E402

HOWDAHCTL = os.environ.get("HOWDAHCTL_BIN", "")

INI = """\
[databases]
app = host=127.0.0.1 port={server} dbname=app
renamed = host=127.0.0.1 port={server} dbname=app pool_size=3

[users]
app = pool_mode=transaction

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = userlist.txt
auth_user = app
auth_query = SELECT * FROM lookup.secret_of($1)
admin_users = boss
pool_mode = transaction
default_pool_size = 5
max_client_conn = 50
query_wait_timeout = 10
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits
%include more.ini
"""

# Name, password, database, statement: each is answered alike by PgBouncer and by Howdah.
CLIENTS = [
    ("app", "app", "app", "SELECT current_user, current_database()"),
    ("app", "app", "renamed", "SELECT current_user, current_database()"),
    ("verified", "only a verifier is stored", "app", "SELECT current_user"),
    ("looked_up", "not in the file", "app", "SELECT current_user"),
    ("app", "wrong", "app", "SELECT 1"),
    ("nobody", "x", "app", "SELECT 1"),
    ("boss", "boss", "pgbouncer", "SHOW VERSION"),
]


class Import(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(os.environ.get("HOWDAH_BIN", ""))
        try:
            cls.prepare()
        except BaseException:
            cls.world.stop()
            raise

    @classmethod
    def prepare(cls):
        world = cls.world
        world.start_server()
        world.superuser("SET password_encryption = 'scram-sha-256'", "CREATE ROLE verified LOGIN PASSWORD 'only a verifier is stored'",
                        "CREATE ROLE looked_up LOGIN PASSWORD 'not in the file'")
        verifier = world.superuser("SELECT rolpassword FROM pg_authid WHERE rolname = 'verified'")
        subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(world.folder / "sock"), "-p", str(world.server_port), "-U", "postgres", "app", "-c",
                        "CREATE SCHEMA lookup; CREATE FUNCTION lookup.secret_of(who text) RETURNS TABLE (name text, secret text) LANGUAGE sql SECURITY DEFINER AS"
                        " $$ SELECT rolname::text, rolpassword FROM pg_catalog.pg_authid WHERE rolname = who AND rolcanlogin $$;"
                        " GRANT USAGE ON SCHEMA lookup TO app"], check=True, capture_output=True)
        cls.etc = world.folder / "etc"
        cls.etc.mkdir()
        # The lock on the port is this script's as long as its shell lives; both proxies use it, one after the other.
        cls.port = int(bash('take_port PORT && echo "$PORT"'))
        (cls.etc / "pgbouncer.ini").write_text(INI.format(server=world.server_port, port=cls.port))
        (cls.etc / "more.ini").write_text("server_idle_timeout = 120\npidfile = pgbouncer.pid\n")
        (cls.etc / "userlist.txt").write_text(f'"app" "app"\n"verified" "{verifier}"\n"boss" "boss"\n')
        subprocess.run(["chown", "-R", "--reference", str(world.data), str(cls.etc)], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def ask(self, user, password, database, sql):
        """What psql printed, or the SQLSTATE-bearing part of why it could not."""
        done = subprocess.run(["psql", "-XAtq", "-c", sql, f"host=127.0.0.1 port={self.port} user={user} dbname={database} sslmode=disable connect_timeout=10"],
                              capture_output=True, text=True, timeout=30, env={**os.environ, "PGPASSWORD": password})
        if done.returncode == 0:
            return "version" if "VERSION" in sql else done.stdout.strip()
        # PgBouncer tells strangers who exists; Howdah does not.
        refusals = ("password authentication failed", "no such user", "SASL authentication failed")
        return "refused" if any(words in done.stderr for words in refusals) else "failed: " + done.stderr

    def serve(self, command, cwd):
        """Runs a proxy until it answers; returns what its clients saw."""
        log = self.world.folder / "proxy.log"
        with open(log, "w") as out:
            process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        try:
            deadline = time.monotonic() + 20
            while self.ask(*CLIENTS[0]).startswith("failed: "):
                self.assertIsNone(process.poll(), log.read_text())
                self.assertLess(time.monotonic(), deadline, log.read_text())
                time.sleep(0.05)
            return [self.ask(*client) for client in CLIENTS]
        finally:
            # PgBouncer is the child of a shell that changes the user: both are told.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(40)

    def test_the_same_clients_are_served(self):
        as_server_user = ["bash", "-c", f". '{POSTGRES_SH}'; as_server_user \"$@\"", "bash"]
        before = self.serve([*as_server_user, "/usr/sbin/pgbouncer", "pgbouncer.ini"], self.etc)
        self.assertEqual(before, ["app|app", "app|app", "verified", "looked_up", "refused", "refused", "version"])
        yaml = self.world.folder / "howdah.yaml"
        done = subprocess.run([HOWDAHCTL, "import", str(self.etc / "pgbouncer.ini"), "--output", str(yaml)], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("more.ini:2: pidfile: ", done.stderr)
        self.assertEqual(yaml.stat().st_mode & 0o777, 0o600)
        check = subprocess.run([self.world.howdah_binary, "--config", str(yaml), "--check"], capture_output=True, text=True, timeout=30)
        self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))
        # Two proxies on one machine: the metrics' port of the other may be taken.
        yaml.write_text(yaml.read_text() + "http:\n  enabled: false\n")
        self.assertEqual(self.serve([self.world.howdah_binary, "--config", str(yaml)], self.world.folder), before)

    def test_help_on_every_level_and_no_overwriting(self):
        for arguments in (["--help"], ["import", "--help"]):
            done = subprocess.run([HOWDAHCTL, *arguments], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 0)
            self.assertIn("Usage:", done.stdout)
        taken = self.world.folder / "taken.yaml"
        taken.write_text("precious")
        done = subprocess.run([HOWDAHCTL, "import", str(self.etc / "pgbouncer.ini"), "-o", str(taken)], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--force", done.stderr)
        self.assertEqual(taken.read_text(), "precious")
        missing = subprocess.run([HOWDAHCTL, "import", "/nowhere/pgbouncer.ini"], capture_output=True, text=True, timeout=30)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("/nowhere/pgbouncer.ini", missing.stderr)


if __name__ == "__main__":
    unittest.main()
