/*
 * test_supervisor.c - which unit starts before which, and which stops after which, with units that have no process.
 */
#include "../../runtime/supervisor.h"
#include "support.h"

#define UNITS 8

/* A unit that starts and ends when the test says so. */
struct fake {
	struct unit unit;
	struct cfg_process process;
	char name[8];
	char *depends_on[UNITS + 1];
	unsigned processes;
	bool ready, lazy; /* lazy: its processes do not end at once */
};

static struct fake fakes[UNITS];
static struct supervisor supervisor;
static char trace[512]; /* "+a -b *c" since seen() */

static struct fake *of(const struct unit *unit)
{
	return (struct fake *)(uintptr_t)unit;
}

static void note(char what, const struct unit *unit, const char *more)
{
	size_t used = strlen(trace);

	snprintf(trace + used, sizeof(trace) - used, "%s%c%s%s", used ? " " : "", what, unit->name, more);
}

static void start(struct unit *unit)
{
	note('+', unit, "");
	of(unit)->processes = 2;
	of(unit)->ready = !of(unit)->lazy;
}

static void stop(struct unit *unit)
{
	note('-', unit, "");
	if (!of(unit)->lazy)
		of(unit)->processes = 0;
}

static void press(struct unit *unit)
{
	note('!', unit, "");
}

static void wait_for(struct unit *unit, const char *other)
{
	char text[16];

	snprintf(text, sizeof(text), "?%s", other);
	note('*', unit, text);
}

static unsigned alive(const struct unit *unit)
{
	return of(unit)->processes;
}

static bool ready(const struct unit *unit)
{
	return of(unit)->ready;
}

static const struct unit_ops ops = {
    .word = "unit", .start = start, .stop = stop, .press = press, .wait = wait_for, .alive = alive, .ready = ready};

static const char *seen(void)
{
	static char last[sizeof(trace)];

	memcpy(last, trace, sizeof(trace));
	trace[0] = '\0';
	return last;
}

static struct fake *get(const char *name)
{
	struct unit *unit = supervisor_find(&supervisor, name);

	ck_assert_msg(unit != NULL, "there is no %s", name);
	return of(unit);
}

/* "c b" is what it depends on. */
static struct fake *add(const char *name, int64_t order, const char *depends)
{
	static char words[UNITS][32];
	struct fake *fake = &fakes[supervisor.nunits];
	char *save, *list = words[supervisor.nunits], *word;
	size_t n = 0;

	snprintf(fake->name, sizeof(fake->name), "%s", name);
	snprintf(list, sizeof(words[0]), "%s", depends);
	for (word = strtok_r(list, " ", &save); word; word = strtok_r(NULL, " ", &save))
		fake->depends_on[n++] = word;
	fake->depends_on[n] = NULL;
	fake->process = (struct cfg_process){.start_order = order, .depends_on = n ? fake->depends_on : NULL};
	fake->unit = (struct unit){.ops = &ops, .name = fake->name, .process = &fake->process, .wanted = true};
	fake->processes = 0;
	fake->ready = fake->lazy = false;
	ASSERT_OK(supervisor_add(&supervisor, &fake->unit, &err));
	return fake;
}

static void begin(void)
{
	begin_test();
	trace[0] = '\0';
}

static void end(void)
{
	supervisor_free(&supervisor);
	ck_assert_uint_eq(supervisor.nunits, 0);
	end_test();
}

START_TEST(test_order)
{
	add("c", 999, "");
	add("b", 5, "");
	add("a", 999, "");
	add("d", -1, "");
	supervisor_look(&supervisor);
	/* Those with the same order as they were entered. */
	ck_assert_str_eq(seen(), "+d +b +c +a");
	ck_assert_uint_eq(supervisor_alive(&supervisor), 8);
	/* Once is enough. */
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "");
	/* Another order, from a reload. */
	get("b")->process.start_order = 2000;
	supervisor_sort(&supervisor);
	supervisor_stop(&supervisor);
	ck_assert_str_eq(seen(), "-b -a -c -d");
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "");
	ck_assert_uint_eq(supervisor_alive(&supervisor), 0);
}
END_TEST

/* Who depends on something starts when that is ready, not before. */
START_TEST(test_depends)
{
	add("db", 50, "")->lazy = true;
	add("web", 10, "db cache");
	add("cache", 20, "");
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "+cache +db *web?db");
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "*web?db");
	get("db")->ready = true;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "+web");
	/* One that is stopped later takes nobody along; but nobody starts on it any more. */
	get("db")->lazy = false;
	get("db")->unit.wanted = false;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "-db");
	get("web")->unit.wanted = false;
	supervisor_look(&supervisor);
	get("web")->unit.wanted = true;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "-web *web?db");
	/* It may still be ready from before: what counts is that it is up. */
	get("db")->ready = true;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "*web?db");
	get("db")->unit.wanted = true;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "+db +web");
}
END_TEST

/* A reload may have taken away what it depended on. */
START_TEST(test_unknown)
{
	add("web", 10, "gone");
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "+web");
	ck_assert_ptr_null(supervisor_find(&supervisor, "gone"));
	ck_assert_ptr_null(supervisor_find(&supervisor, "we"));
}
END_TEST

START_TEST(test_chain)
{
	/* Not in the order in which they may start, and each later one depends on the one before. */
	add("a", 1, "b");
	add("b", 2, "c");
	add("c", 3, "d");
	add("d", 4, "");
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "+d +c +b +a");
	supervisor_stop(&supervisor);
	ck_assert_str_eq(seen(), "-a -b -c -d");
}
END_TEST

/* All stop, each when those after it have no process any more. */
START_TEST(test_stop_waits)
{
	add("db", 10, "")->lazy = true;
	add("web", 10, "db")->lazy = true;
	add("cron", 20, "")->lazy = true;
	supervisor_look(&supervisor);
	get("db")->ready = true;
	supervisor_look(&supervisor);
	seen();
	supervisor_stop(&supervisor);
	ck_assert_str_eq(seen(), "-cron");
	get("cron")->processes = 1;
	supervisor_look(&supervisor);
	ck_assert_ptr_null(strstr(seen(), "b"));
	get("cron")->processes = 0;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "-web");
	get("web")->processes = 0;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "-db");
	/* Nothing starts any more. */
	get("cron")->unit.wanted = true;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "-db");
	get("db")->processes = 0;
	ck_assert_uint_eq(supervisor_alive(&supervisor), 0);
}
END_TEST

/* By hand: at once, whoever needs it. */
START_TEST(test_stop_one)
{
	add("db", 10, "");
	add("web", 20, "db");
	supervisor_look(&supervisor);
	seen();
	get("db")->lazy = true;
	get("db")->unit.wanted = false;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "-db");
	ck_assert(!get("db")->unit.up && get("web")->unit.up);
	get("db")->processes = 0;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "");
	supervisor_press(&supervisor);
	ck_assert_str_eq(seen(), "!db !web");
}
END_TEST

/* Processes of an earlier master, while their unit waits for another one: they stop with the rest. */
START_TEST(test_left_behind)
{
	add("db", 10, "")->lazy = true;
	add("web", 20, "db")->processes = 1;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "+db *web?db");
	/* ... or by hand. */
	get("web")->unit.wanted = false;
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "-web");
	get("web")->unit.wanted = true;
	get("web")->processes = 1;
	supervisor_look(&supervisor);
	seen();
	get("db")->lazy = false;
	supervisor_stop(&supervisor);
	ck_assert_str_eq(seen(), "-web -db");
	ck_assert_uint_eq(supervisor_alive(&supervisor), 0);
}
END_TEST

/* Stop all, a look at a time, and nobody waits for ever. */
static void assert_stops(void)
{
	unsigned looks = 0;

	supervisor_stop(&supervisor);
	while (supervisor_alive(&supervisor) > 0) {
		ck_assert_msg(looks++ < UNITS, "they wait for each other: %s", trace);
		for (size_t i = 0; i < supervisor.nunits; i++)
			if (!supervisor.units[i]->up)
				of(supervisor.units[i])->processes = 0;
		supervisor_look(&supervisor);
	}
}

/* The order says one thing, the dependence another: a waits for b, b for c (order), c for a (depends). */
START_TEST(test_order_against_depends)
{
	add("a", 1, "c");
	add("b", 2, "");
	add("c", 3, "");
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "+c +a +b");
	assert_stops();
	ck_assert_str_eq(seen(), "-b -a -c");
}
END_TEST

/* The check of the configuration refuses these; here they must only not hang. */
START_TEST(test_circle)
{
	add("a", 1, "b");
	add("b", 2, "c");
	add("c", 3, "a");
	add("d", 4, "d");
	supervisor_look(&supervisor);
	for (size_t i = 0; i < supervisor.nunits; i++)
		of(supervisor.units[i])->processes = 1;
	assert_stops();
}
END_TEST

/* Whatever depends on whatever: after what it needs; stopped before that. */
START_TEST(test_any)
{
	static const char *const names[UNITS] = {"a", "b", "c", "d", "e", "f", "g", "h"};

	for (int round = 0; round < 300; round++) {
		unsigned first = random_below(UNITS);

		supervisor_free(&supervisor);
		for (unsigned i = 0; i < UNITS; i++) {
			char list[32] = "";

			/* Only on those with a smaller number: no circles. */
			for (unsigned j = 0; j < i; j++)
				if (random_below(4) == 0)
					snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s ",
					         names[(j + first) % UNITS]);
			add(names[(i + first) % UNITS], random_below(4), list)->lazy = random_below(2);
		}
		trace[0] = '\0';
		for (unsigned i = 0; i <= UNITS; i++) {
			supervisor_look(&supervisor);
			for (unsigned j = 0; j < UNITS; j++)
				fakes[j].ready = fakes[j].unit.up;
		}
		for (unsigned i = 0; i < UNITS; i++)
			ck_assert_msg(fakes[i].unit.up, "%s has never started: %s", fakes[i].name, trace);
		for (unsigned i = 0; i < UNITS; i++) {
			char own[4], other[4];

			snprintf(own, sizeof(own), "+%s", fakes[i].name);
			for (char **name = fakes[i].depends_on; *name; name++) {
				snprintf(other, sizeof(other), "+%s", *name);
				ck_assert_msg(strstr(trace, other) < strstr(trace, own), "%s before %s: %s", own, other,
				              trace);
			}
		}
		trace[0] = '\0';
		assert_stops();
		for (unsigned i = 0; i < UNITS; i++) {
			char own[4], other[4];

			snprintf(own, sizeof(own), "-%s", fakes[i].name);
			for (char **name = fakes[i].depends_on; *name; name++) {
				snprintf(other, sizeof(other), "-%s", *name);
				ck_assert_msg(strstr(trace, own) < strstr(trace, other), "%s after %s: %s", own, other,
				              trace);
			}
		}
		supervisor.stopping = false;
	}
}
END_TEST

START_TEST(test_drop)
{
	char name[8];

	add("a", 1, "");
	add("b", 2, "a");
	add("c", 3, "b");
	supervisor_drop(&supervisor, &fakes[1].unit);
	ck_assert_uint_eq(supervisor.nunits, 2);
	ck_assert_ptr_null(supervisor_find(&supervisor, "b"));
	supervisor_drop(&supervisor, &fakes[1].unit);
	ck_assert_uint_eq(supervisor.nunits, 2);
	supervisor_look(&supervisor);
	ck_assert_str_eq(seen(), "+a +c");
	/* Room for many. */
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ASSERT_OK(supervisor_add(&supervisor, &fakes[1].unit, &err));
	}
	ck_assert_uint_eq(supervisor.nunits, 202);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("supervisor");
	TCase *tcase = tcase_create("order");

	tcase_add_checked_fixture(tcase, begin, end);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_depends);
	tcase_add_test(tcase, test_unknown);
	tcase_add_test(tcase, test_chain);
	tcase_add_test(tcase, test_stop_waits);
	tcase_add_test(tcase, test_stop_one);
	tcase_add_test(tcase, test_left_behind);
	tcase_add_test(tcase, test_order_against_depends);
	tcase_add_test(tcase, test_circle);
	tcase_add_test(tcase, test_any);
	tcase_add_test(tcase, test_drop);
	return run_suite(suite);
}
