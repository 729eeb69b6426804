"""The two servers, each a child process in a temporary folder: InfluxDB 1.x as the reference, and Weir."""
import os
import shutil
import signal
import socket
import subprocess
import time

INFLUX_CONF = """
reporting-enabled = false
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{dir}/meta"
  logging-enabled = false
[data]
  dir = "{dir}/data"
  wal-dir = "{dir}/wal"
  index-version = "{index}"
  query-log-enabled = false
  max-series-per-database = 0
  max-values-per-tag = 0
[coordinator]
  write-timeout = "60s"
[retention]
  enabled = false
[shard-precreation]
  enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = false
  log-enabled = false
  max-row-limit = 0
[logging]
  level = "error"
[continuous_queries]
  enabled = false
"""


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Server:
    """A child process that listens on a port; subclasses say how it is started."""
    name = "?"

    def __init__(self, folder):
        self.dir, self.proc, self.port = folder, None, free_ports(1)[0]
        os.makedirs(folder, exist_ok=True)
        self.log = open(os.path.join(folder, "log"), "ab")

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def command(self):
        raise NotImplementedError

    def env(self):
        return dict(os.environ)

    def start(self, wait_s=60):
        self.proc = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log, cwd=self.dir, env=self.env())
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            if self.proc.poll() is not None:
                raise SystemExit("%s ended with status %s; see %s/log" % (self.name, self.proc.returncode, self.dir))
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.03)
        raise SystemExit("%s does not listen after %d s; see %s/log" % (self.name, wait_s, self.dir))

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def stop(self, sig=signal.SIGTERM):
        if self.alive():
            self.proc.send_signal(sig)
            try:
                self.proc.wait(60)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()

    def restart(self, sig=signal.SIGTERM):
        self.stop(sig)
        return self.start()


class Influx(Server):
    name = "influxd"

    def __init__(self, folder, binary="influxd", index="inmem", threads=None):
        super().__init__(folder)
        self.binary, self.threads = binary, threads
        self.conf = os.path.join(folder, "influxdb.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(INFLUX_CONF.format(dir=folder, port=self.port, rpc=free_ports(1)[0], index=index))

    def command(self):
        return [self.binary, "-config", self.conf]

    def env(self):
        out = {k: v for k, v in os.environ.items() if not k.startswith("INFLUXDB_")}
        if self.threads:
            out["GOMAXPROCS"] = str(self.threads)
        return out


class Weir(Server):
    name = "weir"

    def __init__(self, folder, binary="weir"):
        super().__init__(folder)
        self.binary = binary
        self.conf = os.path.join(folder, "weir.toml")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write('[store]\n  wal_sync = "none"\n  wal_flush_bytes = "1MiB"\n[limits]\n  shard_groups_max = 100000\n'
                    '  new_shard_groups_per_request_max = 100000\n')

    def command(self):
        return [self.binary, "run", "--config", self.conf, "--listen", "127.0.0.1:%d" % self.port,
                "--data", os.path.join(self.dir, "data"), "--dialect", "oss", "--no-auth", "--no-inputs"]


def find_weir(root):
    """The newest build of `weir`: the target folder of cargo, or the path."""
    folders = [os.environ.get("CARGO_TARGET_DIR") or os.path.join(root, "target")]
    built = [os.path.join(d, kind, "weir") for d in folders for kind in ("release", "debug")]
    built = [p for p in built if os.path.exists(p)]
    if built:
        return max(built, key=os.path.getmtime)
    found = shutil.which("weir")
    if not found:
        raise SystemExit("no weir binary: build it (cargo build), or name it with --weir")
    return found
