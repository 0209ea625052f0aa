/*
 * mirror.h - what is to stand in a segment of PHP's variables, and what stands there: only differences are written.
 *
 * An item has a value and one or two keys. Where several items have a key, the one with the greatest id has the variable;
 * when it goes, the next one gets it. Variables with other keys are somebody else's and are left alone.
 *
 * When there is no room, items give way: first those that are over, the oldest first; for one that runs, also those that
 * wait, the last that came first.
 */
#ifndef YM_RUNTIME_MIRROR_H
#define YM_RUNTIME_MIRROR_H

#include <stdbool.h>
#include <sys/queue.h>

#include "../ipc/vars.h"

enum mirror_rank { MIRROR_OVER, MIRROR_WAITING, MIRROR_RUNNING, MIRROR_RANKS };

#define MIRROR_KEYS 2

struct mirror_var {
	int64_t key; /* 0: none */
	struct mirror_item *item;
	struct mirror_var *chain; /* in its bucket */
	bool dirty;               /* in the list of what is to be written */
	bool there;               /* in the segment, perhaps with an older value, or that of another item */
	TAILQ_ENTRY(mirror_var) to_write;
};

/* The owner's to allocate and to free, zeroed; it may be the start of something larger. */
struct mirror_item {
	uint64_t id;
	enum mirror_rank rank;
	char *bytes; /* the value, serialized */
	size_t length;
	struct mirror_var vars[MIRROR_KEYS];
	TAILQ_ENTRY(mirror_item) same_rank; /* in the order in which they came to it */
};

TAILQ_HEAD(mirror_items, mirror_item);
TAILQ_HEAD(mirror_vars, mirror_var);

struct mirror {
	struct mirror_items ranks[MIRROR_RANKS];
	struct mirror_vars to_write;
	struct mirror_var **buckets;
	size_t nbuckets, nvars, nitems;
	int64_t *to_remove; /* keys */
	size_t nto_remove, to_remove_room;
	int64_t room; /* bytes that will be free when all is written */
	/* An item had to give way: it is in the mirror no more, and the owner's to free. */
	void (*dropped)(void *arg, struct mirror_item *item);
	void *arg;
};

int mirror_open(struct mirror *mirror, void (*dropped)(void *arg, struct mirror_item *item), void *arg,
                struct ym_err *err);
/* Items that are left are the owner's to free. */
void mirror_close(struct mirror *mirror);

/* Another segment: all that is known is to be written into it, and so much is free there. */
void mirror_begin(struct mirror *mirror, size_t room);
/* The same segment, but nobody knows what is left in it. */
void mirror_rewrite(struct mirror *mirror);

/*
 * Take an item in, with keys[] (0: none). False: there is no room for a value of so many bytes and an item of that rank, or no
 * memory.
 */
bool mirror_add(struct mirror *mirror, struct mirror_item *item, const int64_t keys[MIRROR_KEYS], size_t length);
/* Would there be? */
bool mirror_has_room(const struct mirror *mirror, enum mirror_rank rank, size_t length);
/* Its value, copied. False: no memory. */
bool mirror_put(struct mirror *mirror, struct mirror_item *item, const char *bytes, size_t length);
void mirror_rank(struct mirror *mirror, struct mirror_item *item, enum mirror_rank rank);
/* It goes, and its variables with it; the owner frees it with mirror_free(). */
void mirror_drop(struct mirror *mirror, struct mirror_item *item);
void mirror_free(struct mirror_item *item);

struct mirror_item *mirror_find(const struct mirror *mirror, int64_t key);
/* That variable stands in the segment, and nobody knows it. */
void mirror_remove(struct mirror *mirror, int64_t key);

static inline struct mirror_item *mirror_oldest(const struct mirror *mirror, enum mirror_rank rank)
{
	return TAILQ_FIRST(&mirror->ranks[rank]);
}
static inline bool mirror_is_written(const struct mirror *mirror)
{
	return TAILQ_EMPTY(&mirror->to_write) && mirror->nto_remove == 0;
}

/*
 * Write what is to be written, with the segment to ourselves. 0; 1: the deadline has come, go on later
 * (something has been written); -1: the segment is
 * damaged (YM_ERR_CORRUPT) or not to be used.
 */
int mirror_write(struct mirror *mirror, struct ym_vars *vars, uint64_t deadline, struct ym_err *err);

#endif
