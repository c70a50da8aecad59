"""A file server that falls silent: python silent_fuse.py FOLDER, in a mount namespace of its own.

It serves one file, ``n``, whose inode number is one of a namespace's; says "ready"; and from a
line on its stdin on answers nothing any more. Its end sets everybody free who waits for it.
"""

import ctypes
import os
import struct
import sys
import threading

INODE = 0xF0000101
INIT, LOOKUP, GETATTR, OPEN, OPENDIR = 26, 1, 3, 14, 27


def attributes(inode: int, mode: int) -> bytes:
    owner = (os.getuid(), os.getgid(), 0, 4096, 0)
    return struct.pack("<QQQQQQIIIIIIIIII", inode, *[0] * 8, mode, 1, *owner)


def answer(operation: int, node: int) -> bytes | None:
    if operation == INIT:
        return struct.pack("<IIIIHHIIHHIIII", 7, 31, 0, 0, 0, 0, 1 << 17, 1, *[0] * 6) + bytes(16)
    if operation == GETATTR:
        known = (1, 0o40755) if node == 1 else (INODE, 0o100644)
        return struct.pack("<QII", 0, 0, 0) + attributes(*known)
    if operation == LOOKUP:
        return struct.pack("<QQQQII", 2, *[0] * 5) + attributes(INODE, 0o100644)
    if operation in (OPEN, OPENDIR):
        return struct.pack("<QII", 1, 0, 0)
    return None


def serve(device: int) -> None:
    while True:
        request = os.read(device, (1 << 20) + 8192)
        _, operation, unique, node = struct.unpack("<IIQQ", request[:24])
        if silent.is_set():
            continue
        data = answer(operation, node)
        error = 0 if data is not None else -38  # ENOSYS
        os.write(device, struct.pack("<IiQ", 16 + len(data or b""), error, unique) + (data or b""))


silent = threading.Event()
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
if ctypes.CDLL(None, use_errno=True).mount(
    b"x", sys.argv[1].encode(), b"fuse", 0, options.encode()
):
    sys.exit(os.strerror(ctypes.get_errno()))
threading.Thread(target=serve, args=(device,), daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
silent.set()
print("silent", flush=True)
sys.stdin.readline()
