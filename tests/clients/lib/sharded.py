"""The demo cluster as a world: four shards behind Howdah, and the unsharded twin to compare with."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from world import ROOT, Failed, bash


class ShardedWorld:
    def __init__(self, howdah_binary):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hws-", dir=base))
        self.folder.chmod(0o755)
        self.dir = self.folder / "demo"
        self.binary = howdah_binary
        self.env = {}

    def demo(self, *arguments):
        return subprocess.run([str(ROOT / "tools/demo.sh"), *arguments, "--dir", str(self.dir)], capture_output=True, text=True, timeout=240,
                              stdin=subprocess.DEVNULL, env={**os.environ, "HOWDAH_BIN": self.binary})

    def start(self):
        port = bash('take_port PORT && echo "$PORT"')
        up = self.demo("up", "--shards", "4", "--replicas", "0", "--port", port)
        if up.returncode != 0:
            raise Failed(up.stdout + up.stderr)
        self.env = dict(re.findall(r"^export (\w+)='(.*)'$", (self.dir / "env").read_text(), re.M))

    def environment(self, url):
        """Role app on the host and port of this URL."""
        port = re.search(r":(\d+)/", url).group(1)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return clean | {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "app", "PGPASSWORD": "app", "PGDATABASE": "app", "PGSSLMODE": "disable", "TZ": "UTC"}

    def shards_with_users(self):
        counts = [subprocess.run(["psql", "-XAtq", self.env[f"SHARD_{n}_PRIMARY_URL"], "-c", "SELECT count(*) FROM users"], capture_output=True, text=True)
                  .stdout.strip() for n in range(4)]
        return [int(count or 0) for count in counts]

    def stop(self):
        self.demo("down")
        shutil.rmtree(self.folder, ignore_errors=True)
