"""Processes and what they cost: servers and proxies of the macro benchmark, their CPU time and memory."""

import os
import pathlib
import pwd
import resource
import signal
import socket
import subprocess
import tempfile
import time

PG_BIN = "/usr/lib/postgresql/15/bin"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_server_user(command):
    """PostgreSQL and PgBouncer refuse root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]


def give(path):
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(path, owner.pw_uid, owner.pw_gid)


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


class Process:
    """A child in a process group of its own, with a log; ended with everything it started."""

    def __init__(self, name, command, folder, stop_signal=signal.SIGTERM):
        self.name = name
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.stop_signal = stop_signal
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT,
                                      start_new_session=True, preexec_fn=raise_descriptor_limit, cwd="/")
        self.pid = self.child.pid

    def await_port(self, port, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise SystemExit(f"{self.name} does not answer on port {port}:\n{self.log.read_text()[-2000:]}")

    def cpu_seconds(self):
        """User and system time of all threads so far (proc(5), fields 14 and 15)."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def pss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        raise SystemExit(f"no Pss of {self.name}")

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(self.stop_signal)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536 if hard == resource.RLIM_INFINITY else min(hard, 65536), hard))


class Postgres:
    """One server with the pgbench tables; role and database app, control role howdah."""

    def __init__(self, name, folder, scale):
        self.home = pathlib.Path(folder) / name
        self.home.mkdir()
        give(self.home)
        self.data = self.home / "data"
        self.port = free_port()
        self.initialise()
        self.process = Process(name, as_server_user([f"{PG_BIN}/postgres", "-D", str(self.data), "-p", str(self.port), "-k",
                                                     str(self.home)]), folder, signal.SIGINT)
        self.process.await_port(self.port)
        self.await_ready()
        self.scale = scale
        self.pgbench_init("dtp")

    def pgbench_init(self, steps):
        """pgbench's own initialisation steps: d(rop), t(ables), g(enerate rows), v(acuum), p(rimary keys)."""
        run(["pgbench", "-q", "-i", "-I", steps, "-s", str(self.scale), self.url()])

    def initialise(self):
        run(as_server_user([f"{PG_BIN}/initdb", "-D", str(self.data), "-U", "postgres", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8",
                            "--locale=C.UTF-8", f"--pwfile={self.password_file()}"]), cwd="/")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write("listen_addresses = '127.0.0.1'\nshared_buffers = 128MB\nmax_connections = 200\n"
                       "max_prepared_transactions = 200\nfsync = off\njit = off\nautovacuum = off\nwal_level = logical\n")
        roles = ("CREATE ROLE app LOGIN PASSWORD 'app'\nCREATE ROLE howdah LOGIN SUPERUSER PASSWORD 'howdah'\n"
                 "CREATE DATABASE app OWNER app\n")
        run(as_server_user([f"{PG_BIN}/postgres", "--single", "-D", str(self.data), "postgres"]), input=roles, cwd="/")

    def password_file(self):
        path = self.home / "password"
        path.write_text("postgres\n")
        give(path)
        return path

    def await_ready(self):
        for _ in range(500):
            if subprocess.run(["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0:
                return
            time.sleep(0.02)
        raise SystemExit("PostgreSQL is not ready")

    def url(self, port=None):
        return f"postgresql://app:app@127.0.0.1:{port or self.port}/app"

    def control(self, sql):
        return run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", f"postgresql://howdah:howdah@127.0.0.1:{self.port}/app", "-c", sql])


def scratch_folder():
    base = os.environ.get("TMPDIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp")
    folder = tempfile.mkdtemp(prefix="howdah-bench-", dir=base)
    os.chmod(folder, 0o755)
    return folder
