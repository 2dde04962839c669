"""Makes each suite runnable: drivers come from their registries by lock file and are kept in a cache of this user.

`prepare(driver)` returns the command that runs the suite. It raises Missing when this machine has no such toolchain or
cannot reach its registry, and Broken when a suite does not compile.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent

PGJDBC = "42.7.7"
PGJDBC_SHA256 = "157963d60ae66d607e09466e8c0cdf8087e9cb20d0159899ffca96bca2528460"


class Missing(Exception):
    """Nothing to run the suite with; the text says what."""


class Broken(Exception):
    """The suite itself does not build."""


def cache():
    base = os.environ.get("HOWDAH_CLIENTS_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "howdah-clients")
    path = pathlib.Path(base)
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(name):
    """One at a time: ctest runs several suites of one language at once."""
    with open(cache() / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(*paths):
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Missing(f"{program} is not installed")


def run(command, error, what, **options):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=1200, **options)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise error(f"{what} failed:\n{tail}")


def made_once(folder, make):
    """A folder is complete or absent: it is made under another name first."""
    if not folder.exists():
        draft = folder.with_name(folder.name + ".draft")
        shutil.rmtree(draft, ignore_errors=True)
        make(draft)
        draft.rename(folder)
    return folder


def python(suite):
    requirements = FOLDER / "python/requirements.txt"
    with locked("python"):
        folder = cache() / f"python-{sys.version_info[0]}.{sys.version_info[1]}-{digest(requirements)}"

        # A virtual environment does not survive renaming whole, but a plain folder of packages does.
        def make(draft):
            pip = [sys.executable, "-m", "pip"]
            if subprocess.run([*pip, "--version"], capture_output=True).returncode != 0:
                raise Missing("pip is not installed (python3-pip)")
            run([*pip, "install", "-q", "--disable-pip-version-check", "--no-input", "--require-hashes", "--only-binary", ":all:",
                 "--no-deps", "--target", str(draft), "-r", str(requirements)], Missing, "pip install")
        packages = made_once(folder, make)
    return [sys.executable, str(FOLDER / f"python/{suite}")], {"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}


def node(suite):
    need("node", "npm")
    lock = FOLDER / "node/package-lock.json"
    with locked("node"):
        def make(draft):
            draft.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(FOLDER / "node" / name, draft)
            run(["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"], Missing, "npm ci", cwd=draft)
        folder = made_once(cache() / f"node-{digest(lock)}", make)
        # Modules are found from the file's own folder upward, so the suites run as copies beside node_modules.
        for source in (FOLDER / "node").glob("*.mjs"):
            target = folder / source.name
            if not target.exists() or target.read_bytes() != source.read_bytes():
                shutil.copy(source, target)
    return ["node", str(folder / suite)], {}


def go(suite):
    need("go")
    source = FOLDER / "go"
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    with locked("go"):
        run(["go", "mod", "download"], Missing, "go mod download", cwd=source, env=environment)
        binary = cache() / f"go-{suite}"
        run(["go", "build", "-o", str(binary), f"./{suite}"], Broken, "go build", cwd=source, env=environment)
    return [str(binary)], {}


def java(suite):
    need("java", "javac", "mvn")
    jar = cache() / f"postgresql-{PGJDBC}.jar"
    sources = sorted((FOLDER / "java").glob("*.java"))
    with locked("java"):
        if not jar.exists():
            run(["mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy", f"-Dartifact=org.postgresql:postgresql:{PGJDBC}",
                 f"-DoutputDirectory={cache()}"], Missing, "mvn dependency:copy")
        if hashlib.sha256(jar.read_bytes()).hexdigest() != PGJDBC_SHA256:
            jar.unlink()
            raise Broken(f"{jar.name} is not the file that was locked")

        def make(draft):
            draft.mkdir()
            run(["javac", "-proc:none", "-cp", str(jar), "-d", str(draft), *map(str, sources)], Broken, "javac")
        classes = made_once(cache() / f"java-{digest(*sources)}", make)
    # A suite runs for seconds: the quick compiler only, and no time spent on the shape of the heap.
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", f"{classes}:{jar}", suite], {}


def rust(suite):
    need("cargo", "cc", "pkg-config")
    source = FOLDER / "rust"
    environment = {**os.environ, "CARGO_TARGET_DIR": str(cache() / "rust"), "CARGO_TERM_COLOR": "never"}
    with locked("rust"):
        run(["cargo", "fetch", "--locked", "-q"], Missing, "cargo fetch", cwd=source, env=environment)
        run(["cargo", "build", "--locked", "-q", "-p", suite], Broken, "cargo build", cwd=source, env=environment)
    return [str(cache() / "rust/debug" / suite)], {}


# Driver's name as ctest shows it -> how to prepare its suite.
DRIVERS = {
    "psycopg": lambda: python("psycopg_suite.py"),
    "asyncpg": lambda: python("asyncpg_suite.py"),
    "sqlalchemy": lambda: python("sqlalchemy_suite.py"),
    "django": lambda: python("django_suite.py"),
    "node-postgres": lambda: node("node_postgres.mjs"),
    "postgres.js": lambda: node("postgres_js.mjs"),
    "pgx": lambda: go("pgx"),
    "pq": lambda: go("pq"),
    "pgjdbc": lambda: java("PgjdbcSuite"),
    "tokio-postgres": lambda: rust("tokio-postgres-suite"),
    "sqlx": lambda: rust("sqlx-suite"),
}

# On a sharded database.
SHARDED = {
    "psycopg": lambda: python("psycopg_sharded.py"),
    "node-postgres": lambda: node("node_postgres_sharded.mjs"),
    "pgx": lambda: go("pgxsharded"),
    "pgjdbc": lambda: java("PgjdbcSharded"),
}


def prepare(driver, sharded=False):
    """The command of a suite and what to add to its environment."""
    return (SHARDED if sharded else DRIVERS)[driver]()
