"""Where the queue server of this comparison is; the benchmark says so in the environment."""

import os

SOCKET_VARIABLE = "BENCH_QUEUE_SOCKET"
PORT_VARIABLE = "BENCH_QUEUE_PORT"
SOCKET = os.environ.get(SOCKET_VARIABLE, "/nowhere/queue.sock")  #: a path; describing needs none
URL = f"unix://{SOCKET}"
TCP_URL = f"redis://127.0.0.1:{os.environ.get(PORT_VARIABLE, 0)}"  #: for who takes no socket
