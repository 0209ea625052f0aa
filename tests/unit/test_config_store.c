/* test_config_store.c - `store` and what belongs to it: kinds, paths, options without effect, passwords that nobody sees. */
#define _GNU_SOURCE 1 /* asprintf */
#include "../../config/diff.h"
#include "../../config/store_uri.h"
#include "../../runtime/store.h"
#include "config_support.h"

#define STORE(uri) "[yardmaster]\nstore = " uri "\n"
#define PG         "postgresql://u:secret@h/d"

/* ---- the value --------------------------------------------------------------------------------- */

static const struct {
	const char *text, *value;
	enum cfg_store kind;
} good[] = {
    {"memory", "memory", CFG_STORE_MEMORY},
    {"sqlite:/srv/jobs.db", "sqlite:/srv/jobs.db", CFG_STORE_SQLITE},
    {"sqlite:/srv/a b:c?d#e.db", "sqlite:/srv/a b:c?d#e.db", CFG_STORE_SQLITE},
    {PG, PG, CFG_STORE_POSTGRESQL},
    {"postgres://h/d?sslmode=require", "postgres://h/d?sslmode=require", CFG_STORE_POSTGRESQL},
    {"postgresql://", "postgresql://", CFG_STORE_POSTGRESQL},
    {"postgresql:///d?host=/run/postgresql", "postgresql:///d?host=/run/postgresql", CFG_STORE_POSTGRESQL},
};

START_TEST(test_good)
{
	char *text;

	ck_assert_int_gt(asprintf(&text, "[yardmaster]\nstore = %s\n" POOL, good[_i].text), 0);
	load(text);
	ck_assert_str_eq(config.instance.store, good[_i].value);
	ck_assert_int_eq(cfg_store_kind(config.instance.store), good[_i].kind);
	ck_assert_uint_eq(config.notes.count, 0);
	free(text);
	release();
}
END_TEST

/* A path starts where the file is. */
START_TEST(test_relative)
{
	static const char *const paths[] = {"jobs.db", "./jobs.db", "../up/jobs.db"};
	static const char *const ends[] = {"/jobs.db", "/jobs.db", "/../up/jobs.db"};

	for (int i = 0; i < COUNT(paths); i++) {
		char *text, *want;

		ck_assert_int_gt(asprintf(&text, "[yardmaster]\nstore = sqlite:%s\n" POOL, paths[i]), 0);
		load(text);
		ck_assert_int_gt(asprintf(&want, "sqlite:%.*s%s", (int)(strrchr(file, '/') - file), file, ends[i]), 0);
		ck_assert_str_eq(config.instance.store, want);
		ck_assert_str_eq(cfg_store_rest(config.instance.store), want + strlen("sqlite:"));
		free(text);
		free(want);
		release();
	}
}
END_TEST

/* The longest path that sqlite takes, and one byte more. */
START_TEST(test_long_path)
{
	char *text;

	ck_assert_int_gt(asprintf(&text, STORE("sqlite:/%0499d") POOL, 7), 0);
	load(text);
	ck_assert_uint_eq(strlen(config.instance.store), strlen("sqlite:") + 500);
	free(text);
	release();
	ck_assert_int_gt(asprintf(&text, STORE("sqlite:/%0500d") POOL, 7), 0);
	check_wrong(&(struct wrong){text, 2, {"too long for sqlite", "500"}});
	free(text);
	ck_assert_int_gt(asprintf(&text, STORE("postgresql://h/%02033d") POOL, 7), 0);
	load(text);
	free(text);
	release();
	ck_assert_int_gt(asprintf(&text, STORE("postgresql://h/%02034d") POOL, 7), 0);
	check_wrong(&(struct wrong){text, 2, {"too long", "2048"}});
	free(text);
}
END_TEST

#define KINDS "must be memory, sqlite:PATH or postgresql://..."

static const struct wrong bad[] = {
    {STORE("mysql://u@h/d") POOL, 2, {"store = mysql://u@h/d: " KINDS}},
    {STORE("Memory") POOL, 2, {KINDS "; did you mean `memory`?"}},
    {STORE("memory:") POOL, 2, {KINDS "; did you mean `memory`?"}},
    {STORE("memori") POOL, 2, {"did you mean `memory`?"}},
    {STORE("sqllite:jobs.db") POOL, 2, {KINDS "; did you mean `sqlite:PATH`?"}},
    {STORE("sqlite3:/jobs.db") POOL, 2, {"did you mean `sqlite:PATH`?"}},
    {STORE("sqlite") POOL, 2, {"did you mean `sqlite:PATH`?"}},
    {STORE("/srv/jobs.db") POOL, 2, {KINDS}},
    {STORE("postgre://h/d") POOL, 2, {"did you mean `postgresql://...`?"}},
    {STORE("postgresql:u@h/d") POOL, 2, {"did you mean `postgresql://...`?"}},
    {STORE("host=h dbname=d") POOL, 2, {KINDS}},
    {STORE("sqlite:") POOL, 2, {"no path behind `sqlite:`"}},
    {STORE("sqlite::memory:") POOL, 2, {"would be lost with the master", "`store = memory`"}},
    {STORE("sqlite:///srv/jobs.db") POOL, 2, {"a plain path follows `sqlite:`"}},
    {STORE("sqlite:file:jobs.db") POOL, 2, {"a plain path follows `sqlite:`"}},
    {STORE("sqlite:/srv/") POOL, 2, {"this is a directory"}},
    {STORE("postgresql://h/a b") POOL, 2, {"written %20"}},
    {STORE("sqlite:x\nhistory = 3651d") POOL, 3, {"0s..3650d"}},
    {STORE(PG "\nlease = 999ms") POOL, 3, {"1s..1h"}},
    {STORE(PG "\nlease = 3601s") POOL, 3, {"1s..1h"}},
    {STORE(PG "\nnode = a b") POOL, 3, {"a name consists of"}},
    {POOL "synchronous = off\n", 3, {"must be full or normal"}},
    {POOL "[limit:l]\nmax = 1\nscope = global\n", 5, {"must be local or cluster"}},
};

START_TEST(test_bad)
{
	check_wrong(&bad[_i]);
}
END_TEST

START_TEST(test_defaults)
{
	load(POOL "[limit:l]\nmax = 1\n");
	ck_assert_str_eq(config.instance.store, "memory");
	ck_assert_int_eq(config.instance.history_ms, INT64_C(7) * 86400 * 1000);
	ck_assert_int_eq(config.instance.lease_ms, 10000);
	ck_assert_ptr_null(config.instance.node);
	ck_assert_int_eq(config.pools->synchronous, CFG_SYNCHRONOUS_FULL);
	ck_assert_int_eq(config.limits->scope, CFG_SCOPE_LOCAL);
	release();
}
END_TEST

START_TEST(test_all)
{
	load(STORE(PG "\nhistory = 0\nlease = 1h\nnode = web-1.example") POOL
	     "[limit:l]\nmax = 1\nscope = cluster\nkey = 5\n");
	ck_assert_int_eq(config.instance.history_ms, 0);
	ck_assert_int_eq(config.instance.lease_ms, 3600000);
	ck_assert_str_eq(config.instance.node, "web-1.example");
	ck_assert_int_eq(config.limits->scope, CFG_SCOPE_CLUSTER);
	ck_assert_uint_eq(config.notes.count, 0);
	release();
	load(STORE("sqlite:x\nhistory = 3650d") POOL "synchronous = normal\n");
	ck_assert_int_eq(config.instance.history_ms, INT64_C(3650) * 86400 * 1000);
	ck_assert_int_eq(config.pools->synchronous, CFG_SYNCHRONOUS_NORMAL);
	release();
}
END_TEST

/* Each kind but memory has the driver of its name, and every spelling of it leads there. */
START_TEST(test_drivers)
{
	const struct store_driver *driver;
	struct ym_err err;

	ck_assert_int_eq(store_driver_of(NULL, &driver, &err), 0);
	ck_assert_ptr_null(driver);
	for (int i = 0; i < COUNT(good); i++) {
		ck_assert_int_eq(store_driver_of(good[i].value, &driver, &err), 0);
		ck_assert_int_eq(driver != NULL, good[i].kind != CFG_STORE_MEMORY);
		if (driver)
			ck_assert_int_eq(strncmp(cfg_store_word(good[i].kind), driver->scheme, strlen(driver->scheme)),
			                 0);
	}
	ck_assert_int_eq(store_driver_of("mysql://u:secret@h", &driver, &err), -1);
	ck_assert_ptr_null(driver);
	ck_assert_str_eq(err.text,
	                 "\"mysql://u:***@h\" is no store; one of these is: memory sqlite:PATH postgresql://...");
}
END_TEST

/* ---- with other options ------------------------------------------------------------------------ */

#define IDLE(option, store) "`" option "` has no effect: it is for `store = " store "`"

/* A file with one note. */
static const struct wrong idle[] = {
    {"[yardmaster]\nhistory = 1d\n" POOL, 2, {"`history` has no effect: with `store = memory`", "`result_ttl`"}},
    {"[yardmaster]\nlease = 5s\n" POOL, 2, {IDLE("lease", "postgresql://...")}},
    {STORE("sqlite:x\nlease = 5s") POOL, 3, {IDLE("lease", "postgresql://...")}},
    {STORE("sqlite:x\nnode = n") POOL, 3, {IDLE("node", "postgresql://...")}},
    {POOL "synchronous = full\n", 3, {IDLE("synchronous", "sqlite:PATH")}},
    {STORE(PG) POOL "synchronous = normal\n", 5, {IDLE("synchronous", "sqlite:PATH")}},
    {STORE(PG) "[pool:a]\nplugin = /x.so\n" POOL "synchronous = normal\n", 7, {IDLE("synchronous", "sqlite:PATH")}},
};

/* 100 jobs, half of them for two pools: 25 each. */
#define NARROW(store) "[yardmaster]\njobs = 100\nstore = " store "\n"

static const struct {
	const char *text;
	int line; /* of the note, 0: none */
	const char *words;
} windows[] = {
    {NARROW("sqlite:x") POOL "workers = 26\n[pool:q]\nplugin = /x.so\nworkers = 25\n", 6,
     "no more than 25 of the 26 workers of [pool:p] can be busy: with a store, half of the 100 `jobs` is shared by 2 "
     "pools; set `jobs = 104` or more"},
    {NARROW(PG) POOL "numprocs = 1..51\n", 6, "no more than 50 of the 51 workers"},
    {NARROW("memory") POOL "workers = 100\n", 0, NULL},
    {NARROW("sqlite:x") POOL "workers = 50\n", 0, NULL},
};

START_TEST(test_windows)
{
	load(windows[_i].text);
	ck_assert_uint_eq(config.notes.count, windows[_i].line ? 1 : 0);
	if (windows[_i].line) {
		ck_assert_int_eq(config.notes.items->line, windows[_i].line);
		ck_assert_msg(strstr(config.notes.items->text, windows[_i].words), "%s", config.notes.items->text);
	}
	release();
}
END_TEST

START_TEST(test_idle)
{
	load(idle[_i].text);
	ck_assert_uint_eq(config.notes.count, 1);
	ck_assert_int_eq(config.notes.items->line, idle[_i].line);
	for (int i = 0; i < COUNT(idle->words) && idle[_i].words[i]; i++)
		ck_assert_msg(strstr(config.notes.items->text, idle[_i].words[i]), "%s", config.notes.items->text);
	release();
}
END_TEST

#define CLUSTER "scope = cluster takes a store that all machines share: set `store = postgresql://...` in [yardmaster]"

static const struct wrong wrong_scopes[] = {
    {POOL "[limit:l]\nmax = 1\nscope = cluster\n", 5, {CLUSTER}},
    {STORE("sqlite:x") POOL "[limit:k]\nmax = 1\nscope = local\n[limit:l]\nmax = 1\nscope = cluster\n", 10, {CLUSTER}},
    {STORE(PG) POOL "[limit:l]\nrate = 1/s\nscope = cluster\n", 7, {"`scope` has a meaning only with `max`"}},
    {POOL "[limit:l]\nrate = 1/s\nscope = cluster\n", 5, {"`scope` has a meaning only with `max`"}},
    /* Which store it should have been is not known: nothing is said of what follows from it. */
    {STORE("postgre://h/d") POOL "synchronous = full\n[limit:l]\nmax = 1\nscope = cluster\n", 2, {"did you mean"}},
};

START_TEST(test_wrong_scopes)
{
	check_wrong(&wrong_scopes[_i]);
}
END_TEST

/* ---- passwords --------------------------------------------------------------------------------- */

static const struct {
	const char *uri, *shown;
} passwords[] = {
    {"memory", "memory"},
    {"sqlite:/srv/a@b:c@d.db", "sqlite:/srv/a@b:c@d.db"},
    {"postgresql://h/d", "postgresql://h/d"},
    {"postgresql://u@h:5432/d", "postgresql://u@h:5432/d"},
    {"postgresql://h1:1,h2:2/d?target_session_attrs=any", "postgresql://h1:1,h2:2/d?target_session_attrs=any"},
    {"postgresql://u@[::1]:5432/d", "postgresql://u@[::1]:5432/d"},
    {"postgresql://[::1]/d", "postgresql://[::1]/d"},
    {"postgresql://h:5432", "postgresql://h:5432"},
    {"postgresql://u:secret@h/d", "postgresql://u:***@h/d"},
    {"postgresql://u:123@h/d", "postgresql://u:***@h/d"},
    {"postgresql://u:@h/d", "postgresql://u:***@h/d"},
    {"postgresql://u:secret@[::1]:5/d", "postgresql://u:***@[::1]:5/d"},
    {"postgresql://u:se?cr/et@h/d", "postgresql://u:***@h/d"},
    {"postgresql://u:se@cr@et@h/d", "postgresql://u:***@h/d"},
    {"postgresql://u:se:cret@h/d", "postgresql://u:***@h/d"},
    {"postgresql://u:secret", "postgresql://u:***"},
    {"postgresql://u@h/d?password=secret", "postgresql://u@h/d?password=***"},
    {"postgresql://u@h/d?a=b&password=secret&c=d", "postgresql://u@h/d?a=b&password=***&c=d"},
    {"postgresql://h/d?sslpassword=secret&password=secret", "postgresql://h/d?sslpassword=***&password=***"},
    {"postgresql://u:secret@h/d?password=secret", "postgresql://u:***@h/d?password=***"},
    {"postgresql://u@h:5432/d?password=sec@ret", "postgresql://u@h:***"},
    {"postgresql://u:secpassword=secret@h/d", "postgresql://u:***"},
    {"postgresql:///d?user=u&password=sec:ret", "postgresql:///d?user=u&password=***"},
    {"postgresql://h/d?options=a:b", "postgresql://h/d?options=a:b"},
    {"host=h password=secret", "host=h password=***"},
};

START_TEST(test_shown)
{
	char out[CFG_STORE_SHOWN_MAX];

	ck_assert_str_eq(cfg_store_shown(passwords[_i].uri, out), passwords[_i].shown);
}
END_TEST

/* What does not fit is cut, and never the *** alone. */
START_TEST(test_shown_long)
{
	char out[CFG_STORE_SHOWN_MAX], uri[3000];

	snprintf(uri, sizeof(uri), "postgresql://u:%02000d@h/d", 7);
	ck_assert_str_eq(cfg_store_shown(uri, out), "postgresql://u:***@h/d");
	snprintf(uri, sizeof(uri), "postgresql://u:secret@%02000d", 7);
	ck_assert_uint_eq(strlen(cfg_store_shown(uri, out)), CFG_STORE_SHOWN_MAX - 1);
	ck_assert_ptr_null(strstr(out, "secret"));
	for (size_t length = CFG_STORE_SHOWN_MAX - 3; length < CFG_STORE_SHOWN_MAX + 3; length++) {
		memset(uri, 'x', length);
		uri[length] = '\0';
		cfg_store_shown(uri, out);
		ck_assert_uint_eq(strnlen(out, sizeof(out)),
		                  length < CFG_STORE_SHOWN_MAX ? length : CFG_STORE_SHOWN_MAX - 1);
	}
}
END_TEST

/* Whatever is wrong with the line. */
static const char *const secrets[] = {
    "store = postgre://u:secret@h/d",
    "store = postgresql://u:secret @h/d",
    "store = postgresql://u:secret@0123456789012345678901234567890123456789/a b",
    "store = postgresql://user-of-a-longer-name:secretsecretsecretsecret@h/a b",
    "store = host=h password=secret",
    "stores = postgresql://u:secret@h/d",
    "store postgresql://u:secret@h/d",
    "store postgresql://u:secret@h/d?a=b",
    "store postgresql://u:secret=x@h/d",
    "store: postgresql://u:secret=x@h/d",
    " store = postgresql://u:secret@h/d",
    "postgresql://u:secret=x@h/d",
    "store = postgresql://u:secret@h/d\nstore = postgresql://u:secret@h/e",
    "jobs = postgresql://u:secret@h/d",
};

START_TEST(test_secrets)
{
	char *text;

	ck_assert_int_gt(asprintf(&text, "[yardmaster]\n%s\n" POOL, secrets[_i]), 0);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	ck_assert_uint_gt(problems.count, 0);
	for (size_t i = 0; i < problems.count; i++)
		ck_assert_msg(!strstr(problems.items[i].text, "secret"), "%s", problems.items[i].text);
	free(text);
	release();
}
END_TEST

/* ---- changes ----------------------------------------------------------------------------------- */

#define RESTART ": holds only after a new start of the instance\n"

static const struct {
	const char *from, *to, *lines;
	enum cfg_effect effect;
} changed[] = {
    {POOL, STORE("memory") POOL, "", CFG_EFFECT_NONE},
    {POOL, STORE("sqlite:/x.db") POOL, "yardmaster: store memory -> sqlite:/x.db" RESTART, CFG_EFFECT_START},
    {STORE("sqlite:/x.db") POOL, STORE(PG) POOL, "yardmaster: store sqlite:/x.db -> postgresql://u:***@h/d" RESTART,
     CFG_EFFECT_START},
    {STORE(PG) POOL, STORE("postgresql://u:secret2@h/d") POOL,
     "yardmaster: store postgresql://u:***@h/d -> the same with another password" RESTART, CFG_EFFECT_START},
    {STORE(PG) POOL, STORE(PG) POOL, "", CFG_EFFECT_NONE},
    {STORE("sqlite:/x.db") POOL, STORE("sqlite:/x.db\nhistory = 1h") POOL, "yardmaster: history 7d -> 1h" RESTART,
     CFG_EFFECT_START},
    {STORE(PG) POOL, STORE(PG "\nlease = 1m\nnode = n") POOL,
     "yardmaster: lease 10s -> 1m" RESTART "yardmaster: node none -> n" RESTART, CFG_EFFECT_START},
    {STORE("sqlite:/x.db") POOL, STORE("sqlite:/x.db") POOL "synchronous = normal\n",
     "pool p: synchronous full -> normal\n", CFG_EFFECT_LIVE},
    {STORE(PG) POOL "[limit:l]\nmax = 1\n", STORE(PG) POOL "[limit:l]\nmax = 1\nscope = cluster\n",
     "limit l: scope local -> cluster" RESTART, CFG_EFFECT_START},
};

START_TEST(test_changes)
{
	struct cfg_changes changes;
	struct config old;
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	load(changed[_i].from);
	old = config;
	load(changed[_i].to);
	ck_assert_int_eq(cfg_diff(&old, &config, &changes), 0);
	cfg_changes_print(&changes, to);
	fclose(to);
	ck_assert_str_eq(text, changed[_i].lines);
	ck_assert_int_eq(changes.effect, changed[_i].effect);
	/* A reload prints the values by itself, too. */
	for (size_t i = 0; i < changes.count; i++)
		for (size_t j = 0; j < changes.items[i].count; j++) {
			ck_assert_ptr_null(strstr(changes.items[i].options[j].from, "secret"));
			ck_assert_ptr_null(strstr(changes.items[i].options[j].to, "secret"));
		}
	free(text);
	cfg_changes_free(&changes);
	config_free(&old);
	release();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_store");
	TCase *values = tcase_create("values"), *others = tcase_create("others"), *secret = tcase_create("passwords");

	tcase_add_loop_test(values, test_good, 0, COUNT(good));
	tcase_add_test(values, test_relative);
	tcase_add_test(values, test_long_path);
	tcase_add_loop_test(values, test_bad, 0, COUNT(bad));
	tcase_add_test(values, test_defaults);
	tcase_add_test(values, test_all);
	tcase_add_test(values, test_drivers);
	suite_add_tcase(suite, values);
	tcase_add_loop_test(others, test_idle, 0, COUNT(idle));
	tcase_add_loop_test(others, test_windows, 0, COUNT(windows));
	tcase_add_loop_test(others, test_wrong_scopes, 0, COUNT(wrong_scopes));
	tcase_add_loop_test(others, test_changes, 0, COUNT(changed));
	suite_add_tcase(suite, others);
	tcase_add_loop_test(secret, test_shown, 0, COUNT(passwords));
	tcase_add_test(secret, test_shown_long);
	tcase_add_loop_test(secret, test_secrets, 0, COUNT(secrets));
	suite_add_tcase(suite, secret);
	return run_suite(suite);
}
