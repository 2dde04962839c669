"""One PostgreSQL with TLS, and one Howdah in front of it: the world in which a driver's suite runs twice.

Servers are made by tools/lib/postgres.sh, as for the demo. Everything lives in one temporary folder and ends with `stop()`.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
POSTGRES_SH = ROOT / "tools/lib/postgres.sh"

# Fewer than any driver's pool asks for, so that connections are shared; enough for the suites that hold some at once.
POOL_SIZE = 4
# PostgreSQL itself refuses more: two above the pool, for connections that are closing while their successors log in.
SERVER_LIMIT = POOL_SIZE + 2

CONFIG = """\
cluster: clients
workers: 2
listen: {{ address: 127.0.0.1, port: {port}, tls: {{ mode: prefer, cert: server.crt, key: server.key }} }}
http: {{ enabled: false }}
users:
  - {{ name: app, password: app }}
  - {{ name: admin, password: admin, admin: true }}
pool: {{ mode: transaction, size: {pool_size} }}
databases:
  app:
    control: {{ user: howdah, password: howdah }}
    shards:
      - {{ name: s0, primary: "host=127.0.0.1 port={server_port}" }}
"""


class Failed(Exception):
    """The world itself broke: nothing can be said about the driver."""


def bash(script, *arguments):
    # Output goes to a file: servers inherit it, and a pipe would stay open as long as they live.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(["bash", "-c", f". '{POSTGRES_SH}'; {script}", "bash", *arguments],
                              stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=120)
        output.seek(0)
        text = output.read()
    if done.returncode != 0:
        raise Failed(f"{script}: {text}")
    return text.strip()


def make_certificates(folder):
    """A certificate authority, and a server certificate for 127.0.0.1 and localhost."""
    def openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(done.stderr)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=Howdah test CA",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "server.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
                                       "keyUsage=digitalSignature\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
            "-extfile", "server.ext", "-out", "server.crt")


class World:
    def __init__(self, howdah_binary):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hwc-", dir=base))
        self.folder.chmod(0o755)
        self.howdah_binary = howdah_binary
        self.howdah = None
        self.data = self.folder / "data"
        self.server_port = self.port = 0

    def start_server(self):
        make_certificates(self.folder)
        (self.folder / "sock").mkdir(mode=0o777)
        (self.folder / "sock").chmod(0o777)
        self.server_port = int(bash(
            'chown "$SERVER_USER" "$1"; pg_init_cached "$2" clients || exit 1;'
            'cp "$1/server.crt" "$1/server.key" "$2/"; chown "$SERVER_USER" "$2/server.key"; chmod 600 "$2/server.key";'
            'printf "ssl = on\\nlog_connections = on\\n" >>"$2/postgresql.conf";'
            'take_port PORT || exit 1; pg_launch "$2" "$PORT" "$1/sock" clients && pg_await "$2" && echo "$PORT"',
            str(self.folder), str(self.data)).splitlines()[-1])

    def superuser(self, *statements):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder / "sock"), "-p", str(self.server_port),
                               "-U", "postgres", "postgres", *[part for sql in statements for part in ("-c", sql)]],
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Failed(done.stderr)
        return done.stdout.strip()

    def fresh_database(self, connection_limit):
        """An empty database `app`: the suites make their tables themselves. -1 sets no limit."""
        self.superuser("DROP DATABASE IF EXISTS app WITH (FORCE)", "CREATE DATABASE app OWNER app",
                       f"ALTER ROLE app CONNECTION LIMIT {connection_limit}")

    def connections_made(self):
        """Logins of `app` that PostgreSQL has seen so far."""
        log = pathlib.Path(f"{self.data}.log").read_text(errors="replace")
        return log.count("connection authorized: user=app database=app")

    def start_howdah(self):
        config = self.folder / "howdah.yaml"
        config.write_text(CONFIG.format(port="@PORT@", server_port=self.server_port, pool_size=POOL_SIZE))
        # The shell becomes Howdah, which so inherits the lock on its port.
        script = (f". '{POSTGRES_SH}'; take_port PORT || exit 1; sed -i \"s/@PORT@/$PORT/\" \"$1\"; echo \"$PORT\" >\"$1.port\";"
                  " exec \"$2\" --config \"$1\"")
        with open(self.folder / "howdah.log", "w") as log:
            self.howdah = subprocess.Popen(["bash", "-c", script, "bash", str(config), self.howdah_binary],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        chosen = pathlib.Path(f"{config}.port")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.howdah.poll() is not None:
                raise Failed("howdah ended:\n" + self.howdah_tail())
            if chosen.exists() and chosen.read_text().endswith("\n"):
                self.port = int(chosen.read_text())
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
            time.sleep(0.05)
        raise Failed("howdah does not listen:\n" + self.howdah_tail())

    def howdah_tail(self):
        return "\n".join((self.folder / "howdah.log").read_text(errors="replace").splitlines()[-40:])

    def stop_howdah(self):
        """Returns what was wrong with how it ended, or nothing: it must drain, exit with 0 and leave no sanitizer's report."""
        process, self.howdah = self.howdah, None
        if process is None:
            return ""
        if process.poll() is not None:
            return f"howdah ended by itself with {process.returncode}:\n{self.howdah_tail()}"
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "howdah did not drain within 40 s"
        if code != 0:
            return f"howdah exited with {code}:\n{self.howdah_tail()}"
        return ""

    def environment(self, port):
        """What drivers read, by libpq's names: https://www.postgresql.org/docs/15/libpq-envars.html"""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return clean | {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "app", "PGPASSWORD": "app", "PGDATABASE": "app",
                        "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(self.folder / "ca.crt"), "TZ": "UTC",
                        # Some drivers read the machine's certificates as well, for each connection.
                        "SSL_CERT_FILE": str(self.folder / "ca.crt"), "SSL_CERT_DIR": str(self.folder / "sock")}

    def stop(self):
        if self.howdah is not None:
            self.howdah.kill()
            self.howdah.wait()
        try:
            bash('pg_kill "$1"', str(self.data))
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
