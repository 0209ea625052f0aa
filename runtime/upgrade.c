/* upgrade.c - try the new program, hand over, exec; and take up again. */
#include "upgrade.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../config/diff.h"
#include "daemon.h"
#include "ground.h"
#include "handover.h"
#include "log.h"
#include "notify.h"
#include "rounds.h"
#include "spawn.h"
#include "trial.h"

#define FLUSH_MS 2000

/* How long workers have to end when there is nothing any more that they could work on. */
#define WORKERS_MS 5000

/* ---- the program file ------------------------------------------------------------------------ */

/* Under which path this program was started: what is there later may be another file. */
static char own_path[PATH_MAX];

void upgrade_remember(void)
{
	ssize_t n = readlink("/proc/self/exe", own_path, sizeof(own_path) - 1);

	own_path[n > 0 ? n : 0] = '\0';
}

static void layout(char *text, size_t size)
{
	snprintf(text, size, "table %d board %d registry %d handover %d", TABLE_VERSION, BOARD_VERSION,
	         YM_REGISTRY_VERSION, HANDOVER_VERSION);
}

void upgrade_print_layout(void)
{
	char text[128];

	layout(text, sizeof(text));
	puts(text);
}

/* The new image makes what the file says, and takes up only what it finds there. */
static int check_standing(struct master *master, struct ym_err *err)
{
	struct config config = {0};
	struct cfg_problems problems;
	struct cfg_changes changes;
	bool changed;

	for (size_t i = 0; i < master->npools; i++)
		if (master->pools[i]->removed)
			return ym_fail(err, YM_ERR_NO, "the last jobs of pool %s, which was removed, are not over",
			               master->pools[i]->config->name);
	for (size_t i = 0; i < master->nprograms; i++)
		if (master->programs[i]->removed || program_leaving(master->programs[i]))
			return ym_fail(err, YM_ERR_NO, "processes of program %s, which were removed, have not ended",
			               master->programs[i]->config->name);
	if (config_load(master->config->path, &config, &problems) < 0) {
		ym_fail(err, YM_ERR_CONFIG, "%.800s", problems.count ? problems.items[0].text : "no configuration");
		cfg_problems_free(&problems);
		return -1;
	}
	/* Without memory for a comparison there is none for an upgrade. */
	changed = cfg_diff(master->config, &config, &changes) < 0 || changes.count > 0;
	cfg_changes_free(&changes);
	config_free(&config);
	if (changed)
		return ym_fail(err, YM_ERR_NO, "%s has been changed since it was read: `yardmaster reload` first",
		               master->config->path);
	return 0;
}

static int check_new(struct master *master, struct ym_err *err)
{
	char *ask[] = {(char[]){"yardmaster"}, (char[]){"worker"}, (char[]){"--layout"}, NULL};
	char *check[] = {(char[]){"yardmaster"}, (char[]){"check"}, master->config->path, NULL};
	char printed[2048], wanted[128];
	int status;

	if (!own_path[0])
		return ym_fail(err, YM_ERR_SYSTEM, "the path of the program is not known: is /proc mounted?");
	layout(wanted, sizeof(wanted));
	status = trial_run(own_path, ask, printed, sizeof(printed), err);
	if (status < 0)
		return -1;
	printed[strcspn(printed, "\n")] = '\0';
	if (status != 0 || strcmp(printed, wanted) != 0)
		return ym_fail(err, YM_ERR_NO,
		               "%s lays out the shared memory differently (\"%.100s\", this one has \"%s\"): it cannot "
		               "go on with what is there; stop and start instead, unfinished jobs are kept",
		               own_path, printed, wanted);
	status = trial_run(own_path, check, printed, sizeof(printed), err);
	if (status < 0)
		return -1;
	if (status != 0)
		return ym_fail(err, YM_ERR_CONFIG, "%s does not take the configuration: %.800s", own_path, printed);
	return 0;
}

/* ---- hand over ------------------------------------------------------------------------------- */

static bool add_unit(const struct unit *unit, unsigned workers, struct handover *handover)
{
	struct handed_unit *handed = handover_unit(handover);

	if (!handed)
		return false;
	snprintf(handed->name, sizeof(handed->name), "%s", unit->name);
	handed->wanted = unit->wanted;
	handed->up = unit->up;
	handed->workers = workers;
	return true;
}

static bool collect(struct master *master, struct handover *handover)
{
	*handover = (struct handover){.semid = master->instance.group.semid,
	                              .slot = master->instance.group.slot,
	                              .registry = master->instance.group.regid,
	                              .pidfile_fd = daemon_pidfile_fd()};
	if (master->pidfile) {
		handover->pidfile = strdup(master->pidfile);
		if (!handover->pidfile)
			return false;
	}
	for (size_t i = 0; i < master->npools; i++) {
		const struct pool *pool = master->pools[i];

		if (!pool->removed && !add_unit(&pool->unit, pool->crew.wanted, handover))
			return false;
		for (size_t j = 0; j < pool->crew.nplaces; j++) {
			struct handed *handed = handover_child(handover);

			if (!handed || !place_hand_over(pool->crew.places[j], handed))
				return false;
		}
	}
	for (size_t i = 0; i < master->nprograms; i++) {
		const struct program *program = master->programs[i];

		if (!program->removed && !add_unit(&program->unit, 0, handover))
			return false;
		for (size_t j = 0; j < program->ncopies; j++) {
			struct handed *handed = handover_child(handover);

			if (!handed || !copy_hand_over(program->copies[j], handed))
				return false;
		}
	}
	return true;
}

static void take_limits_again(struct master *master)
{
	struct ym_err err;
	int result = ym_group_lock(&master->instance.group, &err);

	if (result == 0) {
		result = ground_enter_limits(master, master->config, &err);
		ym_group_unlock(&master->instance.group);
	}
	if (result < 0)
		log_line(LOG_ERROR, "%s", err.text);
}

/*
 * execve() detaches the segments: if somebody removes them in that moment, they would be destroyed with what is in them. So
 * a child has them attached meanwhile; without one (0) it is as good as can be.
 */
static pid_t keep_segments(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid < 0 ? 0 : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_range(0, UINT_MAX, 0);
	while (getppid() == parent)
		pause();
	_exit(0);
}

static void let_segments_go(pid_t keeper)
{
	/* No other process can have its number as long as it is our child. */
	if (keeper <= 0 || waitpid(keeper, NULL, WNOHANG) != 0)
		return;
	kill(keeper, SIGKILL);
	while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
		;
}

static int become_new(struct master *master, struct handover *handover, struct ym_err *err)
{
	char *argv[] = {(char[]){"yardmaster"}, (char[]){"run"}, master->config->path, NULL};
	char number[16];
	int fd;

	handover->keeper = keep_segments();
	fd = handover_write(handover, err);
	if (fd < 0) {
		let_segments_go((pid_t)handover->keeper);
		return -1;
	}
	snprintf(number, sizeof(number), "%d", fd);
	setenv(UPGRADE_ENV, number, 1);
	notify_restore_environment();
	/* What a handle of a semaphore holds would stay held for ever. */
	limit_keeper_close(&master->limits);
	handover_cloexec(handover, false);
	execv(own_path, argv);
	ym_fail_sys(err, errno, "execv(\"%s\")", own_path);
	handover_cloexec(handover, true);
	unsetenv(UPGRADE_ENV);
	notify_hide_environment();
	close(fd);
	let_segments_go((pid_t)handover->keeper);
	take_limits_again(master);
	return -1;
}

static void hand_over(struct master *master)
{
	struct handover handover = {0};
	struct ym_err err;

	/* A reload or an editor may have come in between. */
	if (check_standing(master, &err) < 0) {
		log_line(LOG_ERROR, "no upgrade: %s", err.text);
		return;
	}
	log_line(LOG_INFO, "going on as %s", own_path);
	/* Its thread ends with us, and its last lines are to be in the log. */
	ground_close_store(master, true);
	if (!log_flush(FLUSH_MS))
		ym_fail(&err, YM_ERR_TIMEOUT, "the log cannot be written: its last lines would be lost");
	else if (!collect(master, &handover))
		ym_fail(&err, YM_ERR_LIMIT, "out of memory");
	else
		become_new(master, &handover, &err);
	handover_free(&handover);
	log_line(LOG_ERROR, "the upgrade has failed, this program goes on: %s", err.text);
	if (ground_open_store(master, true, &err) < 0)
		log_line(LOG_ERROR, "%s", err.text);
}

bool upgrade_now(struct master *master)
{
	if (!master->upgrading)
		return false;
	/*
	 * A signal that comes before the new image has its handlers would kill it: it waits. Those that have come before
	 * are still with the loop, which nobody would ask any more.
	 */
	master_block_signals(true);
	uv_run(&master->loop, UV_RUN_NOWAIT);
	/* What is known of deaths goes to their jobs. */
	rounds_now(master);
	control_flush(master->control);
	master->upgrading = false;
	if (!master->yard.stopping && !master->yard.lost)
		hand_over(master);
	master_block_signals(false);
	/* A stop may have come to its end in here. */
	return !(master->yard.stopping && supervisor_alive(&master->supervisor) == 0);
}

void upgrade_ask(struct master *master, struct control_reply *reply)
{
	struct ym_err err;

	if (check_standing(master, &err) < 0 || check_new(master, &err) < 0) {
		log_line(LOG_ERROR, "no upgrade: %s", err.text);
		control_refuse(reply, err.class, "no upgrade, this program goes on: %s", err.text);
		return;
	}
	control_say(reply, "instance %s: process %ld goes on as %s", master->instance.name, (long)getpid(), own_path);
	master->upgrading = true;
	uv_stop(&master->loop);
}

/* ---- in the new image ------------------------------------------------------------------------ */

static bool is_worker(const struct master *master, const struct handed *handed)
{
	for (size_t i = 0; i < master->config->npools; i++)
		if (handed->fds.pidfd >= 0 && strcmp(handed->unit, master->config->pools[i].name) == 0)
			return true;
	return false;
}

/* Has it ended? It is reaped later, by who watches it. */
static bool ends_until(const struct handed *handed, uint64_t deadline)
{
	struct pollfd end = {.fd = handed->fds.pidfd, .events = POLLIN};
	uint64_t now = ym_now_ns();

	while (poll(&end, 1, now < deadline ? (int)((deadline - now) / 1000000u) + 1 : 0) < 0 && errno == EINTR)
		now = ym_now_ns();
	return end.revents != 0;
}

/* What they still did would be done to what is being kept, and those that come after them begin anew. */
static void end_workers(const struct master *master, struct handover *handover)
{
	uint64_t deadline = ym_deadline(WORKERS_MS);

	for (size_t i = 0; i < handover->nchildren; i++)
		if (is_worker(master, &handover->children[i]))
			spawn_signal(handover->children[i].fds.pidfd, SIGTERM);
	for (size_t i = 0; i < handover->nchildren; i++) {
		struct handed *handed = &handover->children[i];

		if (!is_worker(master, handed))
			continue;
		if (!ends_until(handed, deadline)) {
			spawn_signal(handed->fds.pidfd, SIGKILL);
			ends_until(handed, ym_deadline(WORKERS_MS));
		}
		/* No place takes it up. */
		handed->unit[0] = '\0';
	}
}

static int stand_again(struct master *master, struct handover *handover, struct ym_err *err)
{
	int result = ground_resume(master, (int)handover->semid, (unsigned)handover->slot, err);

	if (result < 0 && err->class == YM_ERR_GONE) {
		log_line(LOG_ERROR, "somebody removed our IPC objects during the upgrade: %s", err->text);
		end_workers(master, handover);
		result =
		    ground_return(master, (int)handover->semid, (int)handover->registry, (unsigned)handover->slot, err);
	}
	let_segments_go((pid_t)handover->keeper);
	return result;
}

int upgrade_resume(struct master *master, int fd, struct ym_err *err)
{
	struct handover *handover = calloc(1, sizeof(*handover));

	if (!handover)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (handover_read(fd, handover, err) < 0) {
		free(handover);
		return -1;
	}
	master->yard.handover = handover;
	if (handover->pidfile) {
		struct ym_err why;

		/* What it is for works all the same. */
		if (daemon_pidfile_adopt(handover->pidfile, (int)handover->pidfile_fd, &why) < 0)
			log_line(LOG_ERROR, "%s", why.text);
		master->pidfile = strdup(handover->pidfile);
	}
	return stand_again(master, handover, err);
}

static void drop_line(void *arg, enum process_stream stream, const char *text, size_t length)
{
	(void)arg;
	(void)stream;
	(void)text;
	(void)length;
}

static void drop_ready(void *arg)
{
	(void)arg;
}

static void drop_end(void *arg, pid_t pid, int status, const struct rusage *usage)
{
	char how[80];

	(void)arg;
	(void)usage;
	spawn_status_text(status, how, sizeof(how));
	log_line(LOG_INFO, "a process that is configured no more (pid %ld) %s", (long)pid, how);
}

/* Nobody wants them (the file was changed in the last moment); but they must not hang in a full pipe, nor be zombies. */
static void watch_untaken(struct master *master, struct handover *handover)
{
	static const struct process_events events = {.line = drop_line, .ready = drop_ready, .ended = drop_end};

	for (size_t i = 0; i < handover->nchildren; i++) {
		struct handed *handed = &handover->children[i];

		if (handed->fds.pidfd >= 0 &&
		    !process_watch(&master->loop, (pid_t)handed->pid, &handed->fds, &events, NULL))
			process_fds_close(&handed->fds);
	}
}

void upgrade_done(struct master *master)
{
	struct handover *handover = master->yard.handover;

	if (!handover)
		return;
	for (size_t i = 0; i < master->supervisor.nunits; i++) {
		struct unit *unit = master->supervisor.units[i];
		const struct handed_unit *handed = handover_find_unit(handover, unit->name);

		if (!handed)
			continue;
		unit->wanted = handed->wanted;
		if (handed->up && handed->wanted) {
			unit->up = true;
			unit->ops->start(unit);
		}
	}
	watch_untaken(master, handover);
	atomic_fetch_add(&master_board(master)->upgrades, 1);
	handover_free(handover);
	free(handover);
	master->yard.handover = NULL;
	log_line(LOG_INFO, "version " YM_VERSION " goes on where the program before it was");
}
