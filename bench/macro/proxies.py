"""The proxies that are compared, each started in front of the same servers."""

import pathlib

from system import Process, as_server_user, free_port, give


class Endpoint:
    """Somewhere pgbench connects to. `process` is the proxy, or None when there is none in between."""

    def __init__(self, name, port, process=None, prepared=True):
        self.name, self.port, self.process, self.prepared = name, port, process, prepared

    def stop(self):
        if self.process:
            self.process.stop()


def direct(server):
    return Endpoint("direct", server.port)


def pgbouncer(server, folder, size, binary, prepared):
    port = free_port()
    home = pathlib.Path(folder) / "pgbouncer"
    home.mkdir()
    give(home)
    (home / "users.txt").write_text('"app" "app"\n')
    (home / "pgbouncer.ini").write_text(
        f"[databases]\napp = host=127.0.0.1 port={server.port} dbname=app\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
        f"auth_file = {home}/users.txt\npool_mode = transaction\ndefault_pool_size = {size}\nmax_client_conn = 12000\n"
        f"ignore_startup_parameters = extra_float_digits\nlog_connections = 0\nlog_disconnections = 0\n"
        + ("max_prepared_statements = 500\n" if prepared else ""))
    process = Process("pgbouncer", as_server_user([binary, str(home / "pgbouncer.ini")]), folder, stop_signal=2)
    process.await_port(port)
    return Endpoint("pgbouncer", port, process, prepared)


def haproxy(server, folder):
    port = free_port()
    config = pathlib.Path(folder) / "haproxy.cfg"
    config.write_text(
        "global\n  maxconn 4000\n  nbthread 2\n"
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
        f"listen pg\n  bind 127.0.0.1:{port}\n  server s0 127.0.0.1:{server.port}\n")
    process = Process("haproxy", ["haproxy", "-db", "-f", str(config)], folder)
    process.await_port(port)
    return Endpoint("haproxy", port, process)


def howdah(name, servers, folder, size, binary, clients=12000, workers=0):
    port, http = free_port(), free_port()
    shards = "".join(f'      - {{ name: s{i}, primary: "host=127.0.0.1 port={server.port}" }}\n' for i, server in enumerate(servers))
    config = pathlib.Path(folder) / f"{name}.yaml"
    config.write_text(
        f"cluster: {name.replace('-', '_')}\nlisten: {{ address: 127.0.0.1, port: {port} }}\nhttp: {{ address: 127.0.0.1, port: {http} }}\n"
        f"users: [ {{ name: app, password: app }} ]\npool: {{ mode: transaction, size: {size} }}\nlimits: {{ clients: {clients} }}\n"
        f"logging: {{ level: warn }}\n" + (f"workers: {workers}\n" if workers else "") +
        f"databases:\n  app:\n    control: {{ user: howdah, password: howdah }}\n    shards:\n{shards}"
        "    sharding:\n      tables:\n        pgbench_accounts: { hash: aid }\n        pgbench_tellers: { hash: tid }\n"
        "        pgbench_branches: { hash: bid }\n        pgbench_history: { hash: aid }\n")
    process = Process(name, [binary, "--config", str(config)], folder)
    process.await_port(port)
    return Endpoint(name, port, process)
