# rekey.py PID ADDRESS KEY: gives the BGP sockets of a process another TCP MD5 key for a peer, as a router does that changes its key without a
# reset. FRR and BIRD cannot by themselves: they end the session. Their sockets are reached by pidfd_getfd(2), as root.
import ctypes
import os
import socket
import struct
import sys

PIDFD_OPEN, PIDFD_GETFD, TCP_MD5SIG = 434, 438, 14
pid, address, key = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
libc = ctypes.CDLL(None, use_errno=True)
pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
changed = 0
for name in os.listdir(f"/proc/{pid}/fd"):
    if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
        continue
    fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
    if fd < 0:
        continue
    with socket.socket(fileno=fd) as one:
        if one.family != socket.AF_INET or one.type != socket.SOCK_STREAM or one.getsockname()[1] != 179:
            continue
        peer = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(address)).ljust(128, b"\0")
        one.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, peer + struct.pack("=BBHi", 0, 0, len(key), 0) + key.ljust(80, b"\0"))
        changed += 1
print(changed)
