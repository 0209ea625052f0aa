/* published.c - look into the segment. */
#include "published.h"

#include "../ipc/key.h"
#include "../ipc/vars.h"

static uint64_t number(const struct ym_value *about, const char *key)
{
	const struct ym_value *value =
	    about->type == YM_TYPE_ARRAY ? ym_array_get(about->array, ym_array_key_text(key)) : NULL;

	return value && value->type == YM_TYPE_INT && value->integer > 0 ? (uint64_t)value->integer : 0;
}

bool published_read(const struct instance *instance, struct published *published)
{
	struct ym_value about;
	struct ym_vars vars;
	key_t key;
	int missing;

	*published = (struct published){0};
	if (ym_keyfile(instance->directory, PUBLISHED_NAME, NULL, NULL, &key, NULL) < 0 ||
	    ym_vars_attach(&vars, key, 0, 0, YM_VARS_READONLY | YM_VARS_DAMAGED, NULL) < 0)
		return false;
	vars.damaged = false;
	missing = ym_vars_get(&vars, PUBLISHED_KEY, &about, NULL);
	/* A segment without it is one that a script has made. */
	if (missing == 0)
		*published = (struct published){
		    .key = key,
		    .size = vars.size,
		    .free = vars.head->free > 0 ? (size_t)vars.head->free : 0,
		    .jobs = number(&about, PUBLISHED_JOBS),
		    .left_out = number(&about, PUBLISHED_LEFT),
		};
	ym_value_free(&about);
	ym_vars_detach(&vars);
	return missing == 0;
}
