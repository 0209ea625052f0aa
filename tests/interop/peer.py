"""peer.py - what peer.c does with keys, semaphores, queues and whole segments, in Python: a verb, the name of a handle
and arguments on a line, one line as the answer.

sysv_ipc knows only the first member of a semaphore set: enough to take and give units, not to be counted as a user of
PHP's semaphore. For that, "get" does PHP's three operations by semop() of the C library; "plain" leaves them out.
"""
import binascii
import ctypes
import os
import struct
import sys

import sysv_ipc

IPC_CREAT, IPC_NOWAIT, SEM_UNDO = 0o1000, 0o4000, 0o10000
GETVAL, SETVAL = 12, 16

libc = ctypes.CDLL(None, use_errno=True)
handles = {}


def to_hex(data):
	return "x" + data.hex()


def from_hex(word):
	return bytes.fromhex(word[1:])


def semop(semid, *operations):
	"""Each operation is (member, change, flags); all or nothing."""
	class Sembuf(ctypes.Structure):
		_fields_ = [("number", ctypes.c_ushort), ("change", ctypes.c_short), ("flags", ctypes.c_short)]

	array = (Sembuf * len(operations))(*operations)
	if libc.semop(semid, array, ctypes.c_size_t(len(operations))) < 0:
		code = ctypes.get_errno()
		raise OSError(code, os.strerror(code))


class Semaphore:
	def __init__(self, key, maximum):
		semid = libc.semget(ctypes.c_int(key), 3, IPC_CREAT | 0o666)
		self.alone = False
		self.counted = maximum is not None
		if self.counted:
			semop(semid, (2, 0, 0), (2, 1, SEM_UNDO), (1, 1, SEM_UNDO))
			self.alone = libc.semctl(semid, 1, GETVAL) == 1
			if self.alone:
				libc.semctl(semid, 0, SETVAL, ctypes.c_int(maximum))
			semop(semid, (2, -1, SEM_UNDO))
		self.first = sysv_ipc.Semaphore(key)
		self.first.undo = True
		self.held = 0

	def take(self, block):
		self.first.block = block
		try:
			self.first.acquire()
		except sysv_ipc.BusyError:
			return "busy"
		self.held += 1
		return "taken"

	def give(self):
		if self.held == 0:
			return "error not held"
		self.first.release()
		self.held -= 1
		return "ok"

	def leave(self):
		operations = [(0, self.held, SEM_UNDO)] if self.held else []
		if self.counted:
			operations.append((1, -1, SEM_UNDO))
		if operations:
			semop(self.first.id, *operations)
		return "ok"

	def count(self, path, times):
		"""Read the number in a file and write the next one, each time under one unit."""
		with open(path, "r+b", buffering=0) as file:
			for _ in range(times):
				self.first.acquire()
				file.seek(0)
				number = int(file.read(32))
				file.seek(0)
				file.write(b"%d\n" % (number + 1))
				self.first.release()
		return "ok"


def get(name, key, maximum):
	handles[name] = Semaphore(int(key, 0), int(maximum))
	return "alone" if handles[name].alone else "joined"


def plain(name, key):
	handles[name] = Semaphore(int(key, 0), None)
	return "ok"


def remove(name):
	handles[name].first.remove()
	return "ok"


def queue(name, key):
	handles[name] = sysv_ipc.MessageQueue(int(key, 0), sysv_ipc.IPC_CREAT, mode=0o666, max_message_size=8192)
	return "ok"


def send(name, kind, data, wait):
	try:
		handles[name].send(from_hex(data), block=wait == "wait", type=int(kind))
	except sysv_ipc.BusyError:
		return "full"
	return "sent"


def receive(name, kind, _maximum, flags):
	"""The longest message is what the queue was opened with; of the flags there is only NOWAIT."""
	try:
		data, got = handles[name].receive(block=not int(flags) & 1, type=int(kind))
	except sysv_ipc.BusyError:
		return "none"
	return f"got {got} {to_hex(data)}"


def relay(name, times):
	"""Send each message of type 1 back as type 2."""
	for _ in range(int(times)):
		data, _ = handles[name].receive(type=1)
		handles[name].send(data, type=2)
	return "ok"


def unqueue(name):
	handles[name].remove()
	return "ok"


def walk(_name, key):
	"""A variable segment of PHP's layout, read: all that is in it."""
	memory = sysv_ipc.SharedMemory(int(key, 0))
	data = memory.read()
	memory.detach()
	magic, at, end = struct.unpack_from("<8s2q", data)
	answer = "walk"
	if not magic.startswith(b"PHP_SM\0"):
		return f"error magic {magic}"
	while at < end:
		variable, length, step = struct.unpack_from("<3q", data, at)
		answer += f" {variable}:{to_hex(data[at + 24:at + 24 + length])}"
		at += step
	return answer


def build(_name, key, size, *variables):
	"""The same, written: variables as KEY:xHEX."""
	memory = sysv_ipc.SharedMemory(int(key, 0), sysv_ipc.IPC_CREX, mode=0o666, size=int(size))
	chunks = b""
	for variable, value in (item.split(":") for item in variables):
		data = from_hex(value)
		step = (len(data) + 31) // 8 * 8 + 8
		chunks += struct.pack("<3q", int(variable), len(data), step) + data.ljust(step - 24, b"\0")
	end = 40 + len(chunks)
	memory.write(struct.pack("<8s4q", b"PHP_SM", 40, end, int(size) - end, int(size)) + chunks)
	memory.detach()
	return "ok"


def throw(_name):
	raise SystemExit("on purpose")


VERBS = {
	"ftok": lambda name, path, letter: str(sysv_ipc.ftok(path, int(letter), silence_warning=True)),
	"crc32": lambda name, data: str(binascii.crc32(from_hex(data))),
	"get": get,
	"plain": plain,
	"try": lambda name: handles[name].take(False),
	"acquire": lambda name: handles[name].take(True),
	"release": lambda name: handles[name].give(),
	"close": lambda name: handles.pop(name).leave(),
	"remove": remove,
	"count": lambda name, path, times: handles[name].count(path, int(times)),
	"queue": queue,
	"send": send,
	"receive": receive,
	"relay": relay,
	"unqueue": unqueue,
	"walk": walk,
	"build": build,
	"throw": throw,
}

for line in sys.stdin:
	if line.startswith("bye"):
		break
	verb, *words = line.split()
	try:
		answer = VERBS[verb](*words)
	except (OSError, sysv_ipc.Error, KeyError) as error:
		answer = f"error {type(error).__name__}: {error}"
	print(answer, flush=True)
