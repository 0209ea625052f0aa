/*
 * transfer.h - bytes from one descriptor to another, however many, in constant memory.
 *
 * Files, pipes, sockets and terminals alike: within the kernel where it can do that, through a small buffer where it
 * cannot. Signals do not end a transfer, and a descriptor that is O_NONBLOCK is waited for.
 */
#ifndef YM_RUNTIME_TRANSFER_H
#define YM_RUNTIME_TRANSFER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How it ended; errno says why when not well. */
enum transfer_end {
	TRANSFER_DONE,
	TRANSFER_NO_READ,  /* the source cannot be read */
	TRANSFER_NO_WRITE, /* the target cannot be written */
};

/*
 * At most `size` bytes, from and to the current positions; *copied says how many there were, in any case. DONE with
 * fewer than `size`: the source has no more.
 */
enum transfer_end transfer(int to, int from, uint64_t size, uint64_t *copied);

/* The same from and to memory. */
enum transfer_end transfer_write(int to, const void *data, size_t size, uint64_t *copied);
enum transfer_end transfer_read(int from, void *data, size_t size, size_t *have);
/* Likewise at offset `at`, and the position stays; a negative one: from the current position. */
enum transfer_end transfer_read_at(int from, off_t at, void *data, size_t size, size_t *have);

#endif
