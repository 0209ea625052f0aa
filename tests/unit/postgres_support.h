/*
 * postgres_support.h - a PostgreSQL server of a test program's own: a private socket, no network, gone with the program.
 *
 * start_server() and stop_server() go around a test case as an unchecked fixture, so that one server serves all its tests;
 * each test has a database of its own (fresh_database()), with the schema in it. The server refuses to be root, so it runs as
 * nobody.
 */
#ifndef YM_TESTS_POSTGRES_SUPPORT_H
#define YM_TESTS_POSTGRES_SUPPORT_H

#include <fcntl.h>
#include <glob.h>
#include <grp.h>

#include "../../runtime/postgresql/link.h"
#include "../../runtime/store.h"
#include "support.h"

static char server_dir[PATH_MAX - 512], server_bin[PATH_MAX];
static pid_t server_pid;
static char database_uri[PATH_MAX];

/* Where Debian has the newest of its servers; false: no server here. */
static inline bool find_server(void)
{
	glob_t found;
	bool there = glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0 && found.gl_pathc > 0;

	if (there)
		snprintf(server_bin, sizeof(server_bin), "%.*s",
		         (int)(strrchr(found.gl_pathv[found.gl_pathc - 1], '/') - found.gl_pathv[found.gl_pathc - 1]),
		         found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
	return there;
}

/* In a child: become a program of the server, as somebody whom it likes. */
static inline void become_server(const char *name, const char *const *args)
{
	const char *argv[32] = {"unshare", "--user", "--map-user=65534", "--map-group=65534"};
	char program[PATH_MAX + 32], log[PATH_MAX];
	size_t n = 4;
	int fd;

	snprintf(program, sizeof(program), "%s/%s", server_bin, name);
	snprintf(log, sizeof(log), "%s/log", server_dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
	dup2(fd, 1);
	dup2(fd, 2);
	argv[n++] = program;
	while (*args)
		argv[n++] = *args++;
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		errno = 0;                /* a name space without nobody: unshare makes one */
	prctl(PR_SET_PDEATHSIG, SIGQUIT); /* another user has lost it */
	if (geteuid() == 0)
		execvp("unshare", (char **)(uintptr_t)argv);
	else
		execv(program, (char **)(uintptr_t)(argv + 4));
	_exit(127);
}

static inline pid_t start_program(const char *name, const char *const *args)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		become_server(name, args);
	return pid;
}

static inline void server_uri(char *out, size_t max, const char *database)
{
	snprintf(out, max, "postgresql:///%s?host=%s&user=yardmaster", database, server_dir);
}

static inline void open_link(struct pg_link *link, const char *uri)
{
	ASSERT_OK(libpq_load(&err));
	ASSERT_OK(pg_open(link, uri, "test", PATIENCE_MS, &err));
}

/* Run statements. */
static inline void sql_in(const char *uri, const char *script)
{
	struct pg_link link;

	open_link(&link, uri);
	ASSERT_OK(pg_script(&link, script, &err));
	pg_shut(&link);
}

static inline void sql(const char *script)
{
	sql_in(database_uri, script);
}

/* The one number that a query gives. */
static inline int64_t sql_number(const char *query)
{
	struct pg_link link;
	PGresult *result;
	int64_t number;

	open_link(&link, database_uri);
	result = pg_ask_once(&link, query, NULL, &err);
	ck_assert_msg(result != NULL, "%s", err.text);
	ck_assert_int_eq(libpq.PQntuples(result), 1);
	number = libpq.PQgetlength(result, 0, 0) == 1 ? pg_bool(result, 0, 0) : pg_big(result, 0, 0);
	pg_free(result);
	pg_shut(&link);
	return number;
}

static inline bool server_answers(void)
{
	char uri[PATH_MAX];
	struct pg_link link;
	bool answers;

	server_uri(uri, sizeof(uri), "template1");
	answers = pg_open(&link, uri, "test", PATIENCE_MS, &err) == 0;
	if (answers)
		pg_shut(&link);
	return answers;
}

static inline void run_server(void)
{
	static char data[PATH_MAX];
	const char *const args[] = {
	    "-D", data,
	    "-k", server_dir,
	    "-c", "listen_addresses=",
	    "-c", "fsync=off",
	    "-c", "full_page_writes=off",
	    "-c", "shared_buffers=32MB",
	    "-c", "max_connections=60",
	    "-c", "wal_writer_delay=10s", /* a commit that nobody waits for is lost if it is killed */
	    NULL};

	snprintf(data, sizeof(data), "%s/data", server_dir);
	server_pid = start_program("postgres", args);
	WAIT_UNTIL(server_answers());
}

static inline pid_t server_itself(void)
{
	char path[PATH_MAX];
	FILE *file;
	pid_t pid = 0;

	snprintf(path, sizeof(path), "%s/data/postmaster.pid", server_dir);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

static inline bool is_dead(pid_t pid)
{
	char state = process_state(pid);

	return state == '?' || state == 'Z' || state == 'X';
}

/* As if its machine had lost power: the server and all that it has started, who hold its memory until they are gone. */
static inline void kill_server(void)
{
	char path[PATH_MAX], text[4096];
	pid_t pid = server_itself(), children[128];
	size_t n = 0;
	FILE *file;

	kill(pid, SIGSTOP); /* it starts no more */
	WAIT_UNTIL(process_state(pid) == 'T');
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	fclose(file);
	for (char *at = text, *word; n < COUNT(children) && (word = strtok_r(at, " ", &at));)
		children[n++] = (pid_t)atoi(word);
	for (size_t i = 0; i < n; i++)
		kill(children[i], SIGKILL);
	kill(pid, SIGKILL);
	reap(server_pid);
	for (size_t i = 0; i < n; i++)
		WAIT_UNTIL(is_dead(children[i]));
	snprintf(path, sizeof(path), "%s/data/postmaster.pid", server_dir);
	unlink(path);
}

static inline void end_server(void)
{
	kill(server_itself(), SIGINT);
	reap(server_pid);
}

static inline void make_ready_database(void)
{
	struct store_options options = {.uri = database_uri};
	const char *text;

	server_uri(database_uri, sizeof(database_uri), "template1");
	sql("CREATE DATABASE ready");
	server_uri(database_uri, sizeof(database_uri), "ready");
	ASSERT_OK(store_postgresql.init(&options, &text, &err));
}

static inline void start_server(void)
{
	const char *parent = getenv("TMPDIR");
	static char data[PATH_MAX];
	const char *const args[] = {"-D",         data,        "-U", "yardmaster", "--auth=trust", "--encoding=UTF8",
	                            "--locale=C", "--no-sync", NULL};

	ck_assert_msg(find_server(), "no PostgreSQL server here: install postgresql-15");
	snprintf(server_dir, sizeof(server_dir), "%s/ym-pg-XXXXXX", parent ? parent : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(server_dir));
	ck_assert(chmod(server_dir, 0777) == 0);
	snprintf(data, sizeof(data), "%s", server_dir);
	for (char *slash = strrchr(data, '/'); slash && slash != data; slash = strrchr(data, '/')) {
		struct stat st;

		*slash = '\0'; /* nobody has to get there */
		if (stat(data, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 1))
			chmod(data, (st.st_mode & 07777) | 0011);
	}
	snprintf(data, sizeof(data), "%s/data", server_dir);
	reap_well(start_program("initdb", args));
	ASSERT_OK(libpq_load(&err));
	run_server();
	make_ready_database();
}

static inline void stop_server(void)
{
	end_server();
	nftw(server_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* An empty store for this test. */
static inline void fresh_database(void)
{
	char name[32], script[96];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(name, sizeof(name), "t%d_%ld", (int)getpid(), now.tv_nsec);
	snprintf(script, sizeof(script), "CREATE DATABASE %s TEMPLATE ready", name);
	server_uri(database_uri, sizeof(database_uri), "template1");
	sql(script);
	server_uri(database_uri, sizeof(database_uri), name);
}

static inline TCase *add_server_case(Suite *suite, const char *name)
{
	TCase *tcase = add_case(suite, name);

	tcase_add_unchecked_fixture(tcase, start_server, stop_server);
	tcase_add_checked_fixture(tcase, fresh_database, NULL);
	return tcase;
}

/* A server for each test, as it is to suffer. */
static inline TCase *add_own_server_case(Suite *suite, const char *name)
{
	TCase *tcase = add_case(suite, name);

	tcase_add_checked_fixture(tcase, start_server, stop_server);
	tcase_add_checked_fixture(tcase, fresh_database, NULL);
	return tcase;
}

/* ---- stores of nodes ------------------------------------------------------------------------- */

#define LEASE_MS 600

/* A node: what its table would have. */
struct node {
	struct store *store;
	uint64_t next_id, end_id;
	uint64_t ids[8192]; /* fetched, in order */
	size_t nids;
	size_t room; /* of the table */
	struct store_job last;
	_Atomic int wakes, losses;
	_Atomic uint64_t cancelled;
};

static inline void node_wake(void *arg)
{
	((struct node *)arg)->wakes++;
}

static inline void node_lost(void *arg)
{
	((struct node *)arg)->losses++;
}

static inline void node_cancel(void *arg, uint64_t id)
{
	((struct node *)arg)->cancelled = id;
}

static inline char *node_publish(void *arg)
{
	(void)arg;
	return strdup("{\"running\": 1}");
}

static inline int try_open_node(struct node *node, const char *name)
{
	struct store_options options = {.uri = database_uri,
	                                .directory = directory,
	                                .instance = "main",
	                                .node = name,
	                                .history_ms = 3600000,
	                                .lease_ms = LEASE_MS,
	                                .payload_max = 64 << 20,
	                                .wake = node_wake,
	                                .lost = node_lost,
	                                .cancel = node_cancel,
	                                .publish = node_publish,
	                                .arg = node};

	*node = (struct node){.room = COUNT(node->ids)};
	err = (struct ym_err){0};
	return store_postgresql.open(&node->store, &options, &err);
}

static inline void open_node(struct node *node, const char *name)
{
	const struct store_pool pools[] = {{.name = "mail", .level = 5, .attempts = 3, .ageing_ms = 60000},
	                                   {.name = "rows", .level = 5, .attempts = 1}};

	ck_assert_msg(try_open_node(node, name) == 0, "%s", err.text);
	ASSERT_OK(store_postgresql.reserve(node->store, &node->next_id, &node->end_id, &err));
	ASSERT_OK(store_postgresql.configure(node->store, pools, COUNT(pools), &err));
}

static inline void close_node(struct node *node)
{
	store_postgresql.close(node->store);
}

static inline int64_t unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline struct store_submit new_job(struct node *node, const char *pool, const char *payload)
{
	struct store_submit submit = {.verdict = STORE_UNTAKEN};
	struct store_job *job = &submit.job;

	job->id = node->next_id++;
	snprintf(job->pool, sizeof(job->pool), "%s", pool);
	job->state = JOB_READY;
	job->level = 5;
	job->attempts = 3;
	job->submitted_ms = unix_ms();
	job->rank = store_rank(5, 60000, job->submitted_ms);
	job->payload = (struct payload_source){.data = payload, .size = strlen(payload)};
	return submit;
}

static inline int take_job(void *arg, const struct store_want *want, const struct store_job *job)
{
	struct node *node = arg;

	(void)want;
	if (node->nids == node->room)
		return 1;
	node->ids[node->nids++] = job->id;
	node->last = *job;
	return 0;
}

static inline int try_write(struct node *node, struct store_batch batch)
{
	batch.durable = true;
	batch.take = take_job;
	batch.arg = node;
	err = (struct ym_err){0};
	return store_postgresql.write(node->store, &batch, &err);
}

static inline void write_batch(struct node *node, struct store_batch batch)
{
	ck_assert_msg(try_write(node, batch) == 0, "%s", err.text);
}

static inline enum store_verdict submit_one(struct node *node, struct store_submit *submit)
{
	write_batch(node, (struct store_batch){.submits = submit, .nsubmits = 1});
	return submit->verdict;
}

/* Fetch up to n jobs; how many came. */
static inline size_t fetch(struct node *node, const char *pool, unsigned n)
{
	struct store_want want = {.n = n};

	snprintf(want.pool, sizeof(want.pool), "%s", pool);
	write_batch(node, (struct store_batch){.wants = &want, .nwants = 1});
	return want.taken;
}

static inline bool save_state(struct node *node, uint64_t id, enum job_state state, unsigned attempt)
{
	struct store_save save = {.job = {.id = id, .pool = "mail", .state = state, .attempt = (uint8_t)attempt}};

	save.job.started_ms = attempt ? unix_ms() : 0;
	save.job.finished_ms = state == JOB_READY || state == JOB_DELAYED || state == JOB_CLAIMED ? 0 : unix_ms();
	write_batch(node, (struct store_batch){.saves = &save, .nsaves = 1});
	return !save.lost;
}

static inline enum store_verdict request(struct node *node, enum store_ask ask, uint64_t id)
{
	struct store_request wish = {.ask = ask, .id = id};

	write_batch(node, (struct store_batch){.requests = &wish, .nrequests = 1});
	return wish.verdict;
}

/* To be freed with store_job_free(). */
static inline struct store_job look(struct node *node, uint64_t id)
{
	struct store_request wish = {.ask = STORE_LOOK, .id = id};

	write_batch(node, (struct store_batch){.requests = &wish, .nrequests = 1});
	ck_assert_int_eq(wish.verdict, STORE_OK);
	return wish.job;
}

static inline enum job_state state_of_job(struct node *node, uint64_t id)
{
	struct store_job job = look(node, id);

	store_job_free(&job);
	return job.state;
}

#endif
