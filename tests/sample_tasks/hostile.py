"""A task that does what hostile tasks do."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

from pydantic import BaseModel


class Params(BaseModel):
    how: str
    text: str = ""


class Result(BaseModel):
    answer: str


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


class Bottomless(Exception):
    def __str__(self):
        raise SystemExit(3)


def raise_value_error(text):
    raise ValueError(text)


def raise_unprintable(_):
    raise Unprintable


def raise_bottomless(_):
    raise Bottomless


def raise_long(_):
    raise ValueError("x" * 3_000_000)


def raise_interrupt(_):
    raise KeyboardInterrupt


def raise_surrogate(_):
    raise ValueError("\ud800")


def raise_out_of_a_class_made_here(_):
    raise type("Local", (Exception,), {"__reduce__": None})("only here")


def exit_politely(_):
    sys.exit("goodbye")


def exit_with_0(_):
    os._exit(0)


def exit_with_7(_):
    os._exit(7)


def segfault(_):
    ctypes.string_at(0)


def kill_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


def recurse(text):
    return recurse(text)


def return_nothing(_):
    return None


def return_wrong_type(_):
    return {"answer": ["no", "text"]}


def return_self_containing(_):
    loop = {}
    loop["answer"] = loop
    return loop


def return_surrogate(_):
    return {"answer": "\ud800"}


def return_model(text):
    return Result(answer=text)


def return_from_a_fork(text):
    if os.fork() == 0:
        time.sleep(0.2)
    return {"answer": text}


def sleep_and_return(text):
    time.sleep(0.3)
    return {"answer": text}


def say(text):
    print("printed:", text)
    os.write(1, f"written: {text}\n".encode())
    subprocess.run(["echo", "subprocess:", text], check=True)
    return {"answer": ""}


def tell_environment(text):
    return {"answer": os.environ.get(text, "not there")}


def tell_pid(_):
    return {"answer": str(os.getpid())}


def sleep_long(_):
    time.sleep(600)


def sleep_and_clean_up(_):
    from workers.soft_limit import SoftTimeLimitExceeded

    try:
        time.sleep(600)
    except SoftTimeLimitExceeded:
        return {"answer": "cleaned up"}


def have_descendants():
    """A plain child, one in a session of its own, and an orphan in one; their process ids."""
    forever = [sys.executable, "-c", "import time; time.sleep(600)"]
    plain = subprocess.Popen(forever)
    estranged = subprocess.Popen(forever, start_new_session=True)
    orphan = subprocess.check_output(["sh", "-c", "setsid sleep 600 >/dev/null & echo $!"])
    return [plain.pid, estranged.pid, int(orphan)]


def tell(path, pids):
    with open(path + ".part", "w") as file:
        file.write(" ".join(map(str, pids)))
    os.rename(path + ".part", path)


def block_everything(text):
    """Ignore what can be ignored, with descendants; tell all process ids in a file."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    tell(text, [os.getpid(), *have_descendants()])
    while True:
        time.sleep(600)


def leave_descendants(text):
    """Leave descendants behind that outlive the job; tell all process ids in a file."""
    tell(text, [os.getpid(), *have_descendants()])
    return {"answer": "left them"}


def leave_a_foreign_process(text):
    """Leave a process of another user behind once, as sudo does, and crash; tell its process id."""
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    command = f"setsid {nobody} sleep 600 >/dev/null & echo $!"
    if not os.path.exists(text):
        pid = int(subprocess.check_output(["sh", "-c", command]))
        while os.stat(f"/proc/{pid}").st_uid == 0:  # not yet
            time.sleep(0.01)
        tell(text, [pid])
    os._exit(3)


def forge(text):
    """Write to the socket by which this process answers."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                os.write(int(name), text.encode())
    time.sleep(0.2)  # until that was read: what comes later is nobody's
    return {"answer": ""}


def name_itself(text):
    """As setproctitle does: the kernel keeps 15 bytes, whatever character that cuts through."""
    ctypes.CDLL(None).prctl(15, text.encode())
    return {"answer": ""}


def take_memory(text):
    return {"answer": str(len(bytearray(int(text))))}


def burn(_):
    while True:
        pass


def burn_and_catch(_):
    """Burn on after the first exception."""
    try:
        burn(_)
    except Exception as error:
        first = type(error).__name__
    try:
        burn(_)
    except Exception as error:
        return {"answer": f"{first} {type(error).__name__}"}


def open_files(text):
    files = []
    try:
        for _ in range(int(text)):
            files.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for file in files:
            os.close(file)
    return {"answer": str(len(files))}


def read_file(text):
    with open(text) as file:
        return {"answer": file.read()}


def connect_to(text):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(text)
    return {"answer": "connected"}


def hostile(how, text=""):
    return globals()[how](text)
