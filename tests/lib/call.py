# SPDX-License-Identifier: MIT
"""Makes the call of each line, FUNCTION and arguments between tabs, and prints "ok" or the name of its error."""
import ctypes
import errno
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100


def renameat2(source, target, flags):
    if libc.renameat2(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), ctypes.c_uint(flags)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def noreplace(source, target):
    renameat2(source, target, 1)


def exchange(source, target):
    renameat2(source, target, 2)


def whiteout(source, target):
    renameat2(source, target, 4)


def truncate(path, size):
    os.truncate(path, int(size))


def utimens(path, ns):
    os.utime(path, ns=(int(ns), int(ns)))


def opened(path, *names):
    flags = 0
    for name in names:
        flags |= getattr(os, name)
    os.close(os.open(path, flags, 0o644))


def fsync(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write(path, source):
    """At close, which is where some errors are told."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        with open(source, 'rb') as file:
            octets = file.read()
        while octets:
            octets = octets[os.write(fd, octets):]
    finally:
        os.close(fd)


def written_synced(path, source):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with open(source, 'rb') as file:
            os.write(fd, file.read())
        os.fsync(fd)
    finally:
        os.close(fd)


FUNCTIONS = {
    'noreplace': noreplace, 'exchange': exchange, 'whiteout': whiteout, 'truncate': truncate, 'utimens': utimens,
    'open': opened, 'fsync': fsync, 'write': write, 'written_synced': written_synced, 'link': os.link,
    'symlink': os.symlink, 'mkdir': os.mkdir, 'rmdir': os.rmdir, 'unlink': os.unlink, 'rename': os.rename,
    'mkfifo': os.mkfifo, 'mknod': lambda path: os.mknod(path, 0o600 | 0o010000),
    'chmod': lambda path, mode: os.chmod(path, int(mode, 8)),
    'chown': lambda path, uid, gid: os.chown(path, int(uid), int(gid)),
    'stat': os.stat,
}


def call(function, *arguments):
    try:
        FUNCTIONS[function](*arguments)
        print('ok', flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, error.errno), flush=True)


for line in sys.stdin:
    call(*line.rstrip('\n').split('\t'))
