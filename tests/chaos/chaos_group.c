/*
 * chaos_group.c - the group protocol under thousands of SIGKILLs.
 *
 *     chaos_group SECONDS [SEED]
 *
 * A crew of processes joins a declared group, uses what is in it and leaves, again and again; some do what PHP's
 * sem_get() does instead. Meanwhile one of them, or the guardian, is killed every fraction of a millisecond, and now and
 * then all of them at once. What must hold:
 *
 *   - who is inside finds every object, of one generation, and it stays until he leaves
 *   - nobody waits for long, and no call fails
 *   - when all are dead the guardian removes everything, or, if it was killed, too, the next one to join and leave does
 *
 * Run it in IPC and PID namespaces of its own. Exit code 0: no violation.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ipc/group.h"
#include "../../ipc/key.h"
#include "../../ipc/procfs.h"
#include "../../ipc/queue.h"
#include "../../ipc/registry.h"
#include "../../ipc/sys.h"

#define CREW        6
#define SCRIPTS     2 /* of the crew: PHP's way */
#define CAPACITY    32u
#define PATIENCE_MS 10000
#define PAUSE_US    800 /* between two kills, at most */
#define MASSACRE    400 /* one in so many kills takes all */

static struct shared {
	_Atomic unsigned joins, quick, fresh; /* of the crew */
	_Atomic unsigned scripts;             /* joins like PHP's */
	_Atomic unsigned violations;
	_Atomic pid_t guardian;
	char violation[YM_ERR_TEXT_MAX + 32];
} * shared;

static struct {
	unsigned kills, guardians, massacres, by_guardian, by_next;
} done;

static char directory[] = "/tmp/yardmaster-chaos.XXXXXX";

static const struct ym_group_object objects[] = {
    {.kind = YM_OBJECT_SEGMENT, .name = "segment", .size = 64, .version = 1},
    {.kind = YM_OBJECT_VARIABLES, .name = "variables", .size = 2000},
    {.kind = YM_OBJECT_QUEUE, .name = "queue"},
    {.kind = YM_OBJECT_SEMAPHORE, .name = "lock", .size = 1},
};

static void violation(const char *what, const char *why)
{
	if (atomic_fetch_add(&shared->violations, 1) == 0)
		snprintf(shared->violation, sizeof(shared->violation), "%s: %s", what, why);
}

static int fill(struct ym_group *group, void *arg, struct ym_err *err)
{
	void *contents;

	(void)arg;
	if (ym_group_segment(group, "segment", &contents, NULL, err) < 0)
		return -1;
	*(int *)contents = group->semid;
	ym_group_unmap(contents);
	atomic_fetch_add(&shared->fresh, 1);
	return 0;
}

static struct ym_group_spec spec_of(void)
{
	return (struct ym_group_spec){
	    .directory = directory,
	    .role = "crew",
	    .capacity = CAPACITY,
	    .mode = 0600,
	    .patience_ms = PATIENCE_MS,
	    .objects = objects,
	    .nobjects = sizeof(objects) / sizeof(objects[0]),
	    .init = fill,
	};
}

/* ---- what the crew does ---------------------------------------------------------------------- */

static int add_one(struct ym_value *value, bool exists, void *arg, struct ym_err *err)
{
	(void)arg, (void)err;
	*value = ym_value_int(exists ? value->integer + 1 : 1);
	return 0;
}

/* Damage by a killed writer is reported, repaired by who holds the lock, and no violation. */
static int count_up(struct ym_vars *vars, struct ym_sem *lock, struct ym_err *err)
{
	if (ym_vars_update(vars, lock, ym_deadline(PATIENCE_MS), ym_vars_key("counter"), add_one, NULL, err) == 0)
		return 0;
	if (err->class != YM_ERR_CORRUPT || ym_sem_acquire(lock, ym_deadline(PATIENCE_MS), err) < 0)
		return -1;
	if (ym_vars_repair(vars, NULL, err) < 0)
		return -1;
	return ym_sem_release(lock, err);
}

static int use(struct ym_group *group, struct ym_err *err)
{
	struct ym_vars vars;
	struct ym_sem lock;
	void *contents;
	int queue, semid, result;

	if (ym_group_segment(group, "segment", &contents, NULL, err) < 0)
		return -1;
	semid = *(int *)contents;
	ym_group_unmap(contents);
	if (semid != group->semid)
		return ym_fail(err, YM_ERR_BUG, "the segment is of generation %d, not %d", semid, group->semid);
	if (ym_group_queue(group, "queue", &queue, err) < 0 ||
	    (ym_queue_send_bytes(queue, 1, "hello", 5, 0, err) < 0 && err->class != YM_ERR_FULL) ||
	    ym_group_vars(group, "variables", 0, &vars, err) < 0)
		return -1;
	result = ym_group_sem(group, "lock", &lock, err);
	if (result == 0) {
		result = count_up(&vars, &lock, err);
		ym_sem_close(&lock);
	}
	ym_vars_detach(&vars);
	return result;
}

static void bury_the_dead(struct ym_group *group)
{
	bool dead[CAPACITY];

	if (ym_group_dead(group, dead, NULL) > 0)
		for (unsigned i = 0; i < group->capacity; i++)
			if (dead[i])
				ym_group_bury(group, i);
}

static void come_and_go(void)
{
	struct ym_group_spec spec = spec_of();

	for (;;) {
		struct ym_group group;
		struct ym_err err;

		if (ym_group_join(&group, &spec, &err) < 0) {
			violation("join", err.text);
			continue;
		}
		atomic_fetch_add(&shared->joins, 1);
		if (!group.reg)
			atomic_fetch_add(&shared->quick, 1);
		if (ym_group_guardian(&group, &err) < 0)
			violation("guardian", err.text);
		else
			atomic_store(&shared->guardian, atomic_load(&group.reg->guardian));
		if (use(&group, &err) < 0)
			violation("use", err.text);
		bury_the_dead(&group);
		if (ym_group_leave(&group, NULL, &err) < 0)
			violation("leave", err.text);
	}
}

/* sem_get() and the end of its object, as PHP makes them: blocking, on whatever set is behind the key. */
static void come_and_go_like_php(void)
{
	struct sembuf join[] = {{2, 0, 0}, {2, 1, SEM_UNDO}, {1, 1, SEM_UNDO}};
	struct sembuf unlock = {2, -1, SEM_UNDO}, end = {1, -1, SEM_UNDO};
	struct ym_err err;

	for (;;) {
		key_t key;
		int id;

		if (ym_keyfile(directory, YM_REGISTRY_NAME, NULL, NULL, &key, &err) < 0)
			continue;
		id = semget(key, 3, IPC_CREAT | 0600);
		if (id < 0 || semop(id, join, 3) < 0)
			continue;
		atomic_fetch_add(&shared->scripts, 1);
		if (semctl(id, 1, GETVAL) == 1)
			semctl(id, 0, SETVAL, 1);
		if (semop(id, &unlock, 1) < 0)
			violation("script", strerror(errno));
		usleep(100);
		if (semctl(id, 1, GETVAL) < 1)
			violation("script", "its set went away under it");
		semop(id, &end, 1);
	}
}

static pid_t hire(unsigned place)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (place < SCRIPTS)
		come_and_go_like_php();
	come_and_go();
	_exit(0);
}

/* ---- and what happens to it ------------------------------------------------------------------ */

static void slay(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	done.kills++;
}

/* The guardian is nobody's child here: process 1 of the namespace reaps it. */
static void slay_guardian(void)
{
	pid_t pid = atomic_load(&shared->guardian);

	if (pid <= 1 || ym_process_started(pid) == 0)
		return;
	kill(pid, SIGKILL);
	done.kills++;
	done.guardians++;
}

static unsigned objects_left(void)
{
	static const char *const lists[] = {"/proc/sysvipc/sem", "/proc/sysvipc/shm", "/proc/sysvipc/msg"};
	unsigned lines = 0;

	for (unsigned i = 0; i < 3; i++) {
		FILE *file = fopen(lists[i], "re");

		for (int c = file ? getc(file) : EOF; c != EOF; c = getc(file))
			lines += c == '\n';
		if (file)
			fclose(file);
		lines--;
	}
	return lines;
}

static bool all_gone(int64_t ms)
{
	uint64_t deadline = ym_deadline(ms);

	while (objects_left()) {
		if (ym_now_ns() > deadline)
			return false;
		ym_nap(500000);
	}
	return true;
}

/* Everybody dies; with the guardian's help, or with that of the next one, nothing is left. */
static void massacre(const pid_t *crew)
{
	struct ym_group_spec spec = spec_of();
	struct ym_group group;
	struct ym_err err;
	bool guarded = random() % 2;

	done.massacres++;
	if (!guarded)
		slay_guardian();
	for (unsigned i = 0; i < CREW; i++)
		slay(crew[i]);
	if (guarded && all_gone(2000)) {
		done.by_guardian++;
	} else {
		if (ym_group_join(&group, &spec, &err) < 0)
			violation("the next join", err.text);
		else if (ym_group_leave(&group, NULL, &err) < 0)
			violation("the next leave", err.text);
		else if (!all_gone(2000))
			violation("objects", "left behind by the next one, too");
		else
			done.by_next++;
	}
}

static void hire_all(pid_t *crew)
{
	for (unsigned i = 0; i < CREW; i++)
		crew[i] = hire(i);
}

static int report(unsigned seed)
{
	printf("seed %u: %u joins (%u the short way, %u made a generation), %u by scripts\n", seed, shared->joins,
	       shared->quick, shared->fresh, shared->scripts);
	printf(
	    "%u processes killed, %u of them guardians; all at once %u times: cleaned up %u times by the guardian, %u "
	    "times by the next to join\n",
	    done.kills, done.guardians, done.massacres, done.by_guardian, done.by_next);
	if (shared->violations)
		printf("%u VIOLATIONS, the first: %s\n", shared->violations, shared->violation);
	return shared->violations > 0;
}

int main(int argc, char **argv)
{
	uint64_t end = ym_deadline(argc > 1 ? atol(argv[1]) * 1000 : 10000);
	unsigned seed = argc > 2 ? (unsigned)atol(argv[2]) : (unsigned)ym_now_ns();
	pid_t crew[CREW];
	char command[128];

	srandom(seed);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || !mkdtemp(directory)) {
		perror("chaos_group");
		return 1;
	}
	hire_all(crew);
	while (ym_now_ns() < end && !atomic_load(&shared->violations)) {
		unsigned victim = (unsigned)random() % (CREW + 1);

		ym_nap(1 + random() % (PAUSE_US * 1000));
		if (random() % MASSACRE == 0) {
			massacre(crew);
			hire_all(crew);
		} else if (victim == CREW) {
			slay_guardian();
		} else {
			slay(crew[victim]);
			crew[victim] = hire(victim);
		}
	}
	massacre(crew);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	if (system(command))
		perror(command);
	return report(seed);
}
