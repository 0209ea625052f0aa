/* transfer.c - copy_file_range, sendfile, splice, and at last read and write. */
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* A call ends after this much, so that a process that is told to stop is not deaf for long. */
#define CHUNK ((size_t)16 << 20)

static size_t at_most(size_t limit, uint64_t size)
{
	return size < limit ? (size_t)size : limit;
}

/* Was that no failure, but a signal, or a descriptor that is not ready (any more)? */
static bool again(int fd, short events)
{
	struct pollfd ready = {.fd = fd, .events = events};

	if (errno == EAGAIN)
		poll(&ready, 1, -1);
	else if (errno != EINTR)
		return false;
	return true;
}

enum transfer_end transfer_write(int to, const void *data, size_t size, uint64_t *copied)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(to, at, size);

		if (n < 0 && again(to, POLLOUT))
			continue;
		if (n < 0)
			return TRANSFER_NO_WRITE;
		at += n;
		size -= (size_t)n;
		*copied += (uint64_t)n;
	}
	return TRANSFER_DONE;
}

enum transfer_end transfer_read_at(int from, off_t at, void *data, size_t size, size_t *have)
{
	char *to = data;

	*have = 0;
	while (*have < size) {
		ssize_t n = at < 0 ? read(from, to + *have, size - *have)
		                   : pread(from, to + *have, size - *have, at + (off_t)*have);

		if (n < 0 && again(from, POLLIN))
			continue;
		if (n < 0)
			return TRANSFER_NO_READ;
		if (n == 0)
			break;
		*have += (size_t)n;
	}
	return TRANSFER_DONE;
}

enum transfer_end transfer_read(int from, void *data, size_t size, size_t *have)
{
	return transfer_read_at(from, -1, data, size, have);
}

static ssize_t by_copying(int to, int from, size_t size)
{
	return copy_file_range(from, NULL, to, NULL, size, 0);
}

static ssize_t by_sending(int to, int from, size_t size)
{
	return sendfile(to, from, NULL, size);
}

static ssize_t by_splicing(int to, int from, size_t size)
{
	return splice(from, NULL, to, NULL, size, SPLICE_F_MOVE);
}

static enum transfer_end through_memory(int to, int from, uint64_t size, uint64_t *copied)
{
	char buffer[65536];

	while (*copied < size) {
		ssize_t n = read(from, buffer, at_most(sizeof(buffer), size - *copied));

		if (n < 0 && again(from, POLLIN))
			continue;
		if (n < 0)
			return TRANSFER_NO_READ;
		if (n == 0)
			break;
		if (transfer_write(to, buffer, (size_t)n, copied) != TRANSFER_DONE)
			return TRANSFER_NO_WRITE;
	}
	return TRANSFER_DONE;
}

/*
 * Which way goes between which kinds of files differs from kernel to kernel, and an error does not say on which side
 * it is: so whatever one way does not do, the next one tries, and the last one knows. Neither is an end believed before
 * the last one has seen it: for copy_file_range the files of /proc are empty.
 */
enum transfer_end transfer(int to, int from, uint64_t size, uint64_t *copied)
{
	static ssize_t (*const ways[])(int to, int from, size_t size) = {by_copying, by_sending, by_splicing};
	size_t way = 0;

	*copied = 0;
	while (*copied < size && way < sizeof(ways) / sizeof(ways[0])) {
		ssize_t n = ways[way](to, from, at_most(CHUNK, size - *copied));

		if (n > 0)
			*copied += (uint64_t)n;
		else if (n == 0 || errno != EINTR)
			way++;
	}
	return through_memory(to, from, size, copied);
}
