/*
 * bench_ipc.c - what the room ipc costs, beside the raw system calls or PHP's own functions in the same run.
 *
 *     bench_ipc [PHP_SCRIPT]
 *
 * Run it in an IPC namespace of its own on a quiet machine.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "../../ipc/group.h"
#include "../../ipc/queue.h"
#include "../../ipc/sys.h"
#include "../../ipc/vars.h"
#include "figures.h"

#define CALLS   100000
#define MESSAGE 64

static struct ym_err err;

static void must(int result)
{
	if (result < 0) {
		fprintf(stderr, "bench: %s\n", err.text);
		exit(1);
	}
}

/* Two ways to do the same, in turns; the first is ours. */
static void beside(const char *name, void (*ours)(void), void (*raw)(void))
{
	double our[ROUNDS], their[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t since = ym_now_ns();

		for (int i = 0; i < CALLS; i++)
			ours();
		our[round] = seconds(since) * 1e9 / CALLS;
		since = ym_now_ns();
		for (int i = 0; i < CALLS; i++)
			raw();
		their[round] = seconds(since) * 1e9 / CALLS;
	}
	figure(name, median(our, ROUNDS), "ns", median(their, ROUNDS));
}

/* ---- semaphores ------------------------------------------------------------------------------ */

static struct ym_sem sem;

static void sem_ours(void)
{
	must(ym_sem_acquire(&sem, YM_NEVER, &err));
	must(ym_sem_release(&sem, &err));
}

static void sem_raw(void)
{
	struct sembuf take = {0, -1, SEM_UNDO}, give = {0, 1, SEM_UNDO};

	if (semop(sem.id, &take, 1) < 0 || semop(sem.id, &give, 1) < 0)
		die("semop");
}

static void semaphores(void)
{
	must(ym_sem_get(&sem, 0x5e4a, 1, 0600, YM_NEVER, &err));
	beside("sem_acquire_release", sem_ours, sem_raw);
	must(ym_sem_remove(sem.id, &err));
	ym_sem_close(&sem);
}

/* ---- queues ---------------------------------------------------------------------------------- */

static int queue;

static void queue_ours(void)
{
	char body[MESSAGE] = "", storage[MESSAGE];
	struct ym_buffer buffer;
	long type;

	must(ym_queue_send_bytes(queue, 1, body, sizeof(body), YM_NEVER, &err));
	ym_buffer_init(&buffer, storage, sizeof(storage));
	must(ym_queue_receive(queue, 0, sizeof(storage), 0, YM_NEVER, &buffer, &type, &err));
	ym_buffer_free(&buffer);
}

static void queue_raw(void)
{
	struct {
		long type;
		char body[MESSAGE];
	} message = {.type = 1};

	if (msgsnd(queue, &message, MESSAGE, 0) < 0 || msgrcv(queue, &message, MESSAGE, 0, 0) < 0)
		die("msgsnd, msgrcv");
}

static void queues(void)
{
	must(ym_queue_get(IPC_PRIVATE, 0600, &queue, &err));
	beside("queue_send_receive", queue_ours, queue_raw);
	must(ym_queue_remove(queue, &err));
}

/* ---- variables, beside PHP ------------------------------------------------------------------- */

/* PHP's times for the same with `n` variables: put, get; false when there is no PHP. */
static bool ask_php(const char *script, int n, double *put, double *get)
{
	char command[512];
	FILE *pipe;
	bool told;

	snprintf(command, sizeof(command), "php %s %d %d 2>/dev/null", script, n, CALLS);
	pipe = popen(command, "r");
	told = pipe && fscanf(pipe, "%lf %lf", put, get) == 2;
	if (pipe)
		pclose(pipe);
	return told;
}

static void variables_of(const char *script, int n)
{
	struct ym_value value = ym_value_int(42), got;
	double put[ROUNDS], get[ROUNDS], php_put[ROUNDS] = {0}, php_get[ROUNDS] = {0};
	char name[64];
	struct ym_vars vars;

	must(ym_vars_attach(&vars, IPC_PRIVATE, (size_t)n * 40 + 200, 0600, 0, &err));
	for (int key = 1; key <= n; key++)
		must(ym_vars_put(&vars, key, &value, &err));
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t since = ym_now_ns();

		for (int i = 0; i < CALLS; i++)
			must(ym_vars_put(&vars, n, &value, &err));
		put[round] = seconds(since) * 1e9 / CALLS;
		since = ym_now_ns();
		for (int i = 0; i < CALLS; i++)
			must(ym_vars_get(&vars, n, &got, &err));
		get[round] = seconds(since) * 1e9 / CALLS;
		if (script && !ask_php(script, n, &php_put[round], &php_get[round]))
			script = NULL;
	}
	must(ym_vars_destroy(&vars, false, &err));
	ym_vars_detach(&vars);
	snprintf(name, sizeof(name), "vars_put_of_%d", n);
	figure(name, median(put, ROUNDS), "ns", script ? median(php_put, ROUNDS) : 0);
	snprintf(name, sizeof(name), "vars_get_of_%d", n);
	figure(name, median(get, ROUNDS), "ns", script ? median(php_get, ROUNDS) : 0);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static struct ym_group_spec spec;

static void group_ours(void)
{
	struct ym_group group;

	must(ym_group_join(&group, &spec, &err));
	must(ym_group_leave(&group, NULL, &err));
}

/* What nobody can do without: find the set, check whose it is, two semops. */
static void group_raw(void)
{
	struct sembuf in[] = {{YM_GROUP_USAGE, 1, SEM_UNDO}}, out[] = {{YM_GROUP_USAGE, -1, SEM_UNDO}};
	struct semid_ds ds;
	char path[128];
	struct stat st;
	int id;

	snprintf(path, sizeof(path), "%s/members", spec.directory);
	if (stat(path, &st) < 0)
		die(path);
	id = semget(ftok(path, 'y'), 0, 0);
	if (id < 0 || semctl(id, 0, IPC_STAT, (union ym_semun){.buf = &ds}) < 0 || semop(id, in, 1) < 0 ||
	    semop(id, out, 1) < 0)
		die("semget, semctl, semop");
}

static void groups(void)
{
	char directory[] = "/tmp/yardmaster-bench.XXXXXX", command[64];
	struct ym_group host;

	if (!mkdtemp(directory))
		die("mkdtemp");
	spec = (struct ym_group_spec){
	    .directory = directory, .role = "bench", .capacity = 64, .mode = 0600, .patience_ms = 1000};
	must(ym_group_join(&host, &spec, &err));
	beside("group_join_leave", group_ours, group_raw);
	must(ym_group_leave(&host, NULL, &err));
	snprintf(command, sizeof(command), "rm -r %s", directory);
	if (system(command))
		die(command);
}

int main(int argc, char **argv)
{
	static const int counts[] = {1, 100, 1000};
	const char *script = argc > 1 ? argv[1] : NULL;

	semaphores();
	queues();
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		variables_of(script, counts[i]);
	groups();
	return 0;
}
