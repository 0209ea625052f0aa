/*
 * bench_cluster.c - jobs of 1, 2 and 4 nodes that share one PostgreSQL, beside what the database does on its own.
 *
 *     bench_cluster YARDMASTER NOOP_PLUGIN URI
 *
 * Started by bench_cluster.sh, which makes the database and says how. A node is a master in an IPC namespace of its own
 * with two workers; one process a node submits to its own table. Nodes and server share the processors of this machine.
 *
 * raw of jobs_N_nodes: N connections put the same rows into an equal table (columns and indexes of yardmaster.job, no
 * triggers), and delete them, in transactions of BATCH rows: a job costs at least one change more, as its end is kept. raw
 * of insert_to_start: until the user's own transaction is over.
 */
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../../runtime/postgresql/link.h"
#include "../../runtime/submit.h"
#include "stand.h"

#define JOBS      100000
#define BATCH     512
#define NODES_MAX 4
#define SINGLE    300

enum order { ORDER_SUBMIT, ORDER_INSERT, ORDER_STOP };

/* What the nodes and we have in common. */
static struct {
	_Atomic uint32_t order, round; /* another round: another order */
	_Atomic uint32_t ready;        /* nodes */
	_Atomic uint64_t recorded[NODES_MAX];
	_Atomic bool told;      /* the rest is there */
	double latency, commit; /* of ORDER_INSERT: us */
} * common;

static const char *uri;
static unsigned nodes, starts;
static char payload[100];

static void open_link(struct pg_link *link)
{
	struct ym_err err;

	if (libpq_load(&err) < 0 || pg_open(link, uri, "bench", PG_PATIENCE_MS, &err) < 0)
		die(err.text);
}

static void run_sql(struct pg_link *link, const char *sql, struct pg_args *args)
{
	struct ym_err err;

	if (pg_run(link, sql, args, &err) < 0)
		die(err.text);
}

static void wait_all(void)
{
	int status;

	while (wait(&status) > 0)
		if (status != 0)
			die("a process of the benchmark failed");
}

/* ---- PostgreSQL alone -------------------------------------------------------------------------- */

static const char make_sql[] = "CREATE TABLE IF NOT EXISTS public.bare (LIKE yardmaster.job INCLUDING ALL)";
static const char insert_sql[] = "INSERT INTO public.bare (id, pool, level, rank, attempts, timeout_ms, payload)"
				 " SELECT i, 'bench', 5, i, 1, 0, $2 FROM unnest($1) i";
static const char delete_sql[] = "DELETE FROM public.bare WHERE id = ANY ($1)";

static void bare_client(unsigned number)
{
	uint64_t ids[BATCH];
	struct pg_args args = {0};
	struct pg_link link;

	open_link(&link);
	for (size_t i = 0; i < JOBS / nodes; i += BATCH) {
		for (size_t k = 0; k < BATCH; k++)
			ids[k] = (uint64_t)number * JOBS + i + k;
		pg_args_clear(&args);
		pg_arg_ids(&args, ids, BATCH);
		pg_arg_bytes(&args, payload, sizeof(payload));
		run_sql(&link, insert_sql, &args);
		pg_args_clear(&args);
		pg_arg_ids(&args, ids, BATCH);
		run_sql(&link, delete_sql, &args);
	}
	pg_args_free(&args);
	pg_shut(&link);
	_exit(0);
}

/* Rows put in and deleted, thousands a second. */
static double bare_rows(void)
{
	uint64_t begin = ym_now_ns();

	for (unsigned i = 0; i < nodes; i++)
		if (fork() == 0)
			bare_client(i);
	wait_all();
	return JOBS / seconds(begin) / 1000;
}

/* ---- a node: a process in a namespace, and its master ------------------------------------------ */

static void submit_share(struct instance *instance)
{
	static struct job_request requests[BATCH];
	static struct job_ref refs[BATCH];
	struct ym_err err;

	for (size_t i = 0; i < BATCH; i++)
		requests[i] = (struct job_request){
		    JOB_REQUEST_INIT, .payload = {.data = payload, .size = sizeof(payload)}, .deadline = YM_NEVER};
	for (size_t sent = 0, some; sent < JOBS / nodes; sent += some) {
		some = JOBS / nodes - sent < BATCH ? JOBS / nodes - sent : BATCH;
		if (submit_jobs(instance, requests, some, refs, NULL, &err) < some)
			die(err.text);
	}
}

static uint64_t jobs_done(const struct instance *instance)
{
	uint64_t counters[TABLE_POOLS][BOARD_COUNTERS];

	board_count(instance->board, counters);
	return counters[0][BOARD_DONE];
}

/* A user's own transaction, until the job has run on this node, which has nothing else to do. */
static void insert_some(const struct instance *instance)
{
	double times[SINGLE], commits[SINGLE];
	struct pg_link link;

	open_link(&link);
	for (int i = 0; i < SINGLE; i++) {
		uint64_t done = jobs_done(instance), recorded = atomic_load(&instance->board->store.recorded);
		uint64_t begin = ym_now_ns();

		run_sql(&link, "SELECT yardmaster.submit('bench', 'x')", NULL);
		commits[i] = seconds(begin) * 1e6;
		while (jobs_done(instance) == done)
			ym_nap(20000);
		times[i] = seconds(begin) * 1e6;
		while (atomic_load(&instance->board->store.recorded) == recorded)
			ym_nap(1000000);
	}
	pg_shut(&link);
	common->latency = median(times, SINGLE);
	common->commit = median(commits, SINGLE);
	atomic_store(&common->told, true);
}

/* Orders of the parent; between them, what has become of jobs here is told. */
static void obey(struct instance *instance, unsigned number)
{
	uint32_t round = 0;
	enum order order;

	atomic_fetch_add(&common->ready, 1);
	do {
		while (atomic_load(&common->round) == round) {
			atomic_store(&common->recorded[number], atomic_load(&instance->board->store.recorded));
			ym_nap(1000000);
		}
		round = atomic_load(&common->round);
		order = atomic_load(&common->order);
		if (order == ORDER_SUBMIT)
			submit_share(instance);
		else if (order == ORDER_INSERT)
			insert_some(instance);
	} while (order != ORDER_STOP);
}

static void node(unsigned number)
{
	struct instance instance;
	size_t length = strlen(dir);

	if (unshare(CLONE_NEWIPC) < 0)
		die("unshare(CLONE_NEWIPC)");
	snprintf(dir + length, sizeof(dir) - length, "/%u-%u", starts, number);
	if (mkdir(dir, 0700) < 0)
		die(dir);
	snprintf(ini, sizeof(ini), "%s/ini", dir);
	snprintf(stand_extra, sizeof(stand_extra), "node = node%u\nstore = %s", number, uri);
	start(noop_task(), 2, 16384);
	join(&instance);
	obey(&instance, number);
	instance_leave(&instance, NULL, NULL);
	stop();
	_exit(0);
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void command(enum order order)
{
	atomic_store(&common->order, order);
	atomic_fetch_add(&common->round, 1);
}

/* A node that failed has said why. */
static void nap(void)
{
	int status;

	if (waitpid(-1, &status, WNOHANG) > 0)
		die("a node ended");
	ym_nap(500000);
}

static void start_nodes(unsigned n)
{
	nodes = n;
	starts++;
	memset(common, 0, sizeof(*common));
	for (unsigned i = 0; i < n; i++)
		if (fork() == 0)
			node(i);
	while (atomic_load(&common->ready) < n)
		nap();
}

static void stop_nodes(void)
{
	command(ORDER_STOP);
	wait_all();
}

static uint64_t recorded(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < nodes; i++)
		n += atomic_load(&common->recorded[i]);
	return n;
}

/* Submitted to all nodes, run by them, and their ends in the database: thousands a second. */
static double cluster_jobs(void)
{
	uint64_t before = recorded(), begin = ym_now_ns();

	command(ORDER_SUBMIT);
	while (recorded() < before + JOBS)
		nap();
	return JOBS / seconds(begin) / 1000;
}

static void one_size(unsigned n)
{
	char name[64];
	double rows;

	nodes = n;
	rows = median_of(bare_rows);
	start_nodes(n);
	snprintf(name, sizeof(name), "cluster.jobs_%u_node%s", n, n == 1 ? "" : "s");
	figure(name, median_of(cluster_jobs), "k/s", rows);
	stop_nodes();
}

static void latency(void)
{
	start_nodes(1);
	command(ORDER_INSERT);
	while (!atomic_load(&common->told))
		nap();
	figure("cluster.insert_to_start", common->latency, "us", common->commit);
	stop_nodes();
}

int main(int argc, char **argv)
{
	struct pg_link link;
	char remove[PATH_MAX + 16];

	if (argc != 4) {
		fprintf(stderr, "usage: %s YARDMASTER NOOP_PLUGIN URI\n", argv[0]);
		return 2;
	}
	set_up(argc, argv);
	uri = argv[3];
	memset(payload, 'x', sizeof(payload));
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED)
		die("mmap()");
	open_link(&link);
	run_sql(&link, make_sql, NULL);
	pg_shut(&link);
	for (unsigned n = 1; n <= NODES_MAX; n *= 2)
		one_size(n);
	latency();
	snprintf(remove, sizeof(remove), "rm -rf '%s'", dir);
	return system(remove) == 0 ? 0 : 1;
}
