/* master.c - start up, the loop, stop. */
#include "master.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "daemon.h"
#include "ground.h"
#include "log.h"
#include "notify.h"
#include "reload.h"
#include "requests.h"
#include "rounds.h"
#include "spawn.h"
#include "upgrade.h"

/* For the last lines of the log. */
#define LOG_PATIENCE_MS 5000

/* ---- signals --------------------------------------------------------------------------------- */

static void stop_or_press(struct master *master, int signo)
{
	log_line(LOG_INFO, "%s: %s", strsignal(signo),
	         master->yard.stopping ? "not waiting any longer" : "stopping in order");
	if (master->yard.stopping)
		supervisor_press(&master->supervisor);
	else
		rounds_stop(master);
}

static void reload(struct master *master, int signo)
{
	log_line(LOG_INFO, "%s: reading %s anew", strsignal(signo), master->config->path);
	reload_file(master, NULL);
}

static void reopen(struct master *master, int signo)
{
	(void)master;
	log_line(LOG_INFO, "%s: opening the log files anew", strsignal(signo));
	log_reopen();
}

/* What a signal means. */
static const struct {
	int signo;
	void (*act)(struct master *master, int signo);
} signals[] = {
    {SIGTERM, stop_or_press}, {SIGINT, stop_or_press}, {SIGQUIT, stop_or_press}, {SIGHUP, reload}, {SIGUSR2, reopen},
};
_Static_assert(sizeof(signals) / sizeof(signals[0]) == MASTER_SIGNALS, "one handle each");

void master_block_signals(bool on)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < MASTER_SIGNALS; i++)
		sigaddset(&set, signals[i].signo);
	sigprocmask(on ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static void signal_came(uv_signal_t *handle, int signo)
{
	for (size_t i = 0; i < MASTER_SIGNALS; i++)
		if (signals[i].signo == signo)
			signals[i].act(handle->data, signo);
}

/* ---- start ----------------------------------------------------------------------------------- */

/* One that ends in peace saw its set vanish: look at once. */
static void guardian_ended(void *arg)
{
	rounds_soon(arg);
}

/* Is this pid's end somebody else's to hear of? */
static bool is_ours(void *arg, pid_t pid)
{
	struct master *master = arg;

	for (size_t i = 0; i < master->npools; i++)
		for (size_t j = 0; j < master->pools[i]->crew.nplaces; j++)
			if (child_pid(&master->pools[i]->crew.places[j]->child) == pid)
				return true;
	for (size_t i = 0; i < master->nprograms; i++)
		for (size_t j = 0; j < master->programs[i]->ncopies; j++)
			if (child_pid(&master->programs[i]->copies[j]->child) == pid ||
			    probe_pid(master->programs[i]->copies[j]->probe) == pid)
				return true;
	return master->guard.process && process_pid(master->guard.process) == pid;
}

static void start_loop(struct master *master)
{
	for (size_t i = 0; i < MASTER_SIGNALS; i++) {
		uv_signal_init(&master->loop, &master->signals[i]);
		master->signals[i].data = master;
		uv_signal_start(&master->signals[i], signal_came, signals[i].signo);
	}
	/* Those that came during an upgrade. */
	master_block_signals(false);
	rounds_open(master);
	guard_init(&master->guard, &master->loop, &master->instance, guardian_ended, master);
	notify_open(&master->loop);
	if (getpid() == 1)
		daemon_reap(&master->loop, is_ours, master);
}

/* After an earlier master: processes of programs that are not configured any more have nobody who wants them. */
static void end_unknown(void *arg, struct roster_entry *entry)
{
	struct master *master = arg;
	int pidfd;

	for (size_t i = 0; i < master->nprograms; i++)
		for (size_t j = 0; j < master->programs[i]->ncopies; j++)
			if (master->programs[i]->copies[j]->entry == entry)
				return;
	pidfd = roster_find(entry);
	if (pidfd >= 0) {
		log_line(LOG_WARN,
		         "process %s (pid %ld) of an earlier master belongs to no configured program: sent it SIGTERM",
		         entry->name, (long)atomic_load(&entry->pid));
		spawn_signal(pidfd, SIGTERM);
		close(pidfd);
	}
	roster_clear(entry);
}

static int make_programs(struct master *master, struct ym_err *err)
{
	const struct config *config = master->config;

	if (roster_open(&master->roster, master->instance.directory, err) < 0)
		return -1;
	for (size_t i = 0; i < config->nprograms; i++)
		if (reload_add_program(master, &config->programs[i], err) < 0)
			return -1;
	roster_each(master->roster, end_unknown, master);
	return 0;
}

/* The directory of the instance must be there for the links to the files. */
static int open_log(struct master *master, const struct master_options *options, struct ym_err *err)
{
	const struct cfg_instance *config = &master->config->instance;

	if (instance_configured(&master->instance, config, err) < 0 || instance_prepare(&master->instance, err) < 0)
		return -1;
	if (log_open(config, master->instance.directory, err) == 0)
		return 0;
	/* A running instance does not end for want of a log. */
	if (options->resume < 0)
		return -1;
	log_line(LOG_ERROR, "%s", err->text);
	return 0;
}

static int write_pidfile(struct master *master, const struct master_options *options, struct ym_err *err)
{
	const char *path = options->pidfile ? options->pidfile : master->config->instance.pidfile;

	if (!path)
		return 0;
	master->pidfile = strdup(path);
	if (!master->pidfile)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	return daemon_pidfile(path, err);
}

static int set_up(struct master *master, const struct master_options *options, struct ym_err *err)
{
	bool resumed = options->resume >= 0;

	if (!resumed && write_pidfile(master, options, err) < 0)
		return -1;
	if ((resumed ? upgrade_resume(master, options->resume, err) : ground_enter(master, err)) < 0)
		return -1;
	if (make_programs(master, err) < 0 ||
	    cron_keeper_open(&master->crons, &master->loop, &master->instance, err) < 0 ||
	    cron_keeper_apply(master->crons, master->config, err) < 0 || requests_open(master, err) < 0)
		return -1;
	return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static int tear_down(struct master *master, int code)
{
	/* Who asks twice for the end must not kill us over it. */
	master_block_signals(true);
	if (master->control)
		control_close(master->control);
	for (size_t i = 0; i < master->nprograms; i++)
		program_free(master->programs[i]);
	free(master->programs);
	roster_close(master->roster);
	code = ground_leave(master, code);
	cron_keeper_close(master->crons);
	supervisor_free(&master->supervisor);
	daemon_reap_close();
	notify_close();
	uv_walk(&master->loop, close_handle, NULL);
	uv_run(&master->loop, UV_RUN_DEFAULT);
	uv_loop_close(&master->loop);
	if (master->bell_fd >= 0)
		close(master->bell_fd);
	daemon_pidfile_remove();
	free(master->pidfile);
	log_close(LOG_PATIENCE_MS);
	config_free(master->config);
	free(master->config);
	return code;
}

int master_run(struct config *config, const struct master_options *options)
{
	struct master master = {.config = config, .bell_fd = -1};
	struct ym_err err;

	master.yard = (struct yard){.loop = &master.loop, .instance = &master.instance, .config = &config->instance};
	master.instance.group.semid = -1;
	signal(SIGPIPE, SIG_IGN);
	upgrade_remember();
	uv_loop_init(&master.loop);
	start_loop(&master);
	if (open_log(&master, options, &err) < 0 || set_up(&master, options, &err) < 0) {
		log_line(LOG_ERROR, "%s", err.text);
		/* Who starts us looks here, not into a file. */
		if (!log_on_stderr())
			fprintf(stderr, "yardmaster: %s\n", err.text);
		/* Removed while we came in: what is still mapped here would be lost with us. */
		master.yard.lost = err.class == YM_ERR_GONE && master.instance.group.semid >= 0;
		return tear_down(&master, ym_err_exit_code(err.class));
	}
	log_line(LOG_INFO, "instance %s is up (pid %ld, %s): %zu pool%s, %zu program%s%s", master.instance.name,
	         (long)getpid(), master.instance.directory, master.npools, master.npools == 1 ? "" : "s",
	         master.nprograms, master.nprograms == 1 ? "" : "s",
	         master.instance.group.fresh ? "" : ", going on with what was there");
	upgrade_done(&master);
	supervisor_look(&master.supervisor);
	daemon_up();
	notify_ready();
	rounds_now(&master);
	do
		uv_run(&master.loop, UV_RUN_DEFAULT);
	while (upgrade_now(&master));
	return tear_down(&master, 0);
}
