"""A connection with Ray: a cluster's, or an instance of this machine alone."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from graphprune.errors import FileError, SpecError
from graphprune.workers import THREADS, environment

CONNECT = 10.0  # seconds for the first answer of a host
JOIN = 60.0  # seconds for Ray's own handshake, after which the address is given up
STARTS = 5  # times that a local Ray is started before it is given up
STORE = 80 << 20  # bytes of a local object store; runs hand over kilobytes
EAGER = {"RAY_worker_niceness": "0"}  # runs are what this Ray is for; 15 is Ray's own choice
QUIET = {"log_to_driver": False, "logging_level": "error"}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # Ray's word for one machine, no network
# What Ray prints on standard output about workers, whatever is asked for; the study tells it.
TOLD = "worker died|Raylet is term|marked dead|memory pressure|worker processes have been"
LOADING = {"RAY_DEDUP_LOGS_SKIP_REGEX": TOLD}  # read when Ray is loaded, as is LOOPBACK
PROBE = "import sys, ray; ray.init(address=sys.argv[1], logging_level='critical')"


@dataclass(frozen=True, slots=True)
class Connection:
    """`ray` is the module, connected; `options` are those of every worker.

    `places` is where workers look for modules, where that is not their own business. `alone`
    says that it is a Ray of this machine, made for this connection. `close` ends what
    was begun for this connection, and nothing else.
    """

    ray: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    alone: bool = False
    close: Callable[[], None] = lambda: None


def connect(address: str | None, *, threads: int, cpus: int | None) -> Connection:
    """Join a cluster, or start a Ray of this machine where `address` is None.

    A process that is connected already keeps its connection, whatever the address.

    Args:
        address: "auto", "HOST:PORT", "ray://HOST:PORT" or None.
        threads: Of every library in a worker.
        cpus: That a local Ray may give away; None: as many as there are.

    Raises:
        SpecError: Ray is not installed.
        FileError: Nobody answers at `address`, 60 seconds at most, or Ray does not start.
    """
    with environment(LOADING if address else LOADING | LOOPBACK):
        ray = _library()
    if ray.is_initialized():
        return Connection(ray, _worker_options(threads))
    if address:
        _probe(address)
        with _own_signals(), _explained(f"{address}: cannot be joined"):
            ray.init(address=address, **QUIET)
        return Connection(ray, _worker_options(threads), close=ray.shutdown)
    return _local(ray, threads=threads, cpus=cpus)


def _library() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        raise SpecError("a study on Ray needs ray: pip install graphprune[ray]") from error


def _worker_options(threads: int) -> dict[str, Any]:
    return {"runtime_env": {"env_vars": dict.fromkeys(THREADS, str(threads))}}


def _local(ray: Any, *, threads: int, cpus: int | None) -> Connection:
    """A Ray that listens on loopback alone and ends with this process."""
    for left in reversed(range(STARTS)):
        folder = tempfile.TemporaryDirectory(
            prefix="ray-", dir=os.environ.get("RAY_TMPDIR", "/tmp"), ignore_cleanup_errors=True
        )  # Ray puts sockets there, whose paths must be short
        try:
            _start(ray, folder.name, threads=threads, cpus=cpus)
            break
        except BaseException as error:
            _end(ray, folder)
            if not (left and isinstance(error, FileError)):  # Ray gives up on a busy machine
                raise
    places = tuple(sys.path)
    return Connection(ray, places=places, alone=True, close=lambda: _end(ray, folder))


def _start(ray: Any, folder: str, *, threads: int, cpus: int | None) -> None:
    """Start a Ray whose files are in `folder` and whose workers get our environment.

    Raises:
        FileError: It does not start.
        SpecError: It would listen to other machines.
    """
    variables = LOOPBACK | EAGER | dict.fromkeys(THREADS, str(threads))
    with environment(variables), _own_signals(), _explained("Ray does not start here"):
        ray.init(
            address="local",
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=STORE,
            _temp_dir=folder,
            **QUIET,
        )
    if not all(node["NodeManagerAddress"].startswith("127.") for node in ray.nodes()):
        raise SpecError(
            "Ray was imported too early to keep to this machine: start it yourself by "
            "ray.init(), or import it later"
        )


def _end(ray: Any, folder: "tempfile.TemporaryDirectory[str]") -> None:
    """End a Ray of this machine, and what it leaves: its agents live on for up to a minute."""
    psutil = import_module("psutil")  # comes with Ray
    left = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(folder.name in part for part in child.cmdline()):
                left += [child, *child.children(recursive=True)]
    ray.shutdown()
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=5)  # a container may lack what reaps them
    folder.cleanup()


def _probe(address: str) -> None:
    """See in another process whether an address answers: Ray itself asks for many minutes.

    Raises:
        FileError: It does not.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT).close()
        except (OSError, ValueError, OverflowError) as error:
            raise FileError(f"{address}: no Ray cluster answers there ({error})") from error
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, address], capture_output=True, text=True, timeout=JOIN
        )
    except subprocess.TimeoutExpired:
        raise FileError(f"{address}: no Ray cluster answers there in {JOIN:g} s") from None
    if done.returncode:
        why = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        if "AuthToken" in done.stderr:
            why = "it asks for a token; RAY_AUTH_MODE=token makes Ray show the one you have"
        raise FileError(f"{address}: cannot be joined ({why})")


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Make one line of whatever Ray raises when it connects."""
    try:
        yield
    except Exception as error:  # Ray raises bare Exception here, among others
        raise FileError(f"{what}: {' '.join(str(error).split())}") from error


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's way with SIGTERM, which Ray would replace."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # not the main thread: Ray left it alone, too
            signal.signal(signal.SIGTERM, before)
