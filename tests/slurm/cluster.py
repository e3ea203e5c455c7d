"""A Slurm cluster of one node on the loopback interface, with all its state in one folder.

Its daemons run as root, as Slurm's do. Only its configuration lies outside of the folder: srun
inside a job looks for it in its default place alone. Its two GPUs are null devices.
"""

import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")
CONFIGURATION = Path("/etc/slurm/slurm.conf")
DEVICES = CONFIGURATION.with_name("gres.conf")
CPUS = 4
GPUS = 2
MEMORY_MB = 200_000  # what jobs may ask for, not what this machine has
_START_SECONDS = 60.0

_TEXT = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
MpiDefault=none
MinJobAge=600
KillWait=3
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=cpu Nodes=ALL MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP
"""


def lacking() -> str | None:
    """What a cluster on this machine needs and lacks, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"needs {', '.join(absent)}: apt-get install slurm-wlm munge"
    if os.getuid() != 0:
        return "needs root: Slurm's daemons start jobs as other users"
    if CONFIGURATION.exists() or DEVICES.exists():
        return f"needs a machine without a Slurm of its own: {CONFIGURATION} exists"
    return None


def _path() -> str:
    return f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """The cluster, for as long as the block lasts.

    Args:
        folder: an empty one, for keys, sockets, state and logs.

    Raises:
        TimeoutError: the node does not come up, or a job does not end; quotes the daemons' logs.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.enter_context(_daemon(folder, _munged(folder)))
        _wait_for(lambda: (folder / "munge.socket").exists(), folder)
        text = _TEXT.format(
            folder=folder,
            host=_host(),
            ports=_free_ports(2),
            cpus=CPUS,
            gpus=GPUS,
            memory=MEMORY_MB,
        )
        for path, lines in ((CONFIGURATION, text), (DEVICES, _gpus(folder))):
            stack.callback(path.unlink)
            path.write_text(lines)
        stack.enter_context(_daemon(folder, ["slurmctld", "-D", "-c"]))
        stack.enter_context(_daemon(folder, ["slurmd", "-D"]))
        _wait_for(lambda: _told("sinfo", "-h", "-o", "%T") == "idle", folder)
        yield
        subprocess.run(["scancel", "--user=root"], check=False)
        _wait_for(lambda: not _told("squeue", "-h", "-o", "%i"), folder)  # else their steps stay


def _munged(folder: Path) -> list[str]:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    places = {
        "key-file": key,
        "socket": folder / "munge.socket",
        "pid-file": folder / "munged.pid",
        "log-file": folder / "munged.log",
        "seed-file": folder / "munged.seed",
    }
    return ["munged", "--foreground", "--force", *(f"--{k}={v}" for k, v in places.items())]


def _gpus(folder: Path) -> str:
    """The lines that call null devices GPUs."""
    files = [folder / f"gpu{number}" for number in range(GPUS)]
    for file in files:
        os.mknod(file, stat.S_IFCHR | 0o600, Path("/dev/null").stat().st_rdev)
    return "".join(f"NodeName={_host()} Name=gpu File={file}\n" for file in files)


@contextmanager
def _daemon(folder: Path, words: list[str]) -> Iterator[None]:
    """A daemon in the foreground; it is asked to end, and its children with it."""
    with (folder / f"{words[0]}.out").open("wb") as out:
        daemon = subprocess.Popen(
            words, env={**os.environ, "PATH": _path()}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _wait_for(is_so: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while not is_so():
        if time.monotonic() > end:
            logs = [*folder.glob("*.out"), *folder.glob("*.log")]
            told = "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in logs)
            raise TimeoutError(f"the cluster does not start, or its jobs do not end:\n{told}")
        time.sleep(0.2)


def _told(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip()


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
