/*
 * shm.h - one shared segment, without the kernel: the library's shmget(), shmat(), shmdt() and shmctl() come here.
 *
 * The library's view of the segment ends where forbidden memory begins, and has more of it in front: any access outside
 * is a finding, as is a store while it is attached for reading only. We look at the same memory elsewhere.
 */
#ifndef YM_TESTS_SHM_H
#define YM_TESTS_SHM_H

#include <stdbool.h>
#include <stddef.h>

#define SHM_KEY 0x59000001
#define SHM_MAX ((size_t)1 << 13)

extern size_t shm_size;
extern bool shm_removed;

/* Begin anew, with these contents. */
void shm_load(const void *bytes, size_t size);

/* Where the library sees the first byte, and where we do. */
char *shm_view(void);
char *shm_bytes(void);

#endif
