"""Starts programs in two processes on this machine, which speak to each other on loopback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
LAUNCH = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu",
    "--num_processes", "2", "--num_machines", "1",
    "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
]  # fmt: skip
ENOUGH = 600  # seconds after which a launch has hung


def environment(home):
    """The variables of a launch; `home` is an empty folder, for nobody's settings count."""
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    return {
        **os.environ,
        "HF_HOME": str(home),
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        **({"GLOO_SOCKET_IFNAME": loopback[0]} if loopback else {}),
    }


def launched(arguments, home, **options):
    """A launch that has been started; its standard output and error are pipes of text."""
    return subprocess.Popen(
        [*LAUNCH, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env=environment(home),
        **options,
    )


def finished(process):
    """Exit status, standard output and standard error of a launch, which is waited for."""
    try:
        output, errors = process.communicate(timeout=ENOUGH)
    except BaseException:
        process.terminate()
        process.communicate()
        raise
    return process.returncode, output, errors
