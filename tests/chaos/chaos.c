/*
 * chaos.c - kill everything at random for a while, then look whether every accepted job was done.
 *
 *     chaos SECONDS YARDMASTER LEDGER_PLUGIN [SEED]
 *
 * Clients submit numbered jobs and note each acceptance in a file after submit has returned. Workers note the start
 * and the end of each run in another. Meanwhile workers, clients, the guardian and the master are killed, workers are
 * stopped for a while, the instance is stopped in order and sometimes everything is killed at once. At the end:
 *   - every accepted job was done at least once;
 *   - a job was started again only if the worker of the run before was killed by us, or gave it back at an orderly stop;
 *   - no unit of the limit is missing, no job is stuck, no IPC object and no process is left.
 * Run it in its own IPC and PID namespaces.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../../runtime/dispatch.h"
#include "../../runtime/view.h"

#define CLIENTS        3
#define LIMIT_MAX      2
#define SETTLE_MS      60000
#define PIDS_MAX       100000
#define JOBS_MAX       2000000
#define JOB_MS_MAX     12
#define JOB_MS_LONG    150 /* longer than stopwaitsecs: given back at an orderly stop */
#define MASTER_UP_MS   15000
#define STOPPED_MS_MAX 150

struct chaos {
	const char *program;
	char dir[PATH_MAX], ini[PATH_MAX + 16], accepted[PATH_MAX + 16], ledger[PATH_MAX + 16];
	pid_t master;
	pid_t clients[CLIENTS];
	unsigned next_job;
	unsigned kills[6];
	bool *killed; /* by pid: we killed or stopped it, so its job may run again */
	unsigned problems;
};

enum victim { WORKER, CLIENT, MASTER, GUARDIAN, STOP, ALL };
static const char *const victims[] = {"workers",   "clients",       "masters",
                                      "guardians", "orderly stops", "everything at once"};

static struct chaos chaos;

static void nap_ms(unsigned ms)
{
	poll(NULL, 0, (int)ms);
}

static unsigned pick(unsigned n)
{
	return (unsigned)random() % n;
}

static void problem(const char *what, unsigned long number)
{
	if (chaos.problems++ < 20)
		printf("PROBLEM: %s (%lu)\n", what, number);
}

static void die(const char *what)
{
	printf("chaos: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void remember_killed(pid_t pid)
{
	if (pid > 0 && pid < PIDS_MAX)
		chaos.killed[pid] = true;
}

/* ---- the instance under test ----------------------------------------------------------------- */

static void write_ini(const char *plugin)
{
	FILE *ini = fopen(chaos.ini, "w");

	if (!ini)
		die("cannot write the INI");
	fprintf(ini, "[yardmaster]\ninstance = chaos\ndirectory = %s/instance\njobs = 4096\n", chaos.dir);
	for (int limited = 0; limited < 2; limited++)
		fprintf(ini,
		        "[pool:%s]\nplugin = %s\nworkers = 3\nattempts = 255\nbackoff = 0\nstartsecs = 0\nstopwaitsecs "
		        "= 50ms\n"
		        "option.file = %s\n%s",
		        limited ? "limited" : "free", plugin, chaos.ledger, limited ? "limits = two\n" : "");
	fprintf(ini, "[limit:two]\nmax = %d\n", LIMIT_MAX);
	fclose(ini);
}

static void locate(struct instance *instance)
{
	char directory[PATH_MAX + 16];

	snprintf(directory, sizeof(directory), "%s/instance", chaos.dir);
	if (instance_locate(instance, "chaos", directory, NULL) < 0)
		die("instance_locate");
}

static void start_master(void)
{
	char log[PATH_MAX + 16];
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		int fd;

		snprintf(log, sizeof(log), "%s/log", chaos.dir);
		fd = open(log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
		dup2(fd, STDERR_FILENO);
		execl(chaos.program, chaos.program, "run", chaos.ini, (char *)NULL);
		_exit(127);
	}
	chaos.master = pid;
}

static bool master_answers(void)
{
	struct instance instance;
	bool up;

	locate(&instance);
	if (instance_view(&instance, NULL) < 0)
		return false;
	up = view_master(&instance) == chaos.master &&
	     atomic_load(&instance.board->instance.master_state) == BOARD_MASTER_RUNNING;
	instance_unview(&instance);
	return up;
}

/* A master that is killed while it starts is started again; it must come up in the end. */
static void await_master(void)
{
	uint64_t deadline = ym_deadline(MASTER_UP_MS);

	while (!master_answers()) {
		if (ym_now_ns() > deadline) {
			problem("the master does not come up", (unsigned long)chaos.master);
			return;
		}
		if (waitpid(chaos.master, NULL, WNOHANG) == chaos.master)
			start_master();
		nap_ms(5);
	}
}

/* ---- clients --------------------------------------------------------------------------------- */

static void submit_jobs(unsigned from, unsigned count)
{
	int accepted = open(chaos.accepted, O_WRONLY | O_APPEND | O_CLOEXEC);
	struct instance instance;
	struct ym_err err;

	locate(&instance);
	if (accepted < 0 || instance_join(&instance, "client", NULL, &err) < 0)
		_exit(0);
	for (unsigned i = 0; i < count; i++) {
		int pool = table_pool(instance.table, i % 2 ? "free" : "limited");
		char payload[64], line[32];
		struct job_request request = {.payload = payload, .deadline = ym_deadline(100)};
		struct job_ref ref;
		int n;

		request.size = (size_t)snprintf(payload, sizeof(payload), "%u %u", from + i,
		                                pick(50) ? pick(JOB_MS_MAX) : JOB_MS_LONG);
		request.pool = (unsigned)pool;
		if (pool < 0 || dispatch_submit(&instance, &request, &ref, &err) < 0)
			break;
		n = snprintf(line, sizeof(line), "%u\n", from + i);
		if (write(accepted, line, (size_t)n) != n)
			_exit(1);
	}
	instance_leave(&instance, NULL, NULL);
	_exit(0);
}

static void start_client(unsigned slot)
{
	unsigned count = 20 + pick(100), from = chaos.next_job;
	pid_t pid;

	chaos.next_job += count;
	if (chaos.next_job >= JOBS_MAX)
		die("too many jobs");
	srandom((unsigned)random());
	pid = fork();
	if (pid == 0)
		submit_jobs(from, count);
	chaos.clients[slot] = pid;
}

static void tend_clients(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (chaos.clients[i] <= 0 || waitpid(chaos.clients[i], NULL, WNOHANG) == chaos.clients[i])
			start_client(i);
}

/* ---- kills ----------------------------------------------------------------------------------- */

/* Call for every living worker's pid. */
static void each_worker(void (*act)(pid_t pid))
{
	struct instance instance;

	locate(&instance);
	if (instance_view(&instance, NULL) < 0)
		return;
	for (uint32_t i = 0; i < instance.board->instance.rows; i++) {
		struct board_work work;

		if (atomic_load(&instance.board->workers[i].used) &&
		    board_read_work(&instance.board->workers[i], &work) && work.pid > 0 &&
		    ym_process_started(work.pid) == work.process_started)
			act(work.pid);
	}
	instance_unview(&instance);
}

static unsigned found_workers;
static pid_t workers[256];

static void note_worker(pid_t pid)
{
	if (found_workers < 256)
		workers[found_workers++] = pid;
}

static void kill_worker(void)
{
	pid_t pid;

	found_workers = 0;
	each_worker(note_worker);
	if (!found_workers)
		return;
	pid = workers[pick(found_workers)];
	/* Noted first: the job may be started again before kill() has returned. */
	remember_killed(pid);
	if (pick(4) == 0) {
		kill(pid, SIGSTOP);
		nap_ms(pick(STOPPED_MS_MAX));
		if (pick(2))
			kill(pid, SIGKILL);
		kill(pid, SIGCONT);
	} else {
		kill(pid, SIGKILL);
	}
}

static void remember_and_kill(pid_t pid)
{
	remember_killed(pid);
	kill(pid, SIGKILL);
}

static pid_t guardian_pid(void)
{
	struct instance instance;
	struct ym_group_look look;
	pid_t pid = 0;
	void *addr;
	int id;

	locate(&instance);
	if (ym_group_look(instance.directory, &look, NULL) < 0 || !ym_object_behind(YM_OBJECT_SEGMENT, look.key, &id) ||
	    ym_seg_attach(id, "members", YM_REGISTRY_VERSION, look.semid, true, &addr, NULL, NULL) < 0)
		return 0;
	pid = atomic_load(&((struct ym_registry_sh *)addr)->guardian);
	if (ym_process_started(pid) != atomic_load(&((struct ym_registry_sh *)addr)->guardian_started))
		pid = 0;
	ym_seg_detach(addr);
	return pid;
}

static void kill_guardian(void)
{
	pid_t pid = guardian_pid();

	if (pid > 0)
		kill(pid, SIGKILL);
}

static void end_master(int signo)
{
	kill(chaos.master, signo);
	while (waitpid(chaos.master, NULL, 0) < 0 && errno == EINTR)
		;
}

static void kill_all(void)
{
	if (pick(2))
		kill_guardian();
	kill(chaos.master, SIGKILL);
	each_worker(remember_and_kill);
	for (unsigned i = 0; i < CLIENTS; i++)
		if (chaos.clients[i] > 0)
			kill(chaos.clients[i], SIGKILL);
	end_master(SIGKILL);
	/* A worker that was just being started is not on the board yet. */
	nap_ms(20);
	each_worker(remember_and_kill);
}

static enum victim choose(void)
{
	unsigned n = pick(100);

	return n < 55 ? WORKER : n < 78 ? CLIENT : n < 86 ? MASTER : n < 92 ? GUARDIAN : n < 96 ? STOP : ALL;
}

static void strike(void)
{
	enum victim victim = choose();
	pid_t client = chaos.clients[pick(CLIENTS)];

	chaos.kills[victim]++;
	switch (victim) {
	case WORKER:
		kill_worker();
		break;
	case CLIENT:
		if (client > 0)
			kill(client, SIGKILL);
		break;
	case MASTER:
		end_master(SIGKILL);
		nap_ms(pick(60));
		break;
	case GUARDIAN:
		kill_guardian();
		break;
	case STOP:
		end_master(SIGTERM);
		break;
	case ALL:
		kill_all();
		break;
	}
	if (victim == MASTER || victim == STOP || victim == ALL) {
		start_master();
		if (pick(3))
			await_master();
	}
}

/* ---- the reckoning --------------------------------------------------------------------------- */

static void end_clients(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (chaos.clients[i] > 0)
			waitpid(chaos.clients[i], NULL, 0);
}

static void settle(void)
{
	uint64_t deadline = ym_deadline(SETTLE_MS);
	struct instance instance;
	size_t open = 1, failed = 0;

	await_master();
	while (open > 0 && ym_now_ns() < deadline) {
		size_t count;
		struct view_job *jobs;

		nap_ms(20);
		locate(&instance);
		if (instance_view(&instance, NULL) < 0)
			continue;
		jobs = view_jobs(&instance, &count, NULL);
		open = failed = 0;
		for (size_t i = 0; jobs && i < count; i++) {
			open += !job_state_over(jobs[i].state);
			failed += jobs[i].state == JOB_FAILED;
		}
		if (open > 0 && ym_now_ns() > deadline - 1000000000u)
			for (size_t i = 0; i < count; i++)
				if (!job_state_over(jobs[i].state))
					printf("stuck: job %lu %s attempt %u\n", (unsigned long)jobs[i].id,
					       job_state_word(jobs[i].state), jobs[i].attempt);
		free(jobs);
		instance_unview(&instance);
	}
	if (open)
		problem("jobs are stuck", open);
	if (failed)
		problem("jobs failed", failed);
}

static void check_limit(void)
{
	uint64_t deadline = ym_deadline(5000);
	int units = -1;

	/* Units of killed workers come back with them; the master shows them at its next sweep. */
	while (units != LIMIT_MAX && ym_now_ns() < deadline) {
		struct instance instance;

		locate(&instance);
		if (instance_view(&instance, NULL) == 0) {
			units = atomic_load(&instance.board->limits[0].free);
			instance_unview(&instance);
		}
		nap_ms(20);
	}
	if (units != LIMIT_MAX)
		problem("units of the limit are missing", (unsigned long)(LIMIT_MAX - units));
}

static void check_ledger(void)
{
	unsigned *starts = calloc(JOBS_MAX, sizeof(*starts)), *last_pid = calloc(JOBS_MAX, sizeof(*last_pid));
	bool *done = calloc(JOBS_MAX, sizeof(*done));
	unsigned long jobs = 0, runs = 0, again = 0;
	unsigned id, attempt, pid;
	char line[128];
	FILE *file = fopen(chaos.ledger, "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "done %u %u %u", &id, &attempt, &pid) == 3 && id < JOBS_MAX) {
			done[id] = true;
		} else if (sscanf(line, "back %u %u %u", &id, &attempt, &pid) == 3 && id < JOBS_MAX) {
			last_pid[id] = 0;
		} else if (sscanf(line, "%u %u %u", &id, &attempt, &pid) == 3 && id < JOBS_MAX) {
			if (starts[id]++ > 0) {
				again++;
				if (last_pid[id] >= PIDS_MAX || (last_pid[id] && !chaos.killed[last_pid[id]]))
					problem("a job ran again although its worker had not been killed", id);
			}
			last_pid[id] = pid;
			runs++;
		}
	}
	if (file)
		fclose(file);
	file = fopen(chaos.accepted, "r");
	while (file && fgets(line, sizeof(line), file)) {
		id = (unsigned)strtoul(line, NULL, 10);
		jobs++;
		if (id < JOBS_MAX && !done[id])
			problem("an accepted job was never done", id);
	}
	if (file)
		fclose(file);
	printf("%lu jobs accepted, %lu runs, %lu of them again after a kill\n", jobs, runs, again);
	if (jobs == 0)
		problem("no job was accepted at all", 0);
	free(starts);
	free(last_pid);
	free(done);
}

static unsigned objects_left(void)
{
	static const char *const files[] = {"/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/sysvipc/shm"};
	unsigned lines = 0;

	for (unsigned i = 0; i < 3; i++) {
		FILE *file = fopen(files[i], "r");
		char line[512];

		while (file && fgets(line, sizeof(line), file))
			lines++;
		if (file)
			fclose(file);
	}
	return lines - 3;
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : (unsigned)ym_now_ns();
	uint64_t end;

	if (argc < 4) {
		fprintf(stderr, "usage: chaos SECONDS YARDMASTER LEDGER_PLUGIN [SEED]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	srandom(seed);
	chaos.killed = calloc(PIDS_MAX, sizeof(*chaos.killed));
	chaos.program = realpath(argv[2], NULL);
	snprintf(chaos.dir, sizeof(chaos.dir), "%s/chaos-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!chaos.killed || !chaos.program || !realpath(argv[3], chaos.ini) || !mkdtemp(chaos.dir))
		die("set-up");
	char *plugin = strdup(chaos.ini);

	snprintf(chaos.ini, sizeof(chaos.ini), "%s/ini", chaos.dir);
	snprintf(chaos.accepted, sizeof(chaos.accepted), "%s/accepted", chaos.dir);
	snprintf(chaos.ledger, sizeof(chaos.ledger), "%s/ledger", chaos.dir);
	close(open(chaos.accepted, O_CREAT | O_WRONLY, 0600));
	write_ini(plugin);
	free(plugin);
	printf("seed %u, %s\n", seed, chaos.dir);
	start_master();
	await_master();
	for (end = ym_deadline(1000 * strtol(argv[1], NULL, 10)); ym_now_ns() < end;) {
		tend_clients();
		nap_ms(pick(40));
		strike();
	}
	end_clients();
	settle();
	check_limit();
	end_master(SIGTERM);
	check_ledger();
	for (end = ym_deadline(3000); objects_left() > 0 && ym_now_ns() < end;)
		nap_ms(10);
	if (objects_left())
		problem("IPC objects are left", objects_left());
	for (unsigned i = 0; i < sizeof(victims) / sizeof(victims[0]); i++)
		printf("%s%u %s", i ? ", " : "killed: ", chaos.kills[i], victims[i]);
	printf("\n%s\n", chaos.problems ? "FAILED" : "good");
	if (!chaos.problems) {
		char command[PATH_MAX + 16];

		snprintf(command, sizeof(command), "rm -rf '%s'", chaos.dir);
		return system(command) == 0 ? 0 : 1;
	}
	return 1;
}
