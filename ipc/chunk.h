/*
 * chunk.h - the bytes of a variable segment: read once each, checked, and moved so that a kill in the middle can be
 * mended. Internal to vars.c, vars_attach.c and vars_repair.c; vars.h draws the layout.
 *
 * How a hole is closed. Taking out the chunk of `hole` bytes at offset `at` moves everything behind it down. The mover
 * keeps a journal in two words of the head that mean nothing to anybody meanwhile:
 *
 *   step                                                    free      total   end
 *   1  say that the segment is being changed, and where     -at       total   end
 *   2  how far things move: the journal is valid            -at       hole    end
 *   3  copy at most `hole` bytes down, advance              -at'      hole    end
 *   4  nothing is left to be moved                          -at'      hole    at'
 *   5  back to what it was                                  -at'      total   at'
 *   6  (a put) write the new chunk behind, move the end     -at'      total   at' + its size
 *   7                                                       free      total
 *
 * The journal is valid if `total` is not more than `end` - at: a real total never is that small. A block is not longer
 * than the hole, so its source is whole until the journal has moved past it: repair goes on with step 3 wherever the
 * mover was killed, and what is lost is at most the variable that was being put or removed. PHP knows nothing of this: its
 * put finds a negative `free` too small, but has removed the old value by then, and its remove moves chunks and adds to
 * `free`. So after a kill in the middle of a move repair before PHP writes. The last chunk is replaced without a journal.
 */
#ifndef YM_IPC_CHUNK_H
#define YM_IPC_CHUNK_H

#include "vars.h"

#define YM_CHUNK_HEAD sizeof(struct ym_chunk_sh)
#define YM_CHUNK_MIN  32 /* PHP looks for no chunk where less is left */

/* How long a reader without the semaphore waits for a writer to finish, before it takes the segment for damaged. */
#define YM_VARS_PATIENCE_MS 10
#define YM_VARS_NAP_NS      20000

/* Local copies, which nobody changes behind our back. */
struct ym_head {
	bool magic;
	int64_t start, end, free, total;
};
struct ym_chunk {
	size_t at;
	int64_t key, length, next;
};

/* A word of a chunk: any alignment (we accept any `next`), loaded or stored exactly once. */
typedef int64_t ym_word_sh __attribute__((aligned(1), may_alias));

static inline int64_t ym_word(const struct ym_vars *vars, size_t at)
{
	return *(const volatile ym_word_sh *)((const char *)vars->head + at);
}
static inline void ym_word_set(const struct ym_vars *vars, size_t at, int64_t word)
{
	/* Whatever was written before is there before the word is. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile ym_word_sh *)((char *)vars->head + at) = word;
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* A field of the head, in the order of the program. */
static inline void ym_field_set(int64_t *field, int64_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline char *ym_bytes(const struct ym_vars *vars, size_t at)
{
	return (char *)vars->head + at;
}

/* CORRUPT, with the offset, the reason (a format string and its arguments) and what to do. */
#define ym_vars_damage(vars, err, at, reason, ...)                                                                     \
	ym_fail((err), YM_ERR_CORRUPT,                                                                                 \
	        "segment 0x%x (id %d) is damaged at offset %zu: " reason                                               \
	        " (`yardmaster shm dump` shows it, `yardmaster shm repair` saves what can be saved)",                  \
	        (unsigned)(vars)->key, (vars)->id, (size_t)(at), __VA_ARGS__)

/* Attached, and not for reading only? */
int ym_vars_writable(const struct ym_vars *vars, struct ym_err *err);

/* False when the time of YM_VARS_PATIENCE_MS since the first call is over; *deadline is 0 before that. */
bool ym_vars_patient(uint64_t *deadline);

/* The head as it is. */
void ym_head_read(const struct ym_vars *vars, struct ym_head *head);

/* Is it what a head must be? ym_head_damage() says what is wrong with one that is not, and where (*at). */
bool ym_head_sound(const struct ym_vars *vars, const struct ym_head *head);
int ym_head_damage(const struct ym_vars *vars, const struct ym_head *head, size_t *at, struct ym_err *err);

/* A sound head: 0; or -1, after waiting for a writer that may be at it. *at (may be NULL): offset of the damage. */
int ym_head_take(const struct ym_vars *vars, struct ym_head *head, size_t *at, struct ym_err *err);

/*
 * What a head that need not be sound says about its chunks. With a hole (not 0), a mover was killed in the middle: what
 * is before `at` is whole.
 */
struct ym_extent {
	size_t end;
	size_t at;
	size_t hole;
};
struct ym_extent ym_head_extent(const struct ym_vars *vars, const struct ym_head *head);

/* The chunk at `at`, with `end` - `at` bytes left: does it lie inside? ym_chunk_damage() says what is wrong if not. */
bool ym_chunk_read(const struct ym_vars *vars, size_t at, size_t end, struct ym_chunk *chunk);
int ym_chunk_damage(const struct ym_vars *vars, const struct ym_chunk *chunk, size_t end, struct ym_err *err);

/* Does the value lie inside its chunk? */
static inline bool ym_chunk_holds_value(const struct ym_chunk *chunk)
{
	return chunk->length >= 0 && chunk->length <= chunk->next - (int64_t)YM_CHUNK_HEAD;
}
int ym_value_damage(const struct ym_vars *vars, const struct ym_chunk *chunk, struct ym_err *err);

/*
 * Find a variable: 0, 1 (then chunk->next is 0), -1 damaged. *head is the head it was found under. Looks again when the
 * segment changed meanwhile. The value's length is not checked.
 */
int ym_chunk_look(const struct ym_vars *vars, int64_t key, struct ym_head *head, struct ym_chunk *chunk,
                  struct ym_err *err);

/* Steps 1 to 5 of the above; the new end. */
size_t ym_chunk_cut(struct ym_vars *vars, const struct ym_head *head, const struct ym_chunk *chunk);

/* Steps 3 to 5 from where the journal stands; the new end. */
size_t ym_chunk_close(struct ym_vars *vars, size_t at, size_t hole, size_t end, int64_t total);

#endif
