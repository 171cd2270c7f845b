# SPDX-License-Identifier: MIT
"""Who changes the same folders at random, and whether all agree afterwards.

two.py mount SEED NAME LOG COUNT PATH   COUNT changes through the mount at PATH
two.py imap SEED NAME LOG COUNT PORT    COUNT changes by a client that knows IMAP only
two.py judge PORT LOG PATH PATH         0: the mounts and the server have the same; else what is not so, on stderr

A line of a log is ACTION SUM: accept (there is a letter of these octets from now on), remove, move, flag, maybe (it was
not sent yet, so it may never have been anywhere but here). A letter has one SUM for ever, that of its octets.
"""
import errno
import hashlib
import imaplib
import os
import random
import sys
import time

FOLDERS = ['Shared', 'Second']
FLAGS = ['\\Seen', '\\Flagged', '\\Answered']
SETTLE = 90  # seconds
# Somebody else was faster; or it was never read, and cannot be while the line is down.
PASSED_OVER = [errno.ENOENT, errno.EHOSTUNREACH, errno.ETIMEDOUT]


def sum_of(octets):
    return hashlib.sha256(octets.replace(b'\r\n', b'\n')).hexdigest()[:16]


def letter(name, n):
    return (f'From: {name} <{name}@example.com>\r\nSubject: Letter {n}\r\nMessage-ID: <{name}-{n}@example.com>\r\n'
            f'Date: Fri, 01 Mar 2024 10:00:00 +0000\r\n\r\nThis is letter {n} of {name}.\r\n').encode() + b'x' * 70 + b'\r\n'


class Actor:
    def __init__(self, seed, name, log, count):
        self.random = random.Random(f'{seed} {name}')
        self.name, self.count = name, int(count)
        self.log = open(log, 'w', encoding='ascii')

    def say(self, action, octets_sum):
        self.log.write(f'{action} {octets_sum} {self.name}\n')
        self.log.flush()

    def run(self):
        for n in range(self.count):
            try:
                self.step(n)
            except imaplib.IMAP4.error:
                pass  # somebody else was faster
            except OSError as error:
                if error.errno not in PASSED_OVER:
                    raise
            time.sleep(self.random.uniform(0, 0.15))


class Mount(Actor):
    def __init__(self, seed, name, log, count, path):
        super().__init__(seed, name, log, count)
        self.path = path
        self.step = lambda n: self.random.choice(
            [self.write, self.write, self.write_from_temp, self.remove, self.move, self.append, self.rename, self.flag,
             self.flag])(n)

    def some(self):
        folder = self.random.choice(FOLDERS)
        names = sorted(name for name in os.listdir(f'{self.path}/{folder}') if name[0] != '.')
        if not names:
            raise FileNotFoundError(errno.ENOENT, 'there is none')
        return folder, self.random.choice(names)

    def read(self, path):
        with open(path, 'rb') as file:
            return file.read()

    def write(self, n):
        with open(f'{self.path}/{self.random.choice(FOLDERS)}/{self.name}-{n}.eml', 'xb') as file:
            file.write(letter(self.name, n))
        self.say('accept', sum_of(letter(self.name, n)))

    def write_from_temp(self, n):
        folder = f'{self.path}/{self.random.choice(FOLDERS)}'
        with open(f'{folder}/.{self.name}-{n}', 'xb') as file:
            file.write(letter(self.name, n))
        os.rename(f'{folder}/.{self.name}-{n}', f'{folder}/{self.name}-{n}.eml')
        self.say('accept', sum_of(letter(self.name, n)))

    def doing(self, action, path):
        """Said before it is done: that it may have been done is what others must know."""
        octets = self.read(path)
        if not has_uid(path):
            self.say('maybe', sum_of(octets))
        self.say(action, sum_of(octets))
        return octets

    def remove(self, _):
        folder, name = self.some()
        self.doing('remove', f'{self.path}/{folder}/{name}')
        os.unlink(f'{self.path}/{folder}/{name}')

    def move(self, _):
        folder, name = self.some()
        other = FOLDERS[1 - FOLDERS.index(folder)]
        if not os.path.exists(f'{self.path}/{other}/{name}'):
            self.doing('move', f'{self.path}/{folder}/{name}')
            os.rename(f'{self.path}/{folder}/{name}', f'{self.path}/{other}/{name}')

    def rename(self, n):
        folder, name = self.some()
        os.rename(f'{self.path}/{folder}/{name}', f'{self.path}/{folder}/{self.name}-renamed-{n}.eml')

    def append(self, n):
        folder, name = self.some()
        path = f'{self.path}/{folder}/{name}'
        old = self.doing('remove', path)
        more = f'P. S. {n} of {self.name}\r\n'.encode()
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, more)
        self.say('maybe', sum_of(old + more))  # until close says so
        os.close(fd)
        self.say('accept', sum_of(old + more))

    def flag(self, _):
        folder, name = self.some()
        path = f'{self.path}/{folder}/{name}'
        value = self.random.choice([b'0', b'1'])
        os.setxattr(path, f'user.imap.{self.random.choice(["seen", "flagged", "answered"])}', value)


def has_uid(path):
    try:
        os.getxattr(path, 'user.imap.uid')
        return True
    except OSError:
        return False


def login(port):
    imap = imaplib.IMAP4('127.0.0.1', int(port))
    imap.login('alice', 'secret')
    return imap


class Client(Actor):
    def __init__(self, seed, name, log, count, port):
        super().__init__(seed, name, log, count)
        self.imap = login(port)
        self.step = lambda n: self.random.choice([self.write, self.write, self.move, self.flag, self.flag])(n)

    def write(self, n):
        octets = letter(self.name, n)
        self.imap.append(self.random.choice(FOLDERS), None, None, octets)
        self.say('accept', sum_of(octets))

    def some(self):
        folder = self.random.choice(FOLDERS)
        self.imap.select(folder)
        uids = self.imap.uid('SEARCH', 'ALL')[1][0].split()
        if not uids:
            raise FileNotFoundError(errno.ENOENT, 'there is none')
        return folder, self.random.choice(uids)

    def move(self, _):
        folder, uid = self.some()
        for item in self.imap.uid('FETCH', uid, '(BODY.PEEK[])')[1]:
            if isinstance(item, tuple):
                self.say('move', sum_of(item[1]))
        self.imap.uid('MOVE', uid, FOLDERS[1 - FOLDERS.index(folder)])

    def flag(self, _):
        _, uid = self.some()
        self.imap.uid('STORE', uid, self.random.choice(['+FLAGS', '-FLAGS']), f'({self.random.choice(FLAGS)})')


def on_server(port, folder):
    """[(sum, flags)], sorted."""
    imap, found = login(port), []
    if imap.select(folder, readonly=True)[0] != 'OK':
        return []
    answer = imap.fetch('1:*', '(FLAGS BODY.PEEK[])')[1] if imap.untagged_responses.get('EXISTS') != [b'0'] else []
    for item in answer:
        if isinstance(item, tuple):
            flags = [flag for flag in imaplib.ParseFlags(item[0]) if flag.decode() in FLAGS]
            found.append((sum_of(item[1]), ' '.join(sorted(flag.decode() for flag in flags))))
    imap.logout()
    return sorted(found)


def in_mount(path, folder):
    found = []
    for name in os.listdir(f'{path}/{folder}'):
        file = f'{path}/{folder}/{name}'
        with open(file, 'rb') as opened:
            octets = opened.read()
        try:
            words = os.getxattr(file, 'user.imap.flags').decode().split()
        except OSError:
            words = []
        found.append((sum_of(octets), ' '.join(sorted(word for word in words if word in FLAGS))))
    return sorted(found)


def agree(port, paths, folder):
    """What they disagree about, or nothing."""
    there, wrong = on_server(port, folder), []
    for path in paths:
        try:
            here = in_mount(path, folder)
        except OSError as error:
            return [f'{path}/{folder}: {error}']
        wrong += [f'{path}/{folder}: not there: {item}' for item in here if item not in there]
        wrong += [f'{path}/{folder}: not here: {item}' for item in there if item not in here]
        if not wrong and len(here) != len(there):
            wrong.append(f'{path}/{folder}: {len(here)} here, {len(there)} there')
    return wrong


def judge_letters(port, log):
    """Each letter that was accepted is there, and in one place only, unless two have moved it at the same time."""
    live = [item[0] for folder in FOLDERS for item in on_server(port, folder)]
    trash = [item[0] for item in on_server(port, 'Trash')]
    said = {}
    with open(log, encoding='ascii') as file:
        for action, octets_sum, name in map(str.split, file):
            said.setdefault(octets_sum, {}).setdefault(action, []).append(name)
    wrong = []
    for octets_sum, actions in said.items():
        movers = set(actions.get('move', []) + actions.get('remove', []))
        n, gone = live.count(octets_sum) + trash.count(octets_sum), trash.count(octets_sum)
        if 'accept' not in actions and n == 0:
            continue
        if n == 0 and not ('maybe' in actions and 'remove' in actions):
            wrong.append(f'lost: {octets_sum} {actions}')
        if n > 1 and len(movers) < 2:
            wrong.append(f'doubled: {octets_sum} {actions}')
        if gone and 'remove' not in actions:
            wrong.append(f'in the trash, and nobody removed it: {octets_sum} {actions}')
        if n > gone and 'remove' in actions and len(movers) < 2:
            wrong.append(f'removed, and still there: {octets_sum} {actions}')
    wrong += [f'unknown: {octets_sum}' for octets_sum in live + trash if octets_sum not in said]
    return wrong, len(live), len(trash)


def judge(port, log, *paths):
    end, wrong = time.time() + SETTLE, ['not asked yet']
    while wrong and time.time() < end:
        wrong = [item for folder in FOLDERS for item in agree(port, paths, folder)]
        if wrong:
            time.sleep(0.5)
    more, live, trash = judge_letters(port, log)
    print(f'{live} letters, {trash} in the trash')
    print(*wrong, *more, sep='\n', file=sys.stderr)
    return 1 if wrong or more else 0


if sys.argv[1] == 'judge':
    sys.exit(judge(*sys.argv[2:]))
{'mount': Mount, 'imap': Client}[sys.argv[1]](*sys.argv[2:]).run()
