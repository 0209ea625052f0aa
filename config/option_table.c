/* option_table.c - the rows: one option, one paragraph. */
#include <signal.h>
#include <stddef.h>

#include "config.h"
#include "options.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KIB     INT64_C(1024)
#define GIB     (KIB * KIB * KIB)
#define TIB     (GIB * KIB)
#define SECONDS INT64_C(1000)
#define DAYS    (86400 * SECONDS)
#define YEAR    (365 * DAYS)

#define AT(type, field)     .offset = offsetof(struct type, field)
#define BESIDE(type, field) .beside = offsetof(struct type, field)

/* clang-format off */
#define WORDS(...) (const char *const[]) {__VA_ARGS__, NULL}
#define CHOICE_WORD(name, word) word,
#define CHOICE_LIST(...) (const char *const[]) {__VA_ARGS__ NULL}
#define CHOICES(map) CHOICE_LIST(map(CHOICE_WORD))
#define STORE_WORD(name, scheme, also, rest) scheme rest,
#define LEVEL_WORD(name, level) " " #name "=" #level
#define NONE  CFG_EFFECT_NONE
#define LIVE  CFG_EFFECT_LIVE
#define SIZE  CFG_EFFECT_SIZE
#define ROLL  CFG_EFFECT_ROLL
#define START CFG_EFFECT_START
#define INHERITED .special = "inherit", .special_value = CFG_INHERIT, .preset = "inherit"

/* Where one stream goes. `FIELD` is the cfg_log. */
#define LOG_OPTIONS(KIND, STRUCT, SHARED, PREFIX, FIELD, OF) \
	{KIND, LIVE, PREFIX "logfile_maxbytes", .shared = SHARED, .type = CFG_SIZE, AT(STRUCT, FIELD.maxbytes), .max = TIB, \
	 .preset = "50mb", .help = "a new file when " OF " would get longer; 0: never; 1mb for an AUTO file"}, \
	{KIND, LIVE, PREFIX "logfile_backups", .shared = SHARED, .type = CFG_INTEGER, AT(STRUCT, FIELD.backups), .max = 10000, \
	 .preset = "10", .help = "old files kept; 1 for an AUTO file"}, \
	{KIND, LIVE, PREFIX "logfile_rotate", .shared = SHARED, .type = CFG_DURATION, AT(STRUCT, FIELD.rotate_ms), .max = YEAR, \
	 .preset = "0", .help = "a new file when it is so old, counted from midnight UTC: 1d, 1h; 0: never"}, \
	{KIND, LIVE, PREFIX "logfile_compress", .shared = SHARED, .type = CFG_BOOLEAN, AT(STRUCT, FIELD.compress), .preset = "no", \
	 .help = "whether old files are gzipped"}

#define STREAM_OPTIONS(KIND, STRUCT, PREFIX, FIELD, OF) \
	{KIND, LIVE, PREFIX "logfile", .shared = true, .type = CFG_LOGFILE, AT(STRUCT, FIELD.file), .template = true, \
	 .choices = WORDS("AUTO", "NONE"), .preset = "AUTO", \
	 .help = "file for " OF "; AUTO: a small one in the directory of the instance, and lines in its log"}, \
	LOG_OPTIONS(KIND, STRUCT, true, PREFIX, FIELD, "it")

/*
 * What workers of a pool and processes of a program have in common, once for each of the two kinds of sections.
 * BY(POOL, PROGRAM) is where these differ.
 */
#define FOR_POOL(pool, program) pool
#define FOR_PROGRAM(pool, program) program
#define PROCESS_OPTIONS(KIND, STRUCT, BY) \
	{KIND, LIVE, "autorestart", .shared = true, .type = CFG_AUTORESTART, AT(STRUCT, process.autorestart), \
	 .choices = CHOICES(CFG_AUTORESTART_MAP), .preset = BY("true", "unexpected"), .topic = "when it ends", \
	 .help = "whether it is started again; unexpected: if it did not end with one of `exitcodes`"}, \
	{KIND, LIVE, "exitcodes", .shared = true, .type = CFG_CODES, AT(STRUCT, process.exitcodes), .max = 255, .preset = "0", \
	 .help = "exit codes that are expected, separated by commas"}, \
	{KIND, LIVE, "startsecs", .shared = true, .type = CFG_DURATION, AT(STRUCT, process.startsecs_ms), .max = DAYS, \
	 .preset = "1s", .help = "what lives this long has started well"}, \
	{KIND, LIVE, "startretries", .shared = true, .type = CFG_INTEGER, AT(STRUCT, process.startretries), .max = INT32_MAX, \
	 .preset = BY("10", "3"), .help = "failed starts after which it is given up (FATAL)"}, \
	{KIND, LIVE, "startretries_window", .shared = true, .type = CFG_DURATION, AT(STRUCT, process.startretries_window_ms), \
	 .max = YEAR, .preset = BY("10m", "0"), \
	 .help = "... within this time; 0: one after the other, however long it takes"}, \
	{KIND, LIVE, "restart_delay", .shared = true, .type = CFG_DURATION, AT(STRUCT, process.restart_delay_ms), .max = DAYS, \
	 .preset = BY("500ms", "1s"), .help = "wait before the next try after a failed start; grows each time"}, \
	{KIND, LIVE, "restart_factor", .shared = true, .type = CFG_INTEGER, AT(STRUCT, process.restart_factor), .min = 1, .max = 10, \
	 .preset = "2", .help = "how many times longer that wait is each time"}, \
	{KIND, LIVE, "restart_max_delay", .shared = true, .type = CFG_DURATION, AT(STRUCT, process.restart_max_delay_ms), \
	 .max = DAYS, .preset = "30s", .help = "longest such wait"}, \
	{KIND, LIVE, "restart_jitter", .shared = true, .type = CFG_PERCENT, AT(STRUCT, process.restart_jitter), .max = 100, \
	 .preset = "10", .help = "part of the wait that is left to chance"}, \
	{KIND, LIVE, "restart_reset", .shared = true, .type = CFG_DURATION, AT(STRUCT, process.restart_reset_ms), .max = YEAR, \
	 .preset = "1m", .help = "healthy for so long: the waits begin anew"}, \
	{KIND, LIVE, "stopsignal", .shared = true, .type = CFG_SIGNAL, AT(STRUCT, process.stopsignal), .preset = "TERM", \
	 .topic = "stopping", .help = "asks it to end: TERM, SIGINT, RTMIN+1, 15"}, \
	{KIND, LIVE, "stopwaitsecs", {BY("process_control_timeout", NULL)}, .shared = true, .type = CFG_DURATION, \
	 AT(STRUCT, process.stopwaitsecs_ms), .max = YEAR, .preset = "10s", \
	 .help = "time it has before SIGKILL; a worker: to finish its job"}, \
	{KIND, LIVE, "stopasgroup", .shared = true, .type = CFG_BOOLEAN, AT(STRUCT, process.stopasgroup), .preset = "no", \
	 .help = "whether `stopsignal` goes to its whole process group; includes `killasgroup`"}, \
	{KIND, LIVE, "killasgroup", .shared = true, .type = CFG_BOOLEAN, AT(STRUCT, process.killasgroup), .preset = "no", \
	 .help = "whether SIGKILL goes to its whole process group"}, \
	{KIND, LIVE, "autostart", .shared = true, .type = CFG_BOOLEAN, AT(STRUCT, process.autostart), .preset = "yes", \
	 .topic = "order", .help = "whether it is started with the instance"}, \
	{KIND, LIVE, "start_order", {BY(NULL, "priority")}, .shared = true, .type = CFG_INTEGER, AT(STRUCT, process.start_order), \
	 .min = INT32_MIN, .max = INT32_MAX, .preset = "999", .help = "low numbers start first and stop last"}, \
	{KIND, LIVE, "depends_on", .shared = true, .type = CFG_NAMES, AT(STRUCT, process.depends_on), \
	 .help = "pools and programs that must be ready before it starts, separated by commas"}, \
	{KIND, LIVE, "ready", .shared = true, .type = CFG_READY, AT(STRUCT, process.ready), .choices = CHOICES(CFG_READY_MAP), \
	 .template = true, .preset = "start", \
	 .help = "when it is ready: lived for `startsecs`; wrote a newline to $YARDMASTER_READY_FD; after TIME; when WORDS succeed"}, \
	{KIND, LIVE, "ready_timeout", .shared = true, .type = CFG_DURATION, AT(STRUCT, process.ready_timeout_ms), .max = YEAR, \
	 .preset = "1m", .help = "not ready after this: the start has failed; 0: waits for ever"}, \
	{KIND, ROLL, "user", .shared = true, .type = CFG_USER, AT(STRUCT, process.user), .topic = "identity and limits", \
	 .help = "runs as this user, with all its groups"}, \
	{KIND, ROLL, "group", .shared = true, .type = CFG_GROUP, AT(STRUCT, process.group), \
	 .help = "... with this group only"}, \
	{KIND, ROLL, "directory", {BY("chdir", NULL)}, .shared = true, .type = CFG_PATH, AT(STRUCT, process.directory), \
	 .template = true, .help = "working directory"}, \
	{KIND, ROLL, "umask", .shared = true, .type = CFG_MODE, AT(STRUCT, process.umask), INHERITED, .max = 0777, \
	 .help = "permission bits that new files do not get, octal"}, \
	{KIND, ROLL, "environment", .shared = true, .type = CFG_ENVIRONMENT, AT(STRUCT, process.environment), \
	 BESIDE(STRUCT, process.nenvironment), .template = true, .help = "variables, besides those of the master"}, \
	{KIND, NONE, "env[", .shared = true, .type = CFG_ENV_PAIRS, AT(STRUCT, process.environment), \
	 BESIDE(STRUCT, process.nenvironment), .template = true, .help = "one more variable"}, \
	{KIND, ROLL, "clear_env", .shared = true, .type = CFG_BOOLEAN, AT(STRUCT, process.clear_env), .preset = "no", \
	 .help = "whether the variables of the master are left out"}, \
	{KIND, ROLL, "nice", {"process.priority"}, .shared = true, .type = CFG_INTEGER, AT(STRUCT, process.nice), \
	 .min = -20, .max = 19, INHERITED, .help = "nice value; below 0 needs root"}, \
	{KIND, ROLL, "rlimit_files", .shared = true, .type = CFG_RLIMIT, AT(STRUCT, process.rlimit_files), INHERITED, \
	 .help = "most open files"}, \
	{KIND, ROLL, "rlimit_core", .shared = true, .type = CFG_RLIMIT, AT(STRUCT, process.rlimit_core), INHERITED, \
	 .help = "largest core file"}, \
	{KIND, ROLL, "rlimit_memory", .shared = true, .type = CFG_RLIMIT, AT(STRUCT, process.rlimit_memory), INHERITED, \
	 .help = "largest address space"}, \
	{KIND, ROLL, "rlimit_processes", .shared = true, .type = CFG_RLIMIT, AT(STRUCT, process.rlimit_processes), INHERITED, \
	 .help = "most processes of its user"}, \
	{KIND, ROLL, "rlimit_stack", .shared = true, .type = CFG_RLIMIT, AT(STRUCT, process.rlimit_stack), INHERITED, \
	 .help = "largest stack"}, \
	{KIND, ROLL, "rlimit_cpu", .shared = true, .type = CFG_RLIMIT, AT(STRUCT, process.rlimit_cpu), INHERITED, \
	 .help = "most seconds of CPU time"}, \
	{KIND, ROLL, "no_new_privs", .shared = true, .type = CFG_BOOLEAN, AT(STRUCT, process.no_new_privs), .preset = "no", \
	 .help = "whether set-user-ID programs have no effect"}, \
	{KIND, ROLL, "cgroup_memory", .shared = true, .type = CFG_SIZE, AT(STRUCT, process.cgroup_memory), .max = TIB, \
	 .preset = "0", .help = "memory.max of a control group of its own, where those can be made; 0: none"}, \
	{KIND, ROLL, "redirect_stderr", .shared = true, .type = CFG_BOOLEAN, AT(STRUCT, process.redirect_stderr), \
	 .preset = BY("yes", "no"), .topic = "output", .help = "whether stderr goes where stdout goes"}, \
	STREAM_OPTIONS(KIND, STRUCT, "stdout_", process.stdout_log, "stdout"), \
	STREAM_OPTIONS(KIND, STRUCT, "stderr_", process.stderr_log, "stderr")

/* 0 is the lowest value where no `min` stands. */
static const struct cfg_option options[] = {
	{CFG_YARDMASTER, START, "instance", .type = CFG_NAME, AT(cfg_instance, name), .preset = "main",
	 .help = "name of this running system; instances with different names do not meet"},
	{CFG_YARDMASTER, START, "directory", .type = CFG_PATH, AT(cfg_instance, directory),
	 .help = "where the key files of the instance are; the default place depends on the user"},
	{CFG_YARDMASTER, START, "jobs", .type = CFG_INTEGER, AT(cfg_instance, jobs), .min = 64, .max = 1048576,
	 .preset = "16384", .help = "jobs that can wait or run at the same time, all pools together"},
	{CFG_YARDMASTER, START, "clients", .type = CFG_INTEGER, AT(cfg_instance, clients), .min = 8, .max = 2048,
	 .preset = "128", .help = "processes that can submit at the same time"},
	{CFG_YARDMASTER, START, "payload_max", .type = CFG_SIZE, AT(cfg_instance, payload_max), .min = KIB,
	 .max = GIB, .preset = "16mb", .help = "largest payload or result of a job"},
	{CFG_YARDMASTER, START, "result_ttl", .type = CFG_DURATION, AT(cfg_instance, result_ttl_ms),
	 .max = 30 * DAYS, .preset = "1h", .help = "how long a result that nobody fetches is kept"},
	{CFG_YARDMASTER, START, "board_mode", .type = CFG_MODE, AT(cfg_instance, board_mode), .preset = "0640",
	 .choices = WORDS("0600", "0640", "0644"), .help = "who may read the status board"},
	{CFG_YARDMASTER, START, "workers_room", .type = CFG_INTEGER, AT(cfg_instance, workers_room),
	 .max = CFG_WORKERS_MAX, .special = "auto", .preset = "auto",
	 .help = "most workers of all pools together, also after `scale` and `reload`; auto: twice what the file has"},
	{CFG_YARDMASTER, ROLL, "orphan_timeout", .type = CFG_DURATION, AT(cfg_instance, orphan_timeout_ms),
	 .min = SECONDS, .max = YEAR, .preset = "1m",
	 .help = "workers whose master was killed end after this, if no new one comes"},
	{CFG_YARDMASTER, START, "ipc_group", .type = CFG_GROUP, AT(cfg_instance, ipc_group),
	 .help = "may use the IPC objects, too: pools with a `user` of their own need it"},
	{CFG_YARDMASTER, START, "pidfile", .type = CFG_PATH, AT(cfg_instance, pidfile),
	 .help = "file with the process number of the master"},
	{CFG_YARDMASTER, START, "user", .type = CFG_USER, AT(cfg_instance, user),
	 .help = "the master itself changes to this user"},
	{CFG_YARDMASTER, START, "store", .type = CFG_STORE, AT(cfg_instance, store), .preset = "memory",
	 .choices = CHOICE_LIST(CFG_STORE_MAP(STORE_WORD)), .topic = "where jobs wait",
	 .help = "memory: until a reboot; sqlite: in a file; postgresql: in a database that many machines share"},
	{CFG_YARDMASTER, START, "history", .type = CFG_DURATION, AT(cfg_instance, history_ms), .max = 10 * YEAR,
	 .preset = "7d", .help = "how long the store remembers jobs that are over; 0: not at all"},
	{CFG_YARDMASTER, START, "lease", .type = CFG_DURATION, AT(cfg_instance, lease_ms), .min = SECONDS,
	 .max = 3600 * SECONDS, .preset = "10s",
	 .help = "postgresql: a machine that gives no sign for so long is dead, others run its jobs"},
	{CFG_YARDMASTER, START, "node", .type = CFG_NAME, AT(cfg_instance, node),
	 .help = "postgresql: name of this machine among the others; without it made from host name and instance"},
	{CFG_YARDMASTER, LIVE, "publish", .type = CFG_CHOICE, AT(cfg_instance, publish), .preset = "none",
	 .choices = CHOICES(CFG_PUBLISH_MAP), .topic = "progress for scripts",
	 .help = "php: progress of all jobs in shared memory, for shm_get_var() of PHP"},
	{CFG_YARDMASTER, LIVE, "publish_size", .type = CFG_SIZE, AT(cfg_instance, publish_size), .min = 16 * KIB,
	 .max = 64 * KIB * KIB, .preset = "1mb", .needs = "publish", .help = "how large that is: about 900 bytes a job"},
	{CFG_YARDMASTER, LIVE, "publish_keep", .type = CFG_DURATION, AT(cfg_instance, publish_keep_ms),
	 .max = DAYS, .preset = "1m", .needs = "publish", .help = "how long jobs that are over stay in it"},
	{CFG_YARDMASTER, LIVE, "log_level", {"loglevel"}, .type = CFG_ENUM, AT(cfg_instance, log_level),
	 .preset = "info", .topic = "log of the master", .choices = WORDS("debug", "info", "warn", "error"),
	 .help = "least important message that is logged"},
	{CFG_YARDMASTER, LIVE, "log_format", .type = CFG_CHOICE, AT(cfg_instance, log_format), .preset = "auto",
	 .choices = CHOICES(CFG_LOG_FORMAT_MAP), .help = "how lines look; auto: journal under systemd, else text"},
	{CFG_YARDMASTER, LIVE, "logfile", .type = CFG_LOGFILE, AT(cfg_instance, log.file), .preset = "stderr",
	 .choices = WORDS("stderr"), .help = "where they go"},
	LOG_OPTIONS(CFG_YARDMASTER, cfg_instance, false, "", log, "it"),

	{CFG_POOL, ROLL, "plugin", .type = CFG_PATH, AT(cfg_pool, plugin), .other = "command", .alone = true,
	 .topic = "the task", .help = "shared object with the task that the workers run"},
	{CFG_POOL, ROLL, "command", .type = CFG_COMMAND, AT(cfg_pool, command), BESIDE(cfg_pool, command_words),
	 .other = "plugin", .alone = true,
	 .help = "program and arguments that the workers run for each job; quotes as in a shell, but no shell"},
	{CFG_POOL, ROLL, "output_max", .type = CFG_SIZE, AT(cfg_pool, output_max), .max = GIB, .preset = "64kb",
	 .needs = "command", .help = "how much of a command's standard output is kept as its result"},
	{CFG_POOL, ROLL, "retry_codes", .type = CFG_CODES, AT(cfg_pool, retry_codes), .min = 1, .max = 255,
	 .preset = "75", .needs = "command",
	 .help = "exit codes of a command that mean: try again; separated by commas"},
	{CFG_POOL, ROLL, "option.", .type = CFG_PAIRS, AT(cfg_pool, options), BESIDE(cfg_pool, noptions),
	 .help = "handed to the task as KEY and value, in the order of the file; may be empty"},
	{CFG_POOL, SIZE, "workers", {"numprocs"}, .type = CFG_RANGE, AT(cfg_pool, workers_min),
	 BESIDE(cfg_pool, workers_max), .max = CFG_WORKERS_MAX, .preset = "1", .topic = "how many workers",
	 .help = "worker processes, each runs one job at a time: 4, or 2..16 as needed, or 0..8 on demand"},
	{CFG_POOL, NONE, "workers_start", {"pm.start_servers"}, .type = CFG_INTEGER, AT(cfg_pool, workers_start),
	 .max = CFG_WORKERS_MAX, .special = "auto", .special_value = -1, .preset = "auto",
	 .help = "workers at first, of a pool with a range; auto: as few as it may have"},
	{CFG_POOL, LIVE, "min_spare", {"pm.min_spare_servers"}, .type = CFG_INTEGER, AT(cfg_pool, min_spare),
	 .max = CFG_WORKERS_MAX, .preset = "1",
	 .help = "idle workers below which the pool grows; 0 by default where the range begins at 0"},
	{CFG_POOL, LIVE, "max_spare", {"pm.max_spare_servers"}, .type = CFG_INTEGER, AT(cfg_pool, max_spare),
	 .max = CFG_WORKERS_MAX, .preset = "4", .help = "idle workers above which it shrinks"},
	{CFG_POOL, LIVE, "scale_step", {"pm.max_spawn_rate"}, .type = CFG_INTEGER, AT(cfg_pool, scale_step),
	 .min = 1, .max = CFG_WORKERS_MAX, .preset = "8", .help = "most workers that are added at once"},
	{CFG_POOL, LIVE, "scale_cooldown", .type = CFG_DURATION, AT(cfg_pool, scale_cooldown_ms), .max = DAYS,
	 .preset = "10s", .help = "between two changes in the same direction"},
	{CFG_POOL, LIVE, "idle_timeout", {"pm.process_idle_timeout"}, .type = CFG_DURATION,
	 AT(cfg_pool, idle_timeout_ms), .max = YEAR, .preset = "10s",
	 .help = "an idle worker that is not needed ends after this"},
	{CFG_POOL, NONE, "pm", .type = CFG_CHOICE, AT(cfg_pool, pm), .choices = CHOICES(CFG_PM_MAP), .preset = "none",
	 .needs = "pm.max_children",
	 .help = "with pm.max_children = N the same as `workers` = N, = pm.min_spare_servers..N or = 0..N"},
	{CFG_POOL, NONE, "pm.max_children", .type = CFG_INTEGER, AT(cfg_pool, pm_max_children), .min = 1,
	 .max = CFG_WORKERS_MAX, .help = "see `pm`; without it the same as `workers` = N"},
	{CFG_POOL, ROLL, "max_jobs", {"pm.max_requests"}, .type = CFG_INTEGER, AT(cfg_pool, max_jobs),
	 .max = INT32_MAX, .preset = "0", .topic = "fresh workers for used ones",
	 .help = "a worker that has run so many jobs is replaced; 0: never"},
	{CFG_POOL, LIVE, "max_age", .type = CFG_DURATION, AT(cfg_pool, max_age_ms), .max = YEAR, .preset = "0",
	 .help = "... that is so old; 0: never"},
	{CFG_POOL, ROLL, "max_memory", .type = CFG_SIZE, AT(cfg_pool, max_memory), .max = TIB, .preset = "0",
	 .help = "... that uses so much memory after a job; 0: never"},
	{CFG_POOL, LIVE, "max_memory_hard", .type = CFG_SIZE, AT(cfg_pool, max_memory_hard), .max = TIB,
	 .preset = "0", .help = "... that uses so much at any time: it is killed, which counts as a crash; 0: never"},
	{CFG_POOL, ROLL, "recycle_jitter", .type = CFG_PERCENT, AT(cfg_pool, recycle_jitter), .max = 100,
	 .preset = "10", .help = "part of these that is left to chance, so that not all workers go at once"},
	{CFG_POOL, LIVE, "recycle_at_once", .type = CFG_INTEGER, AT(cfg_pool, recycle_at_once), .min = 1,
	 .max = CFG_WORKERS_MAX, .preset = "1", .help = "most workers that are replaced at the same time"},
	{CFG_POOL, LIVE, "attempts", .type = CFG_INTEGER, AT(cfg_pool, attempts), .min = 1, .max = 255,
	 .preset = "3", .topic = "jobs", .help = "how often a job is tried before it has failed"},
	{CFG_POOL, LIVE, "on_fail", .type = CFG_CHOICE, AT(cfg_pool, on_fail), .choices = CHOICES(CFG_ON_FAIL_MAP),
	 .preset = "fail", .help = "what becomes of a job that fails for good, or whose attempts are used up"},
	{CFG_POOL, LIVE, "crashes", .type = CFG_INTEGER, AT(cfg_pool, crashes), .min = 1, .max = 255, .preset = "3",
	 .help = "how often a job may kill its worker before it is buried"},
	{CFG_POOL, LIVE, "on_crash", .type = CFG_ON_CRASH, AT(cfg_pool, on_crash),
	 .choices = CHOICES(CFG_ON_CRASH_MAP), .preset = "retry",
	 .help = "what becomes of a job that killed its worker: tried again, buried, moved there"},
	{CFG_POOL, LIVE, "backoff", .type = CFG_DURATION, AT(cfg_pool, backoff_ms), .max = DAYS, .preset = "1s",
	 .help = "wait before a job is tried again"},
	{CFG_POOL, LIVE, "backoff_factor", .type = CFG_INTEGER, AT(cfg_pool, backoff_factor), .min = 1, .max = 10,
	 .preset = "2", .help = "how many times longer that wait is after each further attempt"},
	{CFG_POOL, LIVE, "backoff_max", .type = CFG_DURATION, AT(cfg_pool, backoff_max_ms), .max = DAYS,
	 .preset = "1h", .help = "longest such wait, but for the jitter"},
	{CFG_POOL, LIVE, "backoff_jitter", .type = CFG_PERCENT, AT(cfg_pool, backoff_jitter), .max = 100,
	 .preset = "10", .help = "part of the wait that is left to chance, so that jobs do not return all at once"},
	{CFG_POOL, LIVE, "timeout", {"request_terminate_timeout"}, .type = CFG_DURATION, AT(cfg_pool, timeout_ms),
	 .max = YEAR, .preset = "0", .help = "longest run of a job; 0: no limit"},
	{CFG_POOL, LIVE, "timeout_from", .type = CFG_CHOICE, AT(cfg_pool, timeout_from),
	 .choices = CHOICES(CFG_TIMEOUT_FROM_MAP), .preset = "start",
	 .help = "progress: each progress report or ym_touch() starts the timeout anew"},
	{CFG_POOL, ROLL, "timeout_grace", .type = CFG_DURATION, AT(cfg_pool, timeout_grace_ms), .max = DAYS,
	 .preset = "5s", .help = "at its timeout a job is asked to end; so much later its worker gets SIGTERM, and again so much later SIGKILL"},
	{CFG_POOL, LIVE, "priority", .type = CFG_LEVEL, AT(cfg_pool, priority), .preset = "normal",
	 .help = "of jobs submitted without one, 0 is the most urgent:" CFG_LEVEL_MAP(LEVEL_WORD)},
	{CFG_POOL, LIVE, "ageing", .type = CFG_DURATION, AT(cfg_pool, ageing_ms), .min = 1, .max = YEAR,
	 .preset = "1m", .help = "a waiting job gains one level of priority each time this has passed"},
	{CFG_POOL, LIVE, "rate", .type = CFG_RATE, AT(cfg_pool, rate_ns),
	 .help = "most starts of jobs: 10/s, 0.5/h; at most 1000000/s"},
	{CFG_POOL, LIVE, "synchronous", .type = CFG_CHOICE, AT(cfg_pool, synchronous),
	 .choices = CHOICES(CFG_SYNCHRONOUS_MAP), .preset = "full",
	 .help = "sqlite: full: a submitted job is on the disk before it is acknowledged; normal: a moment later"},
	{CFG_POOL, ROLL, "limits", .type = CFG_USES, AT(cfg_pool, limits), BESIDE(cfg_pool, nlimits),
	 .help = "the [limit:NAME]s of which each job holds UNITS (or 1) while it runs, separated by commas"},
	{CFG_POOL, START, "inbox", .type = CFG_BOOLEAN, AT(cfg_pool, inbox), .preset = "no", .topic = "inbox",
	 .help = "whether any program may submit jobs by a message to a queue"},
	{CFG_POOL, START, "inbox_mode", .type = CFG_MODE, AT(cfg_pool, inbox_mode), .preset = "0600",
	 .needs = "inbox", .choices = WORDS("0600", "0620", "0622", "0660", "0666"),
	 .help = "who may send to the inbox (and, with 4, take messages out of it)"},
	{CFG_POOL, START, "inbox_key", .type = CFG_KEY, AT(cfg_pool, inbox_key), .needs = "inbox",
	 .help = "key of that queue: number, 0xHEX, PATH:c (ftok) or name:TEXT (crc32)"},
	PROCESS_OPTIONS(CFG_POOL, cfg_pool, FOR_POOL),

	{CFG_LIMIT, LIVE, "max", .type = CFG_INTEGER, AT(cfg_limit, max), .min = 1, .max = 32767, .other = "rate",
	 .help = "units that jobs and foreign scripts can hold at the same time"},
	{CFG_LIMIT, LIVE, "rate", .type = CFG_RATE, AT(cfg_limit, rate_ns), .other = "max",
	 .help = "most starts of jobs of all pools with this limit: 10/s, 0.5/h; at most 1000000/s"},
	{CFG_LIMIT, START, "key", .type = CFG_KEY, AT(cfg_limit, key), .needs = "max",
	 .help = "semaphore key to share with other programs: number, 0xHEX, PATH:c (ftok) or name:TEXT (crc32)"},
	{CFG_LIMIT, START, "scope", .type = CFG_CHOICE, AT(cfg_limit, scope), .choices = CHOICES(CFG_SCOPE_MAP),
	 .preset = "local", .needs = "max",
	 .help = "who shares the units: this machine, or all that have the same store of postgresql"},

	{CFG_PROGRAM, ROLL, "command", .type = CFG_COMMAND, AT(cfg_program, command),
	 BESIDE(cfg_program, command_words), .required = true, .template = true, .topic = "the program",
	 .help = "program and arguments; quotes as in a shell, but no shell"},
	{CFG_PROGRAM, SIZE, "numprocs", .type = CFG_INTEGER, AT(cfg_program, numprocs), .min = 1,
	 .max = CFG_PROCESSES_MAX, .preset = "1", .help = "how many processes of it"},
	{CFG_PROGRAM, ROLL, "numprocs_start", .type = CFG_INTEGER, AT(cfg_program, numprocs_start),
	 .max = INT32_MAX, .preset = "0", .help = "the first %(process_num)d"},
	{CFG_PROGRAM, ROLL, "process_name", .type = CFG_TEXT, AT(cfg_program, process_name), .template = true,
	 .preset = "%(program_name)s", .help = "name of each process; with several, %(process_num)d must be in it"},
	PROCESS_OPTIONS(CFG_PROGRAM, cfg_program, FOR_PROGRAM),

	{CFG_CRON, LIVE, "pool", .type = CFG_NAME, AT(cfg_cron, pool), .required = true,
	 .help = "the pool that gets the job"},
	{CFG_CRON, LIVE, "schedule", .type = CFG_SCHEDULE, AT(cfg_cron, schedule), .required = true,
	 .help = "when: minute, hour, day of the month, month, day of the week; or @every 5m"},
	{CFG_CRON, LIVE, "payload", .type = CFG_TEXT, AT(cfg_cron, payload), .help = "of the job"},
	{CFG_CRON, LIVE, "timezone", .type = CFG_ZONE, AT(cfg_cron, timezone),
	 .help = "such as Europe/Berlin; without it that of the master"},
	{CFG_CRON, LIVE, "overlap", .type = CFG_CHOICE, AT(cfg_cron, overlap), .choices = CHOICES(CFG_OVERLAP_MAP),
	 .preset = "skip", .help = "while its last job is not over: no new one, one more, or the old one is cancelled"},
	{CFG_CRON, LIVE, "catch_up", .type = CFG_CHOICE, AT(cfg_cron, catch_up), .choices = CHOICES(CFG_CATCH_UP_MAP),
	 .preset = "one", .help = "for times that passed while no master ran: no job, one, or one for each"},
	{CFG_CRON, LIVE, "catch_up_max", .type = CFG_DURATION, AT(cfg_cron, catch_up_max_ms), .max = YEAR,
	 .preset = "1d", .help = "times that are longer ago are forgotten"},
	{CFG_CRON, LIVE, "jitter", .type = CFG_DURATION, AT(cfg_cron, jitter_ms), .max = DAYS, .preset = "0",
	 .help = "submitted up to so much later, at random"},
	{CFG_CRON, LIVE, "priority", .type = CFG_LEVEL, AT(cfg_cron, priority), .special = "pool",
	 .special_value = -1, .preset = "pool", .help = "of the job"},
	{CFG_CRON, LIVE, "tag", .type = CFG_TEXT, AT(cfg_cron, tag),
	 .help = "of the job; without it the name of the section"},

	/* Read by files.c before there are any structs. */
	{CFG_INCLUDE, LIVE, "files", .type = CFG_TEXT, .required = true,
	 .help = "paths and patterns of files that are read, too, with white space between them"},

	{CFG_SUPERVISORD, LIVE, "logfile", .type = CFG_LOGFILE, AT(cfg_instance, log.file),
	 .choices = WORDS("stderr"), .help = "as in [yardmaster]"},
	{CFG_SUPERVISORD, LIVE, "logfile_maxbytes", .type = CFG_SIZE, AT(cfg_instance, log.maxbytes), .max = TIB,
	 .help = "as in [yardmaster]"},
	{CFG_SUPERVISORD, LIVE, "logfile_backups", .type = CFG_INTEGER, AT(cfg_instance, log.backups), .max = 10000,
	 .help = "as in [yardmaster]"},
	{CFG_SUPERVISORD, LIVE, "loglevel", .type = CFG_ENUM, AT(cfg_instance, log_level),
	 .choices = WORDS("debug", "info", "warn", "error"), .help = "as in [yardmaster]; critical is error, trace and blather are debug"},
	{CFG_SUPERVISORD, START, "pidfile", .type = CFG_PATH, AT(cfg_instance, pidfile),
	 .help = "as in [yardmaster]"},
	{CFG_SUPERVISORD, START, "user", .type = CFG_USER, AT(cfg_instance, user), .help = "as in [yardmaster]"},
};
/* clang-format on */

const struct cfg_option *cfg_options(size_t *count)
{
	*count = COUNT(options);
	return options;
}
