/*
 * test_config_process.c - what workers of pools and processes of programs have in common, and how many there are.
 */
#define _GNU_SOURCE 1 /* asprintf */
#include <signal.h>

#include "config_support.h"

#define PROGRAM "[program:p]\ncommand = x\n" /* two lines that make a file complete */

START_TEST(test_pool_defaults)
{
	const struct cfg_pool *pool;
	const struct cfg_process *process;

	load(POOL);
	pool = config.pools;
	process = &pool->process;
	ck_assert_str_eq(pool->file, file);
	ck_assert_int_eq(pool->workers_min, 1);
	ck_assert_int_eq(pool->workers_max, 1);
	ck_assert_int_eq(pool->workers_start, 1);
	ck_assert_int_eq(pool->min_spare, 1);
	ck_assert_int_eq(pool->max_spare, 1);
	ck_assert_int_eq(pool->scale_step, 8);
	ck_assert_int_eq(pool->scale_cooldown_ms, 10000);
	ck_assert_int_eq(pool->idle_timeout_ms, 10000);
	ck_assert_int_eq(pool->max_jobs, 0);
	ck_assert_int_eq(pool->max_age_ms, 0);
	ck_assert_int_eq(pool->max_memory, 0);
	ck_assert_int_eq(pool->max_memory_hard, 0);
	ck_assert_int_eq(pool->recycle_jitter, 10);
	ck_assert_int_eq(pool->recycle_at_once, 1);
	ck_assert_int_eq(process->autorestart, CFG_AUTORESTART_YES);
	ck_assert_int_eq(process->startretries, 10);
	ck_assert_int_eq(process->startretries_window_ms, 600000);
	ck_assert_int_eq(process->restart_delay_ms, 500);
	ck_assert_int_eq(process->restart_factor, 2);
	ck_assert_int_eq(process->restart_jitter, 10);
	ck_assert_int_eq(process->restart_max_delay_ms, 30000);
	ck_assert_int_eq(process->restart_reset_ms, 60000);
	ck_assert_int_eq(process->redirect_stderr, 1);
	ck_assert_ptr_null(process->stdout_log.file);
	ck_assert_int_eq(process->stdout_log.maxbytes, 1 << 20);
	ck_assert_int_eq(process->stdout_log.backups, 1);
	ck_assert_int_eq(config.instance.orphan_timeout_ms, 60000);
	ck_assert_int_eq(config.instance.workers_room, 0);
	ck_assert_int_eq(config.instance.log_format, CFG_LOG_FORMAT_AUTO);
	ck_assert_str_eq(config.instance.log.file, "");
	ck_assert_int_eq(config.instance.log.maxbytes, 50 << 20);
	ck_assert_int_eq(config.instance.log.backups, 10);
	release();
}
END_TEST

START_TEST(test_program_defaults)
{
	const struct cfg_program *program;
	const struct cfg_process *process;

	load(PROGRAM);
	ck_assert_uint_eq(config.npools, 0);
	ck_assert_uint_eq(config.nprograms, 1);
	program = config.programs;
	process = &program->process;
	ck_assert_str_eq(program->name, "p");
	ck_assert_int_eq(program->line, 1);
	ck_assert_str_eq(program->command_words[0], "x");
	ck_assert_int_eq(program->numprocs, 1);
	ck_assert_int_eq(program->numprocs_start, 0);
	ck_assert_str_eq(program->process_name, "p");
	ck_assert_int_eq(process->autorestart, CFG_AUTORESTART_UNEXPECTED);
	for (int i = 0; i < CFG_EXIT_CODES; i++)
		ck_assert_int_eq(process->exitcodes[i], i == 0);
	ck_assert_int_eq(process->startsecs_ms, 1000);
	ck_assert_int_eq(process->startretries, 3);
	ck_assert_int_eq(process->startretries_window_ms, 0);
	ck_assert_int_eq(process->restart_delay_ms, 1000);
	ck_assert_int_eq(process->stopsignal, SIGTERM);
	ck_assert_int_eq(process->stopwaitsecs_ms, 10000);
	ck_assert_int_eq(process->stopasgroup, 0);
	ck_assert_int_eq(process->killasgroup, 0);
	ck_assert_int_eq(process->autostart, 1);
	ck_assert_int_eq(process->start_order, 999);
	ck_assert_ptr_null(process->depends_on);
	ck_assert_int_eq(process->ready, CFG_READY_START);
	ck_assert_int_eq(process->ready_timeout_ms, 60000);
	ck_assert_ptr_null(process->user);
	ck_assert_ptr_null(process->group);
	ck_assert_int_eq(process->umask, CFG_INHERIT);
	ck_assert_ptr_null(process->directory);
	ck_assert_uint_eq(process->nenvironment, 0);
	ck_assert_int_eq(process->clear_env, 0);
	ck_assert_int_eq(process->nice, CFG_INHERIT);
	ck_assert_int_eq(process->rlimit_files, CFG_INHERIT);
	ck_assert_int_eq(process->rlimit_cpu, CFG_INHERIT);
	ck_assert_int_eq(process->no_new_privs, 0);
	ck_assert_int_eq(process->cgroup_memory, 0);
	ck_assert_int_eq(process->redirect_stderr, 0);
	ck_assert_ptr_null(process->stdout_log.file);
	ck_assert_int_eq(process->stderr_log.maxbytes, 1 << 20);
	ck_assert_int_eq(process->stderr_log.backups, 1);
	ck_assert_int_eq(process->stderr_log.rotate_ms, 0);
	ck_assert_int_eq(process->stderr_log.compress, 0);
	release();
}
END_TEST

#define EVERY                                                                                                          \
	"autorestart = no\nexitcodes = 0,2\nstartsecs = 0\nstartretries = 7\nstartretries_window = 2m\n"               \
	"restart_delay = 3s\nrestart_factor = 3\nrestart_jitter = 5%\nrestart_max_delay = 4s\nrestart_reset = 9s\n"    \
	"stopsignal = SIGINT\nstopwaitsecs = 7\nstopasgroup = true\nautostart = false\n"                               \
	"depends_on = a, b\nready = delay:2s\nready_timeout = 8s\nuser = nobody\ngroup = root\numask = 027\n"          \
	"directory = /srv\nenvironment = A=\"1,2\", B='x',C=3\nenv[D]= four\nenv[E] = $YM_TEST\nclear_env = yes\n"     \
	"nice = -5\nrlimit_files = 4096\nrlimit_core = unlimited\nrlimit_memory = 1gb\nrlimit_processes = 10\n"        \
	"rlimit_stack = 8mb\nrlimit_cpu = 60\nno_new_privs = yes\ncgroup_memory = 512mb\n"                             \
	"stdout_logfile_maxbytes = 5MB\nstdout_logfile_backups = 3\n"                                                  \
	"stdout_logfile_rotate = 1d\nstdout_logfile_compress = yes\nstderr_logfile = NONE\n"

static void check_every(const struct cfg_process *process, const char *log)
{
	static const char *const environment[][2] = {{"A", "1,2"}, {"B", "x"}, {"C", "3"}, {"D", "four"}, {"E", "hi"}};

	ck_assert_int_eq(process->autorestart, CFG_AUTORESTART_NO);
	for (int i = 0; i < CFG_EXIT_CODES; i++)
		ck_assert_int_eq(process->exitcodes[i], i == 0 || i == 2);
	ck_assert_int_eq(process->startsecs_ms, 0);
	ck_assert_int_eq(process->startretries, 7);
	ck_assert_int_eq(process->startretries_window_ms, 120000);
	ck_assert_int_eq(process->restart_delay_ms, 3000);
	ck_assert_int_eq(process->restart_factor, 3);
	ck_assert_int_eq(process->restart_jitter, 5);
	ck_assert_int_eq(process->restart_max_delay_ms, 4000);
	ck_assert_int_eq(process->restart_reset_ms, 9000);
	ck_assert_int_eq(process->stopsignal, SIGINT);
	ck_assert_int_eq(process->stopwaitsecs_ms, 7000);
	ck_assert_int_eq(process->stopasgroup, 1);
	ck_assert_int_eq(process->killasgroup, 1); /* which stopasgroup includes */
	ck_assert_int_eq(process->autostart, 0);
	ck_assert_int_eq(process->start_order, -3);
	ck_assert_str_eq(process->depends_on[0], "a");
	ck_assert_str_eq(process->depends_on[1], "b");
	ck_assert_ptr_null(process->depends_on[2]);
	ck_assert_int_eq(process->ready, CFG_READY_DELAY);
	ck_assert_int_eq(process->ready_delay_ms, 2000);
	ck_assert_int_eq(process->ready_timeout_ms, 8000);
	ck_assert_str_eq(process->user, "nobody");
	ck_assert_str_eq(process->group, "root");
	ck_assert_int_eq(process->umask, 027);
	ck_assert_str_eq(process->directory, "/srv");
	ck_assert_uint_eq(process->nenvironment, 5);
	for (int i = 0; i < COUNT(environment); i++) {
		ck_assert_str_eq(process->environment[i].key, environment[i][0]);
		ck_assert_str_eq(process->environment[i].value, environment[i][1]);
	}
	ck_assert_int_eq(process->clear_env, 1);
	ck_assert_int_eq(process->nice, -5);
	ck_assert_int_eq(process->rlimit_files, 4096);
	ck_assert_int_eq(process->rlimit_core, CFG_UNLIMITED);
	ck_assert_int_eq(process->rlimit_memory, 1 << 30);
	ck_assert_int_eq(process->rlimit_processes, 10);
	ck_assert_int_eq(process->rlimit_stack, 8 << 20);
	ck_assert_int_eq(process->rlimit_cpu, 60);
	ck_assert_int_eq(process->no_new_privs, 1);
	ck_assert_int_eq(process->cgroup_memory, 512 << 20);
	ck_assert_int_eq(process->redirect_stderr, 0);
	ck_assert_str_eq(process->stdout_log.file, log);
	ck_assert_int_eq(process->stdout_log.maxbytes, 5 << 20);
	ck_assert_int_eq(process->stdout_log.backups, 3);
	ck_assert_int_eq(process->stdout_log.rotate_ms, 86400000);
	ck_assert_int_eq(process->stdout_log.compress, 1);
	ck_assert_str_eq(process->stderr_log.file, "");
	ck_assert_int_eq(process->stderr_log.maxbytes, 50 << 20);
}

/* The same text means the same in both kinds of sections, but for the name of the order. */
START_TEST(test_every_option)
{
	setenv("YM_TEST", "hi", 1);
	load(
	    "[yardmaster]\nipc_group = nogroup\n[pool:p]\nplugin = /x.so\nstart_order = -3\nstdout_logfile = /a\n" EVERY
	    "[program:q]\ncommand = x\npriority = -3\nstdout_logfile = /b\n" EVERY
	    "[program:a]\ncommand = y\n[program:b]\ncommand = y\n");
	check_every(&config.pools->process, "/a");
	check_every(&config.programs->process, "/b");
	release();
}
END_TEST

/* How a pool is asked for, and its workers: least, most, at first, spare. */
static const struct {
	const char *text;
	int64_t min, max, start, min_spare, max_spare;
} sizes[] = {
    {"workers = 4\n", 4, 4, 4, 1, 4},
    {"numprocs = 4\n", 4, 4, 4, 1, 4},
    {"workers = 2..16\n", 2, 16, 2, 1, 4},
    {"workers = 0..8\n", 0, 8, 0, 0, 4},
    {"workers = 3..3\n", 3, 3, 3, 1, 3},
    {"workers = 0..8\nmin_spare = 2\n", 0, 8, 0, 2, 4},
    {"workers = 2..16\nworkers_start = 5\nmin_spare = 3\nmax_spare = 9\n", 2, 16, 5, 3, 9},
    {"workers = 2..16\nmin_spare = 6\n", 2, 16, 2, 6, 6},
    {"workers = 2..16\nmax_spare = 0\n", 2, 16, 2, 0, 0},
    {"workers = 1..3\nmin_spare = 6\n", 1, 3, 1, 3, 3},
    {"pm.max_children = 5\n", 5, 5, 5, 1, 4},
    {"pm = static\npm.max_children = 5\npm.start_servers = 2\n", 5, 5, 5, 1, 4},
    {"pm = dynamic\npm.max_children = 50\npm.start_servers = 10\npm.min_spare_servers = 5\n"
     "pm.max_spare_servers = 15\npm.max_spawn_rate = 20\npm.max_requests = 500\n",
     5, 50, 10, 5, 15},
    {"pm.max_spare_servers = 15\npm.min_spare_servers = 5\npm.max_children = 50\npm = dynamic\n", 5, 50, 10, 5, 15},
    {"pm = dynamic\npm.max_children = 2\n", 1, 2, 1, 1, 2},
    {"pm = ondemand\npm.max_children = 9\npm.process_idle_timeout = 5s\n", 0, 9, 0, 0, 4},
};

START_TEST(test_sizes)
{
	const struct cfg_pool *pool;
	char *text;

	ck_assert_int_gt(asprintf(&text, POOL "%s", sizes[_i].text), 0);
	load(text);
	free(text);
	pool = config.pools;
	ck_assert_int_eq(pool->workers_min, sizes[_i].min);
	ck_assert_int_eq(pool->workers_max, sizes[_i].max);
	ck_assert_int_eq(pool->workers_start, sizes[_i].start);
	ck_assert_int_eq(pool->min_spare, sizes[_i].min_spare);
	ck_assert_int_eq(pool->max_spare, sizes[_i].max_spare);
	if (strstr(sizes[_i].text, "idle"))
		ck_assert_int_eq(pool->idle_timeout_ms, 5000);
	if (strstr(sizes[_i].text, "requests")) {
		ck_assert_int_eq(pool->max_jobs, 500);
		ck_assert_int_eq(pool->scale_step, 20);
	}
	release();
}
END_TEST

/* What a pool of php-fpm says besides. */
START_TEST(test_php_fpm)
{
	const struct cfg_process *process;

	load("[yardmaster]\nipc_group = nogroup\n" POOL "user = nobody\ngroup = nogroup\nchdir = /srv\nenv[A] = 1\n"
	     "clear_env = no\nrlimit_files = 1024\nrlimit_core = 0\nprocess.priority = 5\n"
	     "request_terminate_timeout = 30s\nprocess_control_timeout = 5m\n");
	process = &config.pools->process;
	ck_assert_str_eq(process->user, "nobody");
	ck_assert_str_eq(process->group, "nogroup");
	ck_assert_str_eq(process->directory, "/srv");
	ck_assert_str_eq(process->environment->key, "A");
	ck_assert_int_eq(process->clear_env, 0);
	ck_assert_int_eq(process->rlimit_files, 1024);
	ck_assert_int_eq(process->rlimit_core, 0);
	ck_assert_int_eq(process->nice, 5);
	ck_assert_int_eq(config.pools->timeout_ms, 30000);
	ck_assert_int_eq(process->stopwaitsecs_ms, 300000);
	release();
}
END_TEST

static const struct {
	const char *text;
	int number;
} signals[] = {
    {"TERM", SIGTERM}, {"SIGTERM", SIGTERM}, {"term", SIGTERM}, {"sigint", SIGINT}, {"QUIT", SIGQUIT},
    {"USR1", SIGUSR1}, {"KILL", SIGKILL},    {"15", SIGTERM},   {"1", SIGHUP},      {"WINCH", SIGWINCH},
};

START_TEST(test_signals)
{
	char *text;

	ck_assert_int_gt(asprintf(&text, POOL "stopsignal = %s\n", signals[_i].text), 0);
	load(text);
	ck_assert_int_eq(config.pools->process.stopsignal, signals[_i].number);
	free(text);
	release();
}
END_TEST

START_TEST(test_real_time_signals)
{
	load(POOL "stopsignal = RTMIN+1\n[pool:q]\nplugin = /x.so\nstopsignal = SIGRTMAX-2\n[pool:r]\nplugin = /x.so\n"
	          "stopsignal = RTMIN\n");
	ck_assert_int_eq(config.pools[0].process.stopsignal, SIGRTMIN + 1);
	ck_assert_int_eq(config.pools[1].process.stopsignal, SIGRTMAX - 2);
	ck_assert_int_eq(config.pools[2].process.stopsignal, SIGRTMIN);
	release();
}
END_TEST

START_TEST(test_ready)
{
	load(POOL "ready = command:./probe 'a b'\n[pool:q]\nplugin = /x.so\nready = FD\n");
	ck_assert_int_eq(config.pools[0].process.ready, CFG_READY_COMMAND);
	ck_assert_str_eq(strrchr(config.pools[0].process.ready_command[0], '/'), "/probe");
	ck_assert_str_eq(config.pools[0].process.ready_command[1], "a b");
	ck_assert_int_eq(config.pools[1].process.ready, CFG_READY_FD);
	release();
}
END_TEST

START_TEST(test_logs)
{
	const struct cfg_process *process;

	load("[yardmaster]\nlogfile = log/y.log\nlogfile_maxbytes = 0\nlogfile_rotate = 1h\nlogfile_compress = "
	     "yes\n" POOL "stdout_logfile = auto\nstdout_logfile_maxbytes = 2mb\nstdout_logfile_backups = 0\n"
	     "stderr_logfile = /dev/stderr\nstderr_logfile_rotate = 1d\n"
	     "[pool:q]\nplugin = /x.so\nstdout_logfile = q.log\nstderr_logfile = q.log\n");
	ck_assert_str_eq(strstr(config.instance.log.file, "/log/"), "/log/y.log");
	ck_assert_int_eq(config.instance.log.maxbytes, 0);
	ck_assert_int_eq(config.instance.log.rotate_ms, 3600000);
	process = &config.pools[0].process;
	ck_assert_ptr_null(process->stdout_log.file);
	ck_assert_int_eq(process->stdout_log.maxbytes, 2 << 20);
	ck_assert_int_eq(process->stdout_log.backups, 0);
	ck_assert_int_eq(process->redirect_stderr, 0); /* it has a file of its own */
	ck_assert_str_eq(process->stderr_log.file, "/dev/stderr");
	ck_assert_int_eq(process->stderr_log.maxbytes, 0);
	ck_assert_int_eq(process->stderr_log.rotate_ms, 0);
	ck_assert_int_eq(config.pools[1].process.redirect_stderr, 1); /* both into one file: one writer */
	release();
}
END_TEST

/* A wrong value in line 3 of a pool: the option, the value, words of the reason. */
static const struct {
	const char *name, *value, *words;
} bad_values[] = {
    {"workers", "0", "1..1000"},
    {"workers", "0..0", "1..1000"},
    {"workers", "1001", "1..1000"},
    {"workers", "2..1001", "1..1000"},
    {"workers", "9..2", "runs backwards: write 2..9"},
    {"workers", "2..", "not a number of workers"},
    {"workers", "..2", "not a number of workers"},
    {"workers", "2...4", "not a number of workers"},
    {"workers", "2-4", "not a number of workers"},
    {"workers", "-1..4", "out of range"},
    {"workers", "many", "not a number of workers"},
    {"autorestart", "sometimes", "must be false, unexpected or true"},
    {"exitcodes", "256", "0..255"},
    {"exitcodes", "-1", "0..255"},
    {"stopsignal", "0", "not a signal"},
    {"stopsignal", "65", "not a signal"},
    {"stopsignal", "SIGTREM", "not a signal"},
    {"stopsignal", "RTMIN-1", "not a signal"},
    {"stopsignal", "RTMAX+1", "not a signal"},
    {"stopsignal", "RTMIN+99", "not a signal"},
    {"stopsignal", "SIG", "not a signal"},
    {"depends_on", "a b", "`a b`: a name consists of"},
    {"depends_on", "a, a", "`a` is twice"},
    {"depends_on", "a,,b", "empty item"},
    {"ready", "maybe", "must be start, fd, delay:TIME or command:WORDS"},
    {"ready", "delay:", "not a duration"},
    {"ready", "delay:TIME", "not a duration"},
    {"ready", "delay:x", "not a duration"},
    {"ready", "command:", "no program"},
    {"ready", "command:a | b", "sh -c"},
    {"user", "nobody-of-this-name", "no such user"},
    {"user", "4294967295", "no such user"},
    {"group", "nobody-of-this-name", "no such group"},
    {"umask", "1000", "out of range: allowed is 0..0777"},
    {"umask", "8", "octal"},
    {"environment", "A", "`A`: write NAME=\"VALUE\""},
    {"environment", "=1", "write NAME=\"VALUE\""},
    {"environment", "A=\"1", "no second \" closes"},
    {"environment", "A=1 B=2", "a comma is missing before `B=2`"},
    {"environment", "A=\"1\"2", "a comma is missing before `2`"},
    {"nice", "-21", "-20..19"},
    {"nice", "20", "-20..19"},
    {"rlimit_files", "-1", "not a limit"},
    {"rlimit_files", "many", "not a limit"},
    {"stdout_logfile", "syslog", "there is no syslog"},
};

START_TEST(test_bad_values)
{
	char *text;

	ck_assert_int_gt(asprintf(&text, POOL "%s = %s\n", bad_values[_i].name, bad_values[_i].value), 0);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	free(text);
	cfg_problems_print("in case of failure", &problems, stderr);
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_int_gt(asprintf(&text, "%s = %s: ", bad_values[_i].name, bad_values[_i].value), 0);
	says(0, 3, text);
	says(0, 3, bad_values[_i].words);
	free(text);
	release();
}
END_TEST

static const struct wrong wrong_together[] = {
    {POOL "workers = 3\npm.max_children = 3\n", 4, {"`pm.max_children` here and `workers` in line 3 both say"}},
    {POOL "pm.max_children = 3\nnumprocs = 3\n", 4, {"`numprocs` here and `pm.max_children` in line 3 both say"}},
    {POOL "pm = fast\npm.max_children = 3\n", 3, {"pm = fast: must be none, static, dynamic or ondemand"}},
    {POOL "pm = dynamic\n", 3, {"`pm` has a meaning only with `pm.max_children`"}},
    {POOL "min_spare = 3\npm.min_spare_servers = 3\n", 4, {"names of the same option, `min_spare`"}},
    {POOL "chdir = /\ndirectory = /\n", 4, {"`directory` and `chdir` of line 3"}},
    {POOL "workers=2..9\nmin_spare = 5\nmax_spare = 4\n", 5, {"`min_spare` of 5 is more than `max_spare`, 4"}},
    {POOL "workers=2..9\nworkers_start = 1\n", 4, {"`workers_start` is outside of the range of workers, 2..9"}},
    {POOL "workers=2..9\npm.start_servers = 10\n", 4, {"`pm.start_servers` is outside", "2..9"}},
    {POOL "max_memory = 2mb\nmax_memory_hard = 1mb\n", 4, {"`max_memory` of 2mb is more than `max_memory_hard`, 1mb"}},
    {POOL "stopasgroup = yes\nkillasgroup = no\n", 4, {"`stopasgroup` with `killasgroup = no`"}},
    {POOL "env[A = 1\n", 3, {"unknown option `env[A` in [pool:p]"}},
    {POOL "env[A] = 1\nenv[A] = 2\n", 4, {"`env[A]` is set already, in line 3"}},
    {"[program:p]\n", 1, {"[program:p] needs `command` (program and arguments"}},
    {"[cron:c]\nschedule = @hourly\n" POOL, 1, {"[cron:c] needs `pool` (the pool that"}},
    {POOL PROGRAM, 3, {"[program:p]: [pool:p] in line 1 has this name already"}},
    {PROGRAM "depends_on = q\n", 3, {"depends_on: unknown pool or program `q`: no section"}},
    {PROGRAM "depends_on = wep\n[pool:web]\nplugin = /x\n", 3, {"`wep`: did you mean `web`?"}},
    {PROGRAM "depends_on = p\n", 3, {"each waits for the next, so none would ever start: p -> p"}},
    {PROGRAM "depends_on = q\n[pool:q]\nplugin = /x\ndepends_on = r\n[program:r]\ncommand = x\n\ndepends_on = q, s\n"
             "[program:s]\ncommand = x\n",
     10,
     {"so none would ever start: q -> r -> q"}},
    {POOL "user = nobody\n", 3, {"reach the IPC objects through a group: set `ipc_group = NAME` in [yardmaster]"}},
    {"[yardmaster]\nuser = 1\n" POOL "user = nobody\n", 5, {"set `ipc_group = NAME`"}},
    {PROGRAM "stdout_logfile = /l\n[pool:q]\nplugin = /x\nstdout_logfile = /l\n",
     6,
     {"[program:p] logs to /l, too, in line 3: write to another file"}},
    {PROGRAM "stdout_logfile = /l\nstdout_logfile_maxbytes = 0\n[program:q]\ncommand = x\nstderr_logfile = /l\n",
     7,
     {"[program:p] logs to /l, too, in line 3"}},
    {"[yardmaster]\nlogfile = /l\n" PROGRAM "stdout_logfile = /l\n", 5, {"[yardmaster] logs to /l, too:"}},
    {PROGRAM "numprocs = 999\nprocess_name = %(process_num)d\n[program:q]\ncommand = x\nnumprocs = 2\n"
             "process_name = %(process_num)d\n[program:r]\ncommand = x\n",
     7,
     {"1001 processes in the programs up to here: at most 1000"}},
    {PROGRAM "numprocs = 2\n", 1, {"[program:p] has 2 processes", "%(program_name)s_%(process_num)02d"}},
    {PROGRAM "numprocs = 2\nprocess_name = %(numprocs)d\n", 4, {"[program:p] has 2 processes"}},
    {PROGRAM "process_name = a b\n", 3, {"process_name = a b: no colon, slash or white space"}},
    {"[yardmaster]\nworkers_room = 3\n" POOL "workers = 1..4\n", 2, {"`workers_room` of 3 is less than", "4"}},
    {"[cron:c]\npool = q\nschedule = @daily\n" POOL, 2, {"unknown pool `q`: no [pool:NAME] section"}},
    {"[cron:c]\npool = mial\nschedule = @daily\n[pool:mail]\nplugin = /x\n", 2, {"did you mean `mail`?"}},
    {"[cron:c]\npool = p\nschedule = 1 2 3 4\n" POOL, 3, {"schedule = 1 2 3 4: 4 fields: a schedule has five"}},
    {"[cron:c]\npool = p\nschedule = @evry 5m\n" POOL, 3, {"did you mean `@every`?"}},
    {"[cron:c]\npool = p\nschedule = @daily\ntimezone = Europe/Atlantis\n" POOL, 4, {"no such time zone"}},
    {"[cron:c]\npool = p\nschedule = @daily\ntimezone = ../passwd\n" POOL, 4, {"no such time zone"}},
    {"[cron:c]\npool = p\n" POOL, 1, {"[cron:c] needs `schedule` (when"}},
};

START_TEST(test_wrong_together)
{
	check_wrong(&wrong_together[_i]);
}
END_TEST

/* What goes together, though it looks like something that does not. */
static const char *const right_together[] = {
    PROGRAM "depends_on = q, r\n[pool:q]\nplugin = /x\ndepends_on = r\n[program:r]\ncommand = x\n",
    POOL "user = 0\n", /* which is who we are */
    "[yardmaster]\nuser = nobody\n" POOL "user = nobody\n",
    PROGRAM "user = nobody\n",
    PROGRAM "stdout_logfile = /dev/stdout\n[program:q]\ncommand = x\nstdout_logfile = /dev/stdout\n",
    PROGRAM "stdout_logfile = /l\nstdout_logfile_maxbytes = 0\n"
	    "[program:q]\ncommand = x\nstdout_logfile = /l\nstdout_logfile_maxbytes = 0\n",
    PROGRAM "stdout_logfile = /l\n[program:q]\ncommand = x\nredirect_stderr = yes\nstderr_logfile = /l\n",
    "[yardmaster]\nworkers_room = 4\n" POOL "workers = 4\n",
};

START_TEST(test_right_together)
{
	if (geteuid() == 0) {
		load(right_together[_i]);
		release();
	}
}
END_TEST

START_TEST(test_cron)
{
	const struct cfg_cron *cron;

	load("[cron:c]\npool = p\nschedule = 30 4 * * 1-5\n[cron:d]\npool = p\nschedule = @every 5m\npayload = a b\n"
	     "timezone = UTC\noverlap = queue\ncatch_up = all\ncatch_up_max = 2d\njitter = 30s\npriority = low\ntag = "
	     "t\n" POOL);
	ck_assert_uint_eq(config.ncrons, 2);
	cron = &config.crons[0];
	ck_assert_str_eq(cron->name, "c");
	ck_assert_int_eq(cron->line, 1);
	ck_assert_str_eq(cron->pool, "p");
	ck_assert_str_eq(cron->schedule, "30 4 * * 1-5");
	ck_assert_str_eq(cron->payload, "");
	ck_assert_ptr_null(cron->timezone);
	ck_assert_int_eq(cron->overlap, CFG_OVERLAP_SKIP);
	ck_assert_int_eq(cron->catch_up, CFG_CATCH_UP_ONE);
	ck_assert_int_eq(cron->catch_up_max_ms, 86400000);
	ck_assert_int_eq(cron->jitter_ms, 0);
	ck_assert_int_eq(cron->priority, -1);
	ck_assert_ptr_null(cron->tag);
	cron = &config.crons[1];
	ck_assert_str_eq(cron->schedule, "@every 5m");
	ck_assert_str_eq(cron->payload, "a b");
	ck_assert_str_eq(cron->timezone, "UTC");
	ck_assert_int_eq(cron->overlap, CFG_OVERLAP_QUEUE);
	ck_assert_int_eq(cron->catch_up, CFG_CATCH_UP_ALL);
	ck_assert_int_eq(cron->catch_up_max_ms, 172800000);
	ck_assert_int_eq(cron->jitter_ms, 30000);
	ck_assert_int_eq(cron->priority, 7);
	ck_assert_str_eq(cron->tag, "t");
	release();
}
END_TEST

START_TEST(test_instance)
{
	const struct cfg_instance *instance = &config.instance;

	load("[yardmaster]\nworkers_room = 50\norphan_timeout = 90\nipc_group = nogroup\npidfile = run/y.pid\nuser = "
	     "nobody\n"
	     "log_format = json\nlogfile = /dev/stderr\nlogfile_backups = 3\n" POOL);
	ck_assert_int_eq(instance->workers_room, 50);
	ck_assert_int_eq(instance->orphan_timeout_ms, 90000);
	ck_assert_str_eq(instance->ipc_group, "nogroup");
	ck_assert_str_eq(strstr(instance->pidfile, "/run/"), "/run/y.pid");
	ck_assert_str_eq(instance->user, "nobody");
	ck_assert_int_eq(instance->log_format, CFG_LOG_FORMAT_JSON);
	ck_assert_str_eq(instance->log.file, "/dev/stderr");
	ck_assert_int_eq(instance->log.maxbytes, 0);
	ck_assert_int_eq(instance->log.backups, 3);
	release();
}
END_TEST

static Suite *process_suite(void)
{
	Suite *suite = suite_create("config_process");
	TCase *values = tcase_create("values");

	tcase_add_test(values, test_pool_defaults);
	tcase_add_test(values, test_program_defaults);
	tcase_add_test(values, test_every_option);
	tcase_add_loop_test(values, test_sizes, 0, COUNT(sizes));
	tcase_add_test(values, test_php_fpm);
	tcase_add_loop_test(values, test_signals, 0, COUNT(signals));
	tcase_add_test(values, test_real_time_signals);
	tcase_add_test(values, test_ready);
	tcase_add_test(values, test_logs);
	tcase_add_loop_test(values, test_bad_values, 0, COUNT(bad_values));
	tcase_add_loop_test(values, test_wrong_together, 0, COUNT(wrong_together));
	tcase_add_loop_test(values, test_right_together, 0, COUNT(right_together));
	tcase_add_test(values, test_cron);
	tcase_add_test(values, test_instance);
	suite_add_tcase(suite, values);
	return suite;
}

int main(void)
{
	return run_suite(process_suite());
}
