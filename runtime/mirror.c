/* mirror.c - items, their keys, and the difference to a segment. */
#include "mirror.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 256u

int mirror_open(struct mirror *mirror, void (*dropped)(void *arg, struct mirror_item *item), void *arg,
                struct ym_err *err)
{
	*mirror = (struct mirror){.dropped = dropped, .arg = arg, .nbuckets = BUCKETS_MIN};
	for (int rank = 0; rank < MIRROR_RANKS; rank++)
		TAILQ_INIT(&mirror->ranks[rank]);
	TAILQ_INIT(&mirror->to_write);
	mirror->buckets = calloc(mirror->nbuckets, sizeof(struct mirror_var *));
	return mirror->buckets ? 0 : ym_fail(err, YM_ERR_LIMIT, "out of memory");
}

void mirror_close(struct mirror *mirror)
{
	free(mirror->buckets);
	free(mirror->to_remove);
	*mirror = (struct mirror){0};
}

void mirror_free(struct mirror_item *item)
{
	free(item->bytes);
	free(item);
}

/* ---- by key ---------------------------------------------------------------------------------- */

static struct mirror_var **bucket(const struct mirror *mirror, int64_t key)
{
	/* Ids follow each other, and crc32 is as good as chance. */
	return &mirror->buckets[(uint64_t)key & (mirror->nbuckets - 1)];
}

static void link_var(struct mirror *mirror, struct mirror_var *var)
{
	struct mirror_var **head = bucket(mirror, var->key);

	var->chain = *head;
	*head = var;
	mirror->nvars++;
}

static void unlink_var(struct mirror *mirror, const struct mirror_var *var)
{
	struct mirror_var **at = bucket(mirror, var->key);

	while (*at != var)
		at = &(*at)->chain;
	*at = var->chain;
	mirror->nvars--;
}

/* Without memory the chains get longer. */
static void grow(struct mirror *mirror)
{
	struct mirror_var **old = mirror->buckets;
	size_t n = mirror->nbuckets;

	if (mirror->nvars < n)
		return;
	mirror->buckets = calloc(2 * n, sizeof(struct mirror_var *));
	if (!mirror->buckets) {
		mirror->buckets = old;
		return;
	}
	mirror->nbuckets = 2 * n;
	mirror->nvars = 0;
	for (size_t i = 0; i < n; i++)
		for (struct mirror_var *var = old[i], *next; var; var = next) {
			next = var->chain;
			link_var(mirror, var);
		}
	free(old);
}

/* The one that has the variable. */
static struct mirror_var *owner(const struct mirror *mirror, int64_t key)
{
	struct mirror_var *best = NULL;

	for (struct mirror_var *var = *bucket(mirror, key); var; var = var->chain)
		if (var->key == key && (!best || var->item->id > best->item->id))
			best = var;
	return best;
}

struct mirror_item *mirror_find(const struct mirror *mirror, int64_t key)
{
	struct mirror_var *var = owner(mirror, key);

	return var ? var->item : NULL;
}

/* ---- what is to be written ------------------------------------------------------------------- */

/* What found no memory for its value has nothing to be written. */
static void set_dirty(struct mirror *mirror, struct mirror_var *var)
{
	if (var->dirty || !var->item->bytes)
		return;
	var->dirty = true;
	TAILQ_INSERT_TAIL(&mirror->to_write, var, to_write);
}

static void set_clean(struct mirror *mirror, struct mirror_var *var)
{
	if (!var->dirty)
		return;
	var->dirty = false;
	TAILQ_REMOVE(&mirror->to_write, var, to_write);
}

void mirror_remove(struct mirror *mirror, int64_t key)
{
	if (mirror->nto_remove == mirror->to_remove_room) {
		size_t room = mirror->to_remove_room ? 2 * mirror->to_remove_room : 64;
		int64_t *keys = realloc(mirror->to_remove, room * sizeof(*keys));

		/* Without memory it stays in the segment. */
		if (!keys)
			return;
		mirror->to_remove = keys;
		mirror->to_remove_room = room;
	}
	mirror->to_remove[mirror->nto_remove++] = key;
}

static size_t keys_of(const struct mirror_item *item)
{
	size_t n = 0;

	for (int i = 0; i < MIRROR_KEYS; i++)
		n += item->vars[i].key != 0;
	return n;
}

static int64_t size_of(const struct mirror_item *item)
{
	return (int64_t)(keys_of(item) * ym_vars_chunk_size(item->length));
}

void mirror_rewrite(struct mirror *mirror)
{
	struct mirror_item *item;

	for (int rank = MIRROR_RANKS - 1; rank >= 0; rank--)
		for (item = TAILQ_FIRST(&mirror->ranks[rank]); item; item = TAILQ_NEXT(item, same_rank))
			for (int i = 0; i < MIRROR_KEYS; i++)
				if (item->vars[i].key && owner(mirror, item->vars[i].key) == &item->vars[i])
					set_dirty(mirror, &item->vars[i]);
}

void mirror_begin(struct mirror *mirror, size_t room)
{
	struct mirror_item *item;

	mirror->nto_remove = 0;
	mirror->room = (int64_t)room;
	for (int rank = 0; rank < MIRROR_RANKS; rank++)
		for (item = TAILQ_FIRST(&mirror->ranks[rank]); item; item = TAILQ_NEXT(item, same_rank)) {
			mirror->room -= size_of(item);
			for (int i = 0; i < MIRROR_KEYS; i++)
				item->vars[i].there = false;
		}
	mirror_rewrite(mirror);
}

/* ---- items ----------------------------------------------------------------------------------- */

static void give_up(struct mirror *mirror, struct mirror_item *item)
{
	mirror_drop(mirror, item);
	mirror->dropped(mirror->arg, item);
}

/* Somebody who gives way to an item of this rank; NULL: nobody. */
static struct mirror_item *victim(const struct mirror *mirror, enum mirror_rank rank, const struct mirror_item *other)
{
	struct mirror_item *over = TAILQ_FIRST(&mirror->ranks[MIRROR_OVER]);
	struct mirror_item *last = TAILQ_LAST(&mirror->ranks[MIRROR_WAITING], mirror_items);

	if (over == other && over)
		over = TAILQ_NEXT(over, same_rank);
	if (over || rank != MIRROR_RUNNING)
		return over;
	return last;
}

static bool make_room(struct mirror *mirror, struct mirror_item *item, int64_t need)
{
	while (mirror->room < need) {
		struct mirror_item *goes = victim(mirror, item->rank, item);

		if (!goes)
			return false;
		give_up(mirror, goes);
	}
	return true;
}

bool mirror_has_room(const struct mirror *mirror, enum mirror_rank rank, size_t length)
{
	return mirror->room >= (int64_t)(MIRROR_KEYS * ym_vars_chunk_size(length)) || victim(mirror, rank, NULL);
}

bool mirror_add(struct mirror *mirror, struct mirror_item *item, const int64_t keys[MIRROR_KEYS], size_t length)
{
	for (int i = 0; i < MIRROR_KEYS; i++)
		item->vars[i] = (struct mirror_var){.key = keys[i], .item = item};
	item->length = length;
	if (!make_room(mirror, item, size_of(item)))
		return false;
	mirror->room -= size_of(item);
	for (int i = 0; i < MIRROR_KEYS; i++)
		if (keys[i])
			link_var(mirror, &item->vars[i]);
	TAILQ_INSERT_TAIL(&mirror->ranks[item->rank], item, same_rank);
	mirror->nitems++;
	grow(mirror);
	return true;
}

bool mirror_put(struct mirror *mirror, struct mirror_item *item, const char *bytes, size_t length)
{
	char *copy;

	if (item->bytes && item->length == length && memcmp(item->bytes, bytes, length) == 0)
		return true;
	copy = realloc(item->bytes, length);
	if (!copy)
		return false;
	mirror->room += size_of(item);
	memcpy(copy, bytes, length);
	item->bytes = copy;
	item->length = length;
	mirror->room -= size_of(item);
	for (int i = 0; i < MIRROR_KEYS; i++)
		if (item->vars[i].key && owner(mirror, item->vars[i].key) == &item->vars[i])
			set_dirty(mirror, &item->vars[i]);
	return true;
}

void mirror_rank(struct mirror *mirror, struct mirror_item *item, enum mirror_rank rank)
{
	if (item->rank == rank)
		return;
	TAILQ_REMOVE(&mirror->ranks[item->rank], item, same_rank);
	item->rank = rank;
	TAILQ_INSERT_TAIL(&mirror->ranks[rank], item, same_rank);
}

/* The variable of one that goes: the next one's, or nobody's. */
static void leave(struct mirror *mirror, struct mirror_var *var)
{
	struct mirror_var *before = owner(mirror, var->key), *heir;

	set_clean(mirror, var);
	unlink_var(mirror, var);
	heir = owner(mirror, var->key);
	if (heir)
		heir->there |= var->there;
	if (heir && before == var)
		set_dirty(mirror, heir);
	if (!heir && var->there)
		mirror_remove(mirror, var->key);
}

void mirror_drop(struct mirror *mirror, struct mirror_item *item)
{
	mirror->room += size_of(item);
	for (int i = 0; i < MIRROR_KEYS; i++)
		if (item->vars[i].key)
			leave(mirror, &item->vars[i]);
	TAILQ_REMOVE(&mirror->ranks[item->rank], item, same_rank);
	mirror->nitems--;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int remove_all(struct mirror *mirror, struct ym_vars *vars, uint64_t deadline, struct ym_err *err)
{
	for (bool once = true; mirror->nto_remove > 0; once = false) {
		if (!once && ym_now_ns() >= deadline)
			return 1;
		if (ym_vars_remove(vars, mirror->to_remove[mirror->nto_remove - 1], err) < 0)
			return -1;
		mirror->nto_remove--;
	}
	return 0;
}

static void written(struct mirror *mirror, struct mirror_var *var)
{
	set_clean(mirror, var);
	var->there = true;
}

/* What has a place already, in one walk. A damaged value of ours is written anew; of others: the segment is to be repaired. */
static int overwrite(struct mirror *mirror, struct ym_vars *vars, struct ym_err *err)
{
	struct ym_var at = {0};
	bool damaged = false;
	int more, put;

	while ((more = ym_vars_next(vars, &at, err)) == 0 || (more < 0 && at.chunk)) {
		struct mirror_var *var = owner(mirror, at.key);

		damaged |= more < 0 && !var;
		if (more < 0 && var)
			set_dirty(mirror, var);
		if (!var || !var->dirty)
			continue;
		put = ym_vars_put_at(vars, &at, var->item->bytes, var->item->length, err);
		if (put < 0)
			return -1;
		if (put == 0)
			written(mirror, var);
	}
	return more < 0 || damaged ? -1 : 0;
}

/* Others have put something into the segment, or values have become longer. */
static int squeeze_in(struct mirror *mirror, struct ym_vars *vars, struct mirror_var *var, struct ym_err *err)
{
	struct mirror_item *goes = victim(mirror, var->item->rank, var->item);

	give_up(mirror, goes ? goes : var->item);
	return remove_all(mirror, vars, YM_NEVER, err);
}

static int put_rest(struct mirror *mirror, struct ym_vars *vars, uint64_t deadline, struct ym_err *err)
{
	struct mirror_var *var;

	for (bool once = true; (var = TAILQ_FIRST(&mirror->to_write)); once = false) {
		if (!once && ym_now_ns() >= deadline)
			return 1;
		if (owner(mirror, var->key) != var)
			set_clean(mirror, var);
		else if (ym_vars_put_raw(vars, var->key, var->item->bytes, var->item->length, err) == 0)
			written(mirror, var);
		else if (err->class != YM_ERR_FULL || squeeze_in(mirror, vars, var, err) < 0)
			return -1;
	}
	return 0;
}

int mirror_write(struct mirror *mirror, struct ym_vars *vars, uint64_t deadline, struct ym_err *err)
{
	int result = remove_all(mirror, vars, deadline, err);

	if (result == 0 && !TAILQ_EMPTY(&mirror->to_write)) {
		result = overwrite(mirror, vars, err);
		if (result == 0)
			result = put_rest(mirror, vars, deadline, err);
	}
	/* What others have put, and how long values really are. */
	if (result == 0)
		mirror->room = vars->head->free;
	return result;
}
