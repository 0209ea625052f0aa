/*
 * key.h - System V keys: ftok, names, and files that stand for keys.
 */
#ifndef YM_IPC_KEY_H
#define YM_IPC_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ipc.h>

#include "error.h"

/* The project letter of every key file of Yardmaster: key = ftok(FILE, 'y'). */
#define YM_KEY_PROJECT 'y'

/*
 * The key glibc's ftok(3) and PHP's ftok() give for `path` and `project`: low 16 bits of the inode, low 8 of the
 * device, 8 of the project. 0 and *key, or -1 (path missing, or the key is one of the two that cannot be used:
 * 0 = IPC_PRIVATE and -1 = ftok's own error value).
 */
YM_API int ym_ftok(const char *path, int project, key_t *key, struct ym_err *err);

/* crc32 (ISO-HDLC) of bytes: what PHP's crc32() gives. */
YM_API uint32_t ym_crc32(const void *bytes, size_t length);

/* crc32 of a name, as a key; never 0 or -1 (those become 1 and -2). */
YM_API key_t ym_key_from_name(const char *name);

/*
 * A key as users write it: decimal, 0xHEX, PATH:c (ftok with the one byte c, any but NUL), name:TEXT (crc32).
 * 0, or -1 with a text that says what is wrong. Numbers go from -2147483648 to 4294967295 (the same key as -1), not 0.
 */
YM_API int ym_key_parse(const char *text, key_t *key, struct ym_err *err);

/* Is `key` in use by something that is not the caller's? Asked while a key file is made; `arg` is the caller's. */
typedef bool ym_key_taken(key_t key, void *arg);

/*
 * The key of the file DIRECTORY/NAME. A missing file is made (mode 0644, empty) when `taken` is given; while
 * taken(key) says yes the file is replaced by one with another inode, so that the key ends up free. With `taken`
 * NULL the file must exist; a missing one is YM_ERR_NOT_RUNNING. Callers that pass `taken` must keep others from
 * doing the same at the same time.
 */
YM_API int ym_keyfile(const char *directory, const char *name, ym_key_taken *taken, void *arg, key_t *key,
                      struct ym_err *err);

/*
 * ym_key_taken for programs whose file stands for objects that they are about to make: taken if there is a segment, a
 * queue or a semaphore set of that key. `arg` is not used.
 */
YM_API bool ym_key_in_use(key_t key, void *arg);

#endif
