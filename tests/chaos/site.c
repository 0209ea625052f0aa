/* site.c - configuration, start and stop, looks at the board. */
#include "site.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../../ipc/sys.h"
#include "../../runtime/view.h"
#include "depot.h"

#define MASTER_UP_MS   20000
#define PROBLEMS_SHOWN 12

struct site site;

#define X(name, loaded, workers, text) #name,
const char *const site_pools[SITE_POOLS] = {SITE_POOL_MAP(X)};
#undef X
#define X(name, max, key) #name,
const char *const site_limits[SITE_LIMITS] = {SITE_LIMIT_MAP(X)};
#undef X
#define X(name, max, key) max,
const int site_limit_max[SITE_LIMITS] = {SITE_LIMIT_MAP(X)};
#undef X
#define X(name, max, key) key,
const key_t site_limit_key[SITE_LIMITS] = {SITE_LIMIT_MAP(X)};
#undef X

/* What the section of the pool says, word for word. */
unsigned site_units(char pool, enum site_limit limit)
{
#define X(name, loaded, workers, text) text,
	static const char *const texts[] = {SITE_POOL_MAP(X)};
#undef X
	for (unsigned i = 0; i < SITE_POOLS; i++) {
		const char *uses = site_pools[i][0] == pool ? strstr(texts[i], "limits = ") : NULL;
		const char *use = uses ? strstr(uses, site_limits[limit]) : NULL;

		if (use) {
			use += strlen(site_limits[limit]);
			return *use == ':' ? (unsigned)atoi(use + 1) : 1;
		}
	}
	return 0;
}

void site_die(const char *what)
{
	printf("chaos: %s: %s\n", what, strerror(errno));
	exit(1);
}

bool site_problem(const char *format, ...)
{
	va_list ap;

	if (site.problems++ >= PROBLEMS_SHOWN)
		return false;
	va_start(ap, format);
	printf("PROBLEM: ");
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
	return true;
}

unsigned site_pick(unsigned n)
{
	return (unsigned)random() % n;
}

void site_nap(unsigned ms)
{
	poll(NULL, 0, (int)ms);
}

void site_note(enum ledger_kind kind, unsigned job, pid_t pid, uint64_t value)
{
	ledger_note(site.fd, (struct ledger_event){.kind = (uint16_t)kind, .job = job, .worker = pid, .value = value});
}

/* ---- the instance ---------------------------------------------------------------------------- */

static void write_pool(FILE *ini, const struct site_shape *shape, enum site_pool pool, bool loaded, const char *workers,
                       const char *text)
{
	static const char common[] = "on_fail = bury\nbackoff = 5ms\nbackoff_max = 100ms\n"
				     "startsecs = 0\nrestart_delay = 20ms\nrestart_max_delay = 100ms\n"
				     "stopwaitsecs = 50ms\ntimeout_grace = 40ms\nageing = 200ms\n";

	if (pool == SITE_extra && !shape->extra)
		return;
	fprintf(ini, "[pool:%s]\n%s%s%s", site_pools[pool], common, text,
	        strstr(text, "crashes =") ? "" : "crashes = 255\n");
	fprintf(ini, "attempts = %u\n", shape->attempts);
	if (pool == shape->changed)
		fprintf(ini, "workers = %u\n", shape->workers);
	else
		fprintf(ini, "workers = %s\n", workers);
	if (!loaded)
		fprintf(ini, "command = %s task %s {file}\n", site.self, site.ledger);
	else
		fprintf(ini, "plugin = %s\noption.ledger = %s\n", site.plugin, site.ledger);
	if (loaded && pool == shape->changed)
		fprintf(ini, "option.note = %u\n", shape->note);
}

void site_write_ini(const struct site_shape *shape)
{
	char path[PATH_MAX + 32];
	FILE *ini;

	snprintf(path, sizeof(path), "%s.new", site.ini);
	ini = fopen(path, "w");
	if (!ini)
		site_die(path);
	fprintf(ini,
	        "[yardmaster]\ninstance = chaos\ndirectory = %s\nclients = 64\nresult_ttl = 4s\n"
	        "payload_max = 1mb\nworkers_room = 100\n",
	        site.instance);
	/* With a store, most jobs are to be there only. */
	if (site.stored)
		fprintf(ini, "jobs = 256\nstore = %s\n", depot_uri());
	else
		fprintf(ini, "jobs = 1024\n");
#define X(name, loaded, workers, text) write_pool(ini, shape, SITE_##name, loaded, workers, text);
	SITE_POOL_MAP(X)
#undef X
	fprintf(ini,
	        "[program:single]\ncommand = %s single %s %s\nstartsecs = 0\nrestart_delay = 20ms\n"
	        "restart_max_delay = 100ms\nstopwaitsecs = 500ms\nstdout_logfile = %s/single\n",
	        site.self, site.ledger, site.lock, site.dir);
	for (unsigned i = 0; i < SITE_LIMITS; i++)
		fprintf(ini, "[limit:%s]\nmax = %d\nkey = %d\n", site_limits[i], site_limit_max[i], site_limit_key[i]);
	if (fclose(ini) != 0 || rename(path, site.ini) < 0)
		site_die(site.ini);
}

void site_make(bool stored)
{
	snprintf(site.dir, sizeof(site.dir), "%s/chaos-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(site.dir))
		site_die(site.dir);
	snprintf(site.instance, sizeof(site.instance), "%s/instance", site.dir);
	snprintf(site.ini, sizeof(site.ini), "%s/ini", site.dir);
	snprintf(site.ledger, sizeof(site.ledger), "%s/ledger", site.dir);
	snprintf(site.log, sizeof(site.log), "%s/log", site.dir);
	snprintf(site.lock, sizeof(site.lock), "%s/lock", site.dir);
	site.removals = site_pick(4) == 0;
	site.stored = stored;
	if (stored)
		depot_make();
	site.fd = ledger_open(site.ledger);
	if (site.fd < 0)
		site_die(site.ledger);
	site_write_ini(&(struct site_shape)SITE_SHAPE_INIT);
}

void site_remove(void)
{
	char command[PATH_MAX + 16];

	close(site.fd);
	if (site.stored)
		depot_remove(false);
	snprintf(command, sizeof(command), "rm -rf '%s'", site.dir);
	if (system(command) != 0)
		site_die(command);
}

void site_clear(void)
{
	char command[PATH_MAX + 32];

	snprintf(command, sizeof(command), "rm -rf '%s'", site.instance);
	if (system(command) != 0)
		site_die(command);
}

void site_locate(struct instance *instance)
{
	if (instance_locate(instance, "chaos", site.instance, NULL) < 0)
		site_die("instance_locate");
}

bool site_join(struct instance *instance)
{
	site_locate(instance);
	return instance_join(instance, "client", NULL, NULL) == 0;
}

void site_start_master(void)
{
	pid_t pid = fork();

	if (pid < 0)
		site_die("fork");
	if (pid == 0) {
		int fd = open(site.log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

		dup2(fd, STDERR_FILENO);
		execl(site.program, site.program, "run", site.ini, (char *)NULL);
		_exit(127);
	}
	site.master = pid;
}

static bool master_answers(void)
{
	struct instance instance;
	bool up;

	site_locate(&instance);
	if (instance_view(&instance, NULL) < 0)
		return false;
	up = view_master(&instance) == site.master &&
	     atomic_load(&instance.board->instance.master_state) == BOARD_MASTER_RUNNING;
	instance_unview(&instance);
	return up;
}

void site_await_master(void)
{
	uint64_t deadline = ym_deadline(MASTER_UP_MS);

	while (!master_answers()) {
		if (ym_now_ns() > deadline) {
			site_problem("the master (pid %d) does not come up", (int)site.master);
			return;
		}
		if (waitpid(site.master, NULL, WNOHANG) == site.master)
			site_start_master();
		site.meanwhile();
		site_nap(5);
	}
}

void site_end_master(int signo)
{
	site_note(LEDGER_MASTER, 0, site.master, (uint64_t)signo);
	kill(site.master, signo);
	while (waitpid(site.master, NULL, WNOHANG) == 0) {
		site.meanwhile();
		site_nap(1);
	}
	/* Once more: what happens because of it ends here. */
	site_note(LEDGER_MASTER, 0, site.master, 0);
}

/* ---- who is there ---------------------------------------------------------------------------- */

unsigned site_workers(struct site_worker *found, unsigned max)
{
	struct instance instance;
	unsigned n = 0;

	site_locate(&instance);
	if (instance_view(&instance, NULL) < 0)
		return 0;
	for (uint32_t i = 0; i < instance.board->instance.rows && n < max; i++) {
		struct board_work work;

		if (atomic_load(&instance.board->workers[i].used) &&
		    board_read_work(&instance.board->workers[i], &work) && work.pid > 0 &&
		    ym_process_started(work.pid) == work.process_started)
			found[n++] = (struct site_worker){work.pid, work.group};
	}
	instance_unview(&instance);
	return n;
}

pid_t site_single(void)
{
	struct instance instance;
	pid_t pid = 0;

	site_locate(&instance);
	if (instance_view(&instance, NULL) < 0)
		return 0;
	for (unsigned i = 0; i < BOARD_PROGRAMS; i++) {
		const struct board_program_sh *row = &instance.board->programs[i];

		if (atomic_load(&row->used) && strcmp(row->program, "single") == 0)
			pid = atomic_load(&row->pid);
		if (pid > 0 && ym_process_started(pid) == atomic_load(&row->started))
			break;
		pid = 0;
	}
	instance_unview(&instance);
	return pid;
}

unsigned site_others(void (*each)(pid_t pid))
{
	DIR *proc = opendir("/proc");
	unsigned n = 0;

	for (struct dirent *entry = proc ? readdir(proc) : NULL; entry; entry = readdir(proc)) {
		char path[PATH_MAX], exe[PATH_MAX];
		pid_t pid = atoi(entry->d_name);
		ssize_t size;

		snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
		size = pid > 1 && pid != getpid() ? readlink(path, exe, sizeof(exe) - 1) : -1;
		if (size < 0)
			continue;
		exe[size] = '\0';
		if (strcmp(exe, site.program) != 0 && strcmp(exe, site.self) != 0)
			continue;
		each(pid);
		n++;
	}
	if (proc)
		closedir(proc);
	return n;
}

pid_t site_guardian(void)
{
	struct instance instance;
	struct ym_group_look look;
	pid_t pid = 0;
	void *addr;
	int id;

	site_locate(&instance);
	if (ym_group_look(instance.directory, &look, NULL) < 0 || !ym_object_behind(YM_OBJECT_SEGMENT, look.key, &id) ||
	    ym_seg_attach(id, "members", YM_REGISTRY_VERSION, look.semid, true, &addr, NULL, NULL) < 0)
		return 0;
	pid = atomic_load(&((struct ym_registry_sh *)addr)->guardian);
	if (ym_process_started(pid) != atomic_load(&((struct ym_registry_sh *)addr)->guardian_started))
		pid = 0;
	ym_seg_detach(addr);
	return pid;
}

void site_resume(struct instance *instance)
{
	for (unsigned i = 0; i < SITE_POOLS; i++) {
		int pool = table_pool(instance->table, site_pools[i]);

		if (pool >= 0)
			dispatch_mode(instance, (unsigned)pool, 0, POOL_PAUSED | POOL_DRAINING);
	}
}
