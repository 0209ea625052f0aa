/* types.c - texts, choices and numbers: a setter for each type of value, what writes it and what frees it again. */
#include "types.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "nearest.h"
#include "problems.h"
#include "schedule.h"
#include "zone.h"

#define TO_POOL   "pool:"
#define MILLI     INT64_C(1000)
#define SECOND_NS INT64_C(1000000000)

void *cfg_field(const struct cfg_option *option, void *target)
{
	return (char *)target + option->offset;
}

void *cfg_field_beside(const struct cfg_option *option, void *target)
{
	return (char *)target + option->beside;
}

const void *cfg_field_const(const struct cfg_option *option, const void *target)
{
	return (const char *)target + option->offset;
}

const void *cfg_beside_const(const struct cfg_option *option, const void *target)
{
	return (const char *)target + option->beside;
}

int cfg_no_memory(const struct cfg_input *in)
{
	snprintf(in->why, CFG_WHY_MAX, "out of memory");
	return -1;
}

/* ---- texts ------------------------------------------------------------------------------------- */

void cfg_forget_text(const struct cfg_option *option, void *target)
{
	char **field = cfg_field(option, target);

	free(*field);
	*field = NULL;
}

void cfg_show_text(const struct cfg_option *option, const void *target, FILE *to)
{
	char *const *field = cfg_field_const(option, target);

	if (*field)
		fputs(*field, to);
}

/* Put an allocated string into a char * field. */
static int replace(const struct cfg_option *option, const struct cfg_input *in, char *string)
{
	if (!string)
		return cfg_no_memory(in);
	cfg_forget_text(option, in->target);
	*(char **)cfg_field(option, in->target) = string;
	return 0;
}

int cfg_set_text(const struct cfg_option *option, const struct cfg_input *in)
{
	return replace(option, in, strdup(in->text));
}

int cfg_set_name(const struct cfg_option *option, const struct cfg_input *in)
{
	if (cfg_check_name(in->text, CFG_NAME_MAX, in->why))
		return -1;
	return cfg_set_text(option, in);
}

char *cfg_resolve(const struct cfg_input *in, const char *path, const char *behind)
{
	char *out = cfg_resolve_path(in->directory, path);

	if (!out)
		cfg_no_memory(in);
	if (!out || strlen(out) - strlen(behind) < PATH_MAX)
		return out;
	free(out);
	snprintf(in->why, CFG_WHY_MAX, "the path is too long: at most %d bytes", PATH_MAX - 1);
	return NULL;
}

int cfg_set_path(const struct cfg_option *option, const struct cfg_input *in)
{
	char *path = cfg_resolve(in, in->text, "");

	return path ? replace(option, in, path) : -1;
}

int cfg_set_key(const struct cfg_option *option, const struct cfg_input *in)
{
	size_t path_length;
	char *key;

	if (cfg_check_key(in->text, &path_length, in->why))
		return -1;
	if (!path_length)
		return cfg_set_text(option, in);
	key = cfg_resolve(in, in->text, in->text + path_length);
	return key ? replace(option, in, key) : -1;
}

int cfg_set_zone(const struct cfg_option *option, const struct cfg_input *in)
{
	return zone_check(in->text, in->why) < 0 ? -1 : cfg_set_text(option, in);
}

int cfg_set_schedule(const struct cfg_option *option, const struct cfg_input *in)
{
	return schedule_check(in->text, NULL, in->why) < 0 ? -1 : cfg_set_text(option, in);
}

/* The first of two choices, AUTO, is NULL; the last one, NONE or stderr, is "". */
int cfg_set_logfile(const struct cfg_option *option, const struct cfg_input *in)
{
	bool automatic = option->choices[1] && !strcasecmp(in->text, option->choices[0]);
	bool none = !strcasecmp(in->text, option->choices[option->choices[1] ? 1 : 0]) || !strcasecmp(in->text, "off");

	if (automatic) {
		cfg_forget_text(option, in->target);
		return 0;
	}
	if (!strcasecmp(in->text, "syslog")) {
		snprintf(in->why, CFG_WHY_MAX, "there is no syslog: write a path or %s", option->choices[0]);
		return -1;
	}
	return none ? replace(option, in, strdup("")) : cfg_set_path(option, in);
}

void cfg_show_logfile(const struct cfg_option *option, const void *target, FILE *to)
{
	char *const *file = cfg_field_const(option, target);

	fputs(!*file ? option->choices[0] : **file ? *file : option->choices[option->choices[1] ? 1 : 0], to);
}

/* ---- choices ----------------------------------------------------------------------------------- */

/* "must be 0600, 0640 or 0644", and the nearest one when that is a word. */
static int not_a_choice(const struct cfg_option *option, const struct cfg_input *in)
{
	struct cfg_nearest nearest = {.word = in->text};
	size_t used = (size_t)snprintf(in->why, CFG_WHY_MAX, "must be ");

	for (size_t i = 0; option->choices[i]; i++) {
		const char *before = !i ? "" : option->choices[i + 1] ? ", " : " or ";

		used += (size_t)snprintf(in->why + used, CFG_WHY_MAX - used, "%s%s", before, option->choices[i]);
		cfg_nearest_offer(&nearest, option->choices[i]);
	}
	if (option->type != CFG_MODE && nearest.best)
		snprintf(in->why + used, CFG_WHY_MAX - used, "; did you mean `%s`?", nearest.best);
	return -1;
}

/* The index of the choice that the text is; -1 with the reason in in->why. */
static int choice(const struct cfg_option *option, const struct cfg_input *in)
{
	for (int i = 0; option->choices[i]; i++) {
		if (!strcasecmp(in->text, option->choices[i]))
			return i;
	}
	return not_a_choice(option, in);
}

int cfg_set_enum(const struct cfg_option *option, const struct cfg_input *in)
{
	int index = choice(option, in);

	return index < 0 ? -1 : replace(option, in, strdup(option->choices[index]));
}

int cfg_set_choice(const struct cfg_option *option, const struct cfg_input *in)
{
	/* An enum without negative values is an unsigned int. */
	unsigned *field = cfg_field(option, in->target);
	int index = choice(option, in);

	if (index < 0)
		return -1;
	*field = (unsigned)index;
	return 0;
}

void cfg_show_choice(const struct cfg_option *option, const void *target, FILE *to)
{
	const unsigned *field = cfg_field_const(option, target);

	fputs(option->choices[*field], to);
}

void cfg_forget_on_crash(const struct cfg_option *option, void *target)
{
	struct cfg_pool *pool = target;

	(void)option;
	free(pool->on_crash_pool);
	pool->on_crash_pool = NULL;
}

/* The last of the choices, pool:NAME, carries a name of its own. */
int cfg_set_on_crash(const struct cfg_option *option, const struct cfg_input *in)
{
	struct cfg_pool *pool = in->target;
	char *name;

	if (strncasecmp(in->text, TO_POOL, strlen(TO_POOL))) {
		if (cfg_set_choice(option, in))
			return -1;
		cfg_forget_on_crash(option, pool);
		return 0;
	}
	if (cfg_check_name(in->text + strlen(TO_POOL), CFG_NAME_MAX, in->why))
		return -1;
	name = strdup(in->text + strlen(TO_POOL));
	if (!name)
		return cfg_no_memory(in);
	cfg_forget_on_crash(option, pool);
	pool->on_crash = CFG_ON_CRASH_POOL;
	pool->on_crash_pool = name;
	return 0;
}

void cfg_show_on_crash(const struct cfg_option *option, const void *target, FILE *to)
{
	const struct cfg_pool *pool = target;

	if (pool->on_crash_pool)
		fprintf(to, TO_POOL "%s", pool->on_crash_pool);
	else
		cfg_show_choice(option, target, to);
}

/* ---- numbers ----------------------------------------------------------------------------------- */

int cfg_set_mode(const struct cfg_option *option, const struct cfg_input *in)
{
	int64_t mode, allowed;

	if (cfg_parse_mode(in->text, &mode, in->why))
		return -1;
	if (!option->choices && mode > option->max) {
		snprintf(in->why, CFG_WHY_MAX, "out of range: allowed is 0..%04llo", (unsigned long long)option->max);
		return -1;
	}
	for (size_t i = 0; option->choices && option->choices[i]; i++) {
		if (!cfg_parse_mode(option->choices[i], &allowed, in->why) && mode == allowed) {
			*(int64_t *)cfg_field(option, in->target) = mode;
			return 0;
		}
	}
	if (option->choices)
		return not_a_choice(option, in);
	*(int64_t *)cfg_field(option, in->target) = mode;
	return 0;
}

static int64_t number(const struct cfg_option *option, const void *target)
{
	const int64_t *field = cfg_field_const(option, target);

	return *field;
}

void cfg_show_mode(const struct cfg_option *option, const void *target, FILE *to)
{
	fprintf(to, "%04llo", (unsigned long long)number(option, target));
}

int cfg_set_number(const struct cfg_option *option, const struct cfg_input *in)
{
	const struct cfg_type_row *type = cfg_type_of(option);
	char low[CFG_NUMBER_MAX], high[CFG_NUMBER_MAX];
	int64_t value;

	if (type->parse(in->text, &value, in->why))
		return -1;
	if (type->format && (value < option->min || value > option->max)) {
		snprintf(in->why, CFG_WHY_MAX, "out of range: allowed is %s..%s", type->format(option->min, low),
		         type->format(option->max, high));
		return -1;
	}
	*(int64_t *)cfg_field(option, in->target) = value;
	return 0;
}

void cfg_show_number(const struct cfg_option *option, const void *target, FILE *to)
{
	char out[CFG_NUMBER_MAX];

	fputs(cfg_option_number(option, number(option, target), out), to);
}

void cfg_show_boolean(const struct cfg_option *option, const void *target, FILE *to)
{
	fputs(number(option, target) ? "yes" : "no", to);
}

void cfg_show_level(const struct cfg_option *option, const void *target, FILE *to)
{
	fputs(cfg_level_word(number(option, target)), to);
}

/* The period and the thousandths that give exactly this time from one start to the next. */
void cfg_show_rate(const struct cfg_option *option, const void *target, FILE *to)
{
	static const struct {
		int64_t seconds;
		char word;
	} periods[] = {{1, 's'}, {60, 'm'}, {3600, 'h'}, {86400, 'd'}};
	int64_t ns = number(option, target);

	for (size_t i = 0; ns && i < sizeof(periods) / sizeof(*periods); i++) {
		int64_t span = periods[i].seconds * SECOND_NS * MILLI, count = (span + ns - 1) / ns;

		if ((span + count - 1) / count != ns)
			continue;
		fprintf(to, "%lld", (long long)(count / MILLI));
		if (count % MILLI)
			fprintf(to, ".%03lld", (long long)(count % MILLI));
		fprintf(to, "/%c", periods[i].word);
		return;
	}
}

const struct cfg_type_row *cfg_type_of(const struct cfg_option *option)
{
	static const struct cfg_type_row rows[] = {
#define X(name, word, set, forget, show, parse, format) [CFG_##name] = {word, set, forget, show, parse, format},
	    CFG_TYPE_MAP(X)
#undef X
	};

	return &rows[option->type];
}
