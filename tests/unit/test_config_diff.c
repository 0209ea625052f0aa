/* test_config_diff.c - two files, and what is said about their differences. */
#define _GNU_SOURCE 1 /* asprintf */
#include "../../config/diff.h"
#include "config_support.h"

static struct config old;
static struct cfg_changes changes;

/* Load two files that must be right and compare them; the lines for people, to be freed. */
static char *compare(const char *from, const char *to)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	load(from);
	old = config;
	load(to);
	ck_assert_int_eq(cfg_diff(&old, &config, &changes), 0);
	cfg_changes_print(&changes, out);
	fclose(out);
	return text;
}

static void release_both(void)
{
	cfg_changes_free(&changes);
	config_free(&old);
	release();
}

/* What is added to a pool before and after, the line, the effect. */
static const struct {
	const char *from, *to, *line;
	enum cfg_effect effect;
} pools[] = {
    {"workers = 4\n", "workers = 8\n", "pool p: workers 4 -> 8\n", CFG_EFFECT_SIZE},
    {"workers = 4\n", "numprocs = 4\n", "", CFG_EFFECT_NONE},
    {"workers = 4\nmin_spare = 1\n", "workers = 4\n", "", CFG_EFFECT_NONE},
    {"pm.max_children = 4\n", "workers = 4\n", "", CFG_EFFECT_NONE},
    {"workers = 4\n", "workers = 4..9\nworkers_start = 5\n", "pool p: workers 4 -> 4..9\n", CFG_EFFECT_SIZE},
    {"timeout = 90s\n", "timeout = 2m\n", "pool p: timeout 90s -> 2m\n", CFG_EFFECT_LIVE},
    {"timeout = 60s\n", "timeout = 1m\n", "", CFG_EFFECT_NONE},
    {"option.a = 1\n", "option.a = 2\n", "pool p: option.KEY a=\"1\" -> a=\"2\": its workers are replaced\n",
     CFG_EFFECT_ROLL},
    {"", "option.a = 1\n", "pool p: option.KEY none -> a=\"1\": its workers are replaced\n", CFG_EFFECT_ROLL},
    {"environment = A=1,B=2\n", "env[A] = 1\nenv[B] = 2\n", "", CFG_EFFECT_NONE},
    {"env[A] = 1\n", "env[A] = 2\n", "pool p: environment A=\"1\" -> A=\"2\": its workers are replaced\n",
     CFG_EFFECT_ROLL},
    {"umask = 022\n", "", "pool p: umask 0022 -> inherit: its workers are replaced\n", CFG_EFFECT_ROLL},
    {"nice = 5\n", "nice = -5\n", "pool p: nice 5 -> -5: its workers are replaced\n", CFG_EFFECT_ROLL},
    {"rlimit_core = 0\n", "rlimit_core = unlimited\n", "pool p: rlimit_core 0 -> unlimited: its workers are replaced\n",
     CFG_EFFECT_ROLL},
    {"", "priority = high\n", "pool p: priority normal -> high\n", CFG_EFFECT_LIVE},
    {"rate = 10/s\n", "rate = 0.5/h\n", "pool p: rate 10/s -> 0.500/h\n", CFG_EFFECT_LIVE},
    {"rate = 3/s\n", "", "pool p: rate 3/s -> none\n", CFG_EFFECT_LIVE},
    {"rate = 60/m\n", "rate = 1/s\n", "", CFG_EFFECT_NONE},
    {"exitcodes = 0,2\n", "exitcodes = 2\n", "pool p: exitcodes 0, 2 -> 2\n", CFG_EFFECT_LIVE},
    {"stopsignal = SIGINT\n", "stopsignal = 15\n", "pool p: stopsignal INT -> TERM\n", CFG_EFFECT_LIVE},
    {"stopsignal = 2\n", "stopsignal = INT\n", "", CFG_EFFECT_NONE},
    {"ready = fd\n", "ready = delay:2s\n", "pool p: ready fd -> delay:2s\n", CFG_EFFECT_LIVE},
    {"ready = delay:2s\n", "ready = command:/x a\n", "pool p: ready delay:2s -> command:/x a\n", CFG_EFFECT_LIVE},
    {"autorestart = yes\n", "autorestart = unexpected\n", "pool p: autorestart true -> unexpected\n", CFG_EFFECT_LIVE},
    {"on_crash = bury\n", "on_crash = pool:q\n", "pool p: on_crash bury -> pool:q\n", CFG_EFFECT_LIVE},
    {"depends_on = q\n", "", "pool p: depends_on q -> none\n", CFG_EFFECT_LIVE},
    {"limits = l\n", "limits = l:2\n", "pool p: limits l -> l:2: its workers are replaced\n", CFG_EFFECT_ROLL},
    {"stdout_logfile = NONE\n", "stdout_logfile = /x/y\nstdout_logfile_maxbytes = 1mb\n",
     "pool p: stdout_logfile NONE -> /x/y\npool p: stdout_logfile_maxbytes 50mb -> 1mb\n", CFG_EFFECT_LIVE},
    {"inbox = no\n", "inbox = yes\n", "pool p: inbox no -> yes: holds only after a new start of the instance\n",
     CFG_EFFECT_START},
    {"workers = 4\nuser = 0\n", "workers = 8\nuser = root\n",
     "pool p: workers 4 -> 8\npool p: user 0 -> root: its workers are replaced\n", CFG_EFFECT_ROLL},
};

START_TEST(test_pool)
{
	static const char rest[] = "[pool:q]\nplugin = /x.so\n[limit:l]\nmax = 2\n";
	char *from, *to, *lines;

	ck_assert_int_gt(asprintf(&from, POOL "%s%s", pools[_i].from, rest), 0);
	ck_assert_int_gt(asprintf(&to, "; a line more\n\n" POOL "%s%s", pools[_i].to, rest), 0);
	lines = compare(from, to);
	ck_assert_str_eq(lines, pools[_i].line);
	ck_assert_int_eq(changes.effect, pools[_i].effect);
	free(lines);
	free(from);
	free(to);
	release_both();
}
END_TEST

START_TEST(test_sections)
{
	char *lines = compare("[yardmaster]\njobs = 100\n[pool:a]\nplugin = /a.so\n[pool:b]\nplugin = /b.so\n"
	                      "[program:w]\ncommand = x a\n[cron:c]\npool = a\nschedule = @daily\n",
	                      "[yardmaster]\njobs = 200\nlog_level = debug\n[pool:b]\nplugin = /b.so\ntimeout = 5\n"
	                      "[pool:n]\nplugin = /n.so\n[program:w]\ncommand = x b\n[limit:l]\nmax = 1\n"
	                      "[cron:c]\npool = b\nschedule = @daily\npriority = 0\n");
	const struct cfg_change *change;

	ck_assert_str_eq(lines, "yardmaster: jobs 100 -> 200: holds only after a new start of the instance\n"
	                        "yardmaster: log_level info -> debug\n"
	                        "pool a: removed\n"
	                        "pool b: timeout 0s -> 5s\n"
	                        "pool n: added\n"
	                        "limit l: added\n"
	                        "program w: command x a -> x b: its processes are replaced\n"
	                        "cron c: pool a -> b\n"
	                        "cron c: priority pool -> urgent\n");
	free(lines);
	ck_assert_int_eq(changes.effect, CFG_EFFECT_START);
	change = cfg_changes_of(&changes, CFG_YARDMASTER, "");
	ck_assert_int_eq(change->effect, CFG_EFFECT_START);
	change = cfg_changes_of(&changes, CFG_POOL, "b");
	ck_assert_int_eq(change->what, CFG_CHANGED);
	ck_assert_int_eq(change->effect, CFG_EFFECT_LIVE);
	ck_assert_uint_eq(change->old_index, 1);
	ck_assert_uint_eq(change->new_index, 0);
	ck_assert_uint_eq(change->count, 1);
	ck_assert_str_eq(change->options->option->name, "timeout");
	change = cfg_changes_of(&changes, CFG_POOL, "a");
	ck_assert_int_eq(change->what, CFG_REMOVED);
	change = cfg_changes_of(&changes, CFG_POOL, "n");
	ck_assert_int_eq(change->what, CFG_ADDED);
	ck_assert_uint_eq(change->new_index, 1);
	ck_assert_int_eq(cfg_changes_of(&changes, CFG_PROGRAM, "w")->effect, CFG_EFFECT_ROLL);
	ck_assert_ptr_null(cfg_changes_of(&changes, CFG_POOL, "w"));
	release_both();
}
END_TEST

/* A long value, or one of several lines, is not printed. */
START_TEST(test_long)
{
	char *lines = compare("[program:w]\ncommand = x\n  a\n",
	                      "[program:w]\ncommand = "
	                      "0123456789012345678901234567890123456789012345678901234567890\n");

	ck_assert_str_eq(lines, "program w: command changed: its processes are replaced\n");
	free(lines);
	release_both();
}
END_TEST

/* A number that is a word, then another word: each row of the table shows what it can hold. */
START_TEST(test_every_row)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	load("[yardmaster]\nipc_group = nogroup\n" POOL "[limit:l]\nmax = 1\n[program:w]\ncommand = x\n"
	     "[cron:c]\npool = p\nschedule = @daily\n");
	for (size_t i = 0; i < count; i++) {
		const void *target = options[i].kind == CFG_YARDMASTER ? &config.instance
		                     : cfg_kind_named(options[i].kind) ? cfg_item(&config, options[i].kind, 0)
		                                                       : NULL;
		char why[CFG_WHY_MAX], *text = NULL;
		size_t size;
		FILE *to;

		if (!target || !options[i].preset || !strcmp(options[i].preset, "auto") || options[i].template ||
		    strstr(options[i].name, "spare") || strstr(options[i].name, "logfile_"))
			continue;
		to = open_memstream(&text, &size);
		cfg_option_show(&options[i], target, to);
		fclose(to);
		ck_assert_msg(*text != '\0', "%s", options[i].name);
		/* What is shown can be written: it means what the default means. */
		ck_assert_msg(!cfg_option_set(&options[i], (void *)target, "/", text, why), "%s = %s: %s",
		              options[i].name, text, why);
		free(text);
	}
	release();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_diff");
	TCase *diff = tcase_create("diff");

	tcase_add_loop_test(diff, test_pool, 0, COUNT(pools));
	tcase_add_test(diff, test_sections);
	tcase_add_test(diff, test_long);
	tcase_add_test(diff, test_every_row);
	suite_add_tcase(suite, diff);
	return run_suite(suite);
}
