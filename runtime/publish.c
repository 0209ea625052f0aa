/* publish.c - the segment, its mutex, the timer. */
#include "publish.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc/key.h"
#include "../ipc/procfs.h"
#include "../ipc/serialize.h"
#include "../ipc/sys.h"
#include "log.h"
#include "published.h"
#include "shown.h"

#define TICK_MS 100
/* Nothing has changed for so long: no more ticks. */
#define QUIET_NS UINT64_C(1000000000)
/* For one look at the jobs, and for writing what has changed. */
#define LOOK_NS  UINT64_C(3000000)
#define WRITE_NS UINT64_C(5000000)
/* The mutex has been somebody else's for so long: say so. */
#define HELD_NS UINT64_C(2000000000)
/* After which a damage is told again. */
#define SAY_AGAIN_NS UINT64_C(60000000000)
/* Of the variable about the segment itself. */
#define ABOUT_LENGTH 192

struct publish {
	uv_timer_t timer;
	struct instance *instance;
	const struct cfg_instance *config;
	struct ym_vars vars; /* id -1: there is no segment */
	struct shown shown;
	bool open;         /* `shown` is */
	bool ticking;      /* the timer looks at the jobs, every TICK_MS */
	bool broken;       /* the segment is beyond repair */
	bool troubled;     /* the log says that there is none */
	bool full;         /* ... that there is no room for all jobs */
	bool held_said;    /* ... who holds the mutex */
	uint64_t held;     /* since when the mutex was found taken, 0: it was free */
	uint64_t mended;   /* when the log has said of a damage */
	uint64_t changed;  /* when a job has */
	unsigned left_out; /* as it stands in the segment */
};

static bool wanted(const struct publish *publish)
{
	return publish->config->publish != CFG_PUBLISH_NONE;
}

/* ---- the segment ----------------------------------------------------------------------------- */

static void detach(struct publish *publish)
{
	ym_vars_detach(&publish->vars);
	publish->vars = (struct ym_vars){.id = -1};
}

/* Who is attached sees an empty one. */
static void destroy(struct publish *publish, struct ym_entry_sh *entry)
{
	struct ym_vars vars;

	detach(publish);
	if (ym_registry_exists(entry)) {
		if (ym_vars_open(&vars, entry->id, YM_VARS_DAMAGED, NULL) == 0) {
			ym_vars_destroy(&vars, true, NULL);
			ym_vars_detach(&vars);
		} else {
			ym_sys.shmctl(entry->id, IPC_RMID, NULL);
		}
	}
	ym_registry_drop(entry);
}

/*
 * A script that came while there was no segment has made one, without anything in it, as shm_attach() does: in the way, for
 * the key of ours is to stay the same.
 */
static void clear_away(const struct instance *instance)
{
	struct ym_vars vars;
	struct ym_var var = {0};
	uid_t cuid;
	key_t key, its;

	if (ym_keyfile(instance->directory, PUBLISHED_NAME, NULL, NULL, &key, NULL) < 0 ||
	    ym_vars_attach(&vars, key, 0, 0, YM_VARS_EXISTING, NULL) < 0)
		return;
	if (ym_object_identity(YM_OBJECT_SEGMENT, vars.id, &cuid, &its) && cuid == geteuid() &&
	    ym_vars_next(&vars, &var, NULL) == 1)
		ym_vars_destroy(&vars, false, NULL);
	ym_vars_detach(&vars);
}

static int make(struct publish *publish, struct ym_entry_sh **entry, struct ym_err *err)
{
	struct ym_registry_sh *reg = publish->instance->group.reg;

	clear_away(publish->instance);
	if (ym_registry_add(reg, YM_OBJECT_VARIABLES, PUBLISHED_NAME, (size_t)publish->config->publish_size, 0, 0, NULL,
	                    err) < 0)
		return -1;
	*entry = ym_registry_find(reg, PUBLISHED_NAME);
	return 0;
}

static struct ym_entry_sh *find(const struct publish *publish)
{
	return ym_registry_find(publish->instance->group.reg, PUBLISHED_NAME);
}

/* Is the segment that stands in the registry as it is to be, and attached? */
static bool fits(const struct publish *publish, const struct ym_entry_sh *entry)
{
	if (!entry || !wanted(publish))
		return !entry && !wanted(publish);
	return publish->vars.id == entry->id && !publish->broken && ym_registry_exists(entry) &&
	       entry->size == (uint64_t)publish->config->publish_size;
}

/* Under LOCK. 0 with the segment attached, or none if none is wanted. */
static int enter(struct publish *publish, bool *made, struct ym_err *err)
{
	struct ym_entry_sh *entry = find(publish);

	*made = false;
	if (entry && (!wanted(publish) || publish->broken || !ym_registry_exists(entry) ||
	              entry->size != (uint64_t)publish->config->publish_size)) {
		destroy(publish, entry);
		entry = NULL;
	}
	publish->broken = false;
	if (!wanted(publish))
		return 0;
	if (!entry) {
		if (make(publish, &entry, err) < 0)
			return -1;
		*made = true;
	}
	detach(publish);
	/* What is damaged is mended when it is written to. */
	if (ym_vars_open(&publish->vars, entry->id, YM_VARS_DAMAGED, err) < 0)
		return -1;
	publish->vars.damaged = false;
	return 0;
}

/* The jobs for a segment that is new, or was an earlier master's. */
static int begin(struct publish *publish, bool made, struct ym_err *err)
{
	size_t room = publish->vars.size - sizeof(struct ym_vars_head_sh);
	struct ym_vars_stat stat;

	publish->left_out = UINT_MAX;
	if (publish->open) {
		mirror_begin(&publish->shown.mirror, room);
		return 0;
	}
	if (shown_open(&publish->shown, publish->instance, (uint64_t)publish->config->publish_keep_ms * 1000000u, err) <
	    0)
		return -1;
	publish->open = true;
	if (!made && ym_vars_stat(&publish->vars, &stat, NULL) == 0)
		room = stat.free;
	mirror_begin(&publish->shown.mirror, room);
	if (!made)
		shown_adopt(&publish->shown, &publish->vars);
	return 0;
}

static int set_up(struct publish *publish, struct ym_err *err)
{
	bool was = publish->vars.id >= 0, made;
	int result;

	if (ym_group_lock(&publish->instance->group, err) < 0)
		return -1;
	result = enter(publish, &made, err);
	ym_group_unlock(&publish->instance->group);
	if (result < 0)
		return -1;
	if (!wanted(publish)) {
		shown_close(&publish->shown);
		publish->open = false;
		return 0;
	}
	if (begin(publish, made, err) < 0)
		return -1;
	log_line(LOG_INFO, "publish: progress for PHP in segment 0x%x (%s/" PUBLISHED_NAME ")%s",
	         (unsigned)publish->vars.key, publish->instance->directory,
	         !made ? ", as it was"
	         : was ? ", made anew"
	               : "");
	return 0;
}

/* False: there is nothing to write to. */
static bool prepare(struct publish *publish)
{
	struct ym_err err;

	if (!fits(publish, find(publish))) {
		if (set_up(publish, &err) < 0) {
			detach(publish);
			if (!publish->troubled)
				log_line(LOG_ERROR, "publish: no progress for PHP: %s: trying again", err.text);
			publish->troubled = true;
			return false;
		}
		publish->troubled = false;
	}
	return publish->vars.id >= 0;
}

/* ---- the mutex ------------------------------------------------------------------------------- */

static void note_held(struct publish *publish, uint64_t now)
{
	struct ym_process process;

	if (!publish->held)
		publish->held = now;
	if (publish->held_said || now - publish->held < HELD_NS)
		return;
	publish->held_said = true;
	ym_process_look(ym_sem_pid(publish->instance->group.semid, YM_GROUP_VALUE), &process);
	log_line(
	    LOG_WARN,
	    "publish: process %ld (%s) holds the semaphore of %s/members for more than %u s: no progress is written "
	    "until it lets go",
	    (long)process.pid, process.alive ? process.name : "it has ended", publish->instance->directory,
	    (unsigned)(HELD_NS / 1000000000u));
}

static bool take(struct publish *publish, struct ym_sem *mutex)
{
	int taken;

	*mutex = ym_group_mutex(&publish->instance->group);
	taken = ym_sem_try(mutex, NULL);
	if (taken > 0)
		note_held(publish, ym_now_ns());
	/* Below 0: the instance has gone, which is seen elsewhere. */
	if (taken != 0)
		return false;
	if (publish->held_said)
		log_line(LOG_INFO, "publish: the semaphore is free again");
	publish->held = 0;
	publish->held_said = false;
	return true;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int fill_about(const struct publish *publish, struct ym_array *array, struct ym_err *err)
{
	struct ym_value name, parts[] = {
				  ym_value_int((int64_t)publish->shown.mirror.nitems),
				  ym_value_int(publish->shown.left_out),
				  ym_value_float((double)ym_unix_ms() / 1000),
			      };
	static const char *const keys[] = {PUBLISHED_JOBS, PUBLISHED_LEFT, "updated"};

	if (ym_value_text(&name, publish->instance->name, err) < 0 ||
	    ym_array_set(array, ym_array_key_text("instance"), &name, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (ym_array_set(array, ym_array_key_text(keys[i]), &parts[i], err) < 0)
			return -1;
	return 0;
}

/* The variable about the segment itself; where there is no room for it, there is none. */
static void write_about(struct publish *publish)
{
	char storage[ABOUT_LENGTH];
	struct ym_buffer buffer;
	struct ym_value value;

	ym_buffer_init(&buffer, storage, sizeof(storage));
	if (ym_value_array(&value, NULL) < 0)
		return;
	if (fill_about(publish, value.array, NULL) == 0 && ym_serialize(&value, &buffer, NULL) == 0) {
		if (buffer.length < ABOUT_LENGTH)
			memset(buffer.bytes + buffer.length, ' ', ABOUT_LENGTH - buffer.length);
		ym_vars_put_raw(&publish->vars, PUBLISHED_KEY, buffer.bytes,
		                buffer.length < ABOUT_LENGTH ? ABOUT_LENGTH : buffer.length, NULL);
		publish->left_out = publish->shown.left_out;
	}
	ym_buffer_free(&buffer);
	ym_value_free(&value);
}

/* With the mutex held: nobody else is writing. */
static void mend(struct publish *publish, const struct ym_err *damage)
{
	uint64_t now = ym_now_ns();
	size_t lost = 0;

	publish->broken = ym_vars_repair(&publish->vars, &lost, NULL) < 0;
	mirror_rewrite(&publish->shown.mirror);
	/* Somebody may damage it again and again. */
	if (!publish->mended || now - publish->mended >= SAY_AGAIN_NS) {
		publish->mended = now;
		if (publish->broken)
			log_line(LOG_WARN, "publish: %s: it is made anew", damage->text);
		else
			log_line(LOG_WARN, "publish: %s: repaired, %zu bytes were given up and are written again",
			         damage->text, lost);
	}
}

static void note_full(struct publish *publish)
{
	unsigned left_out = publish->shown.left_out;

	if (left_out && !publish->full)
		log_line(
		    LOG_WARN,
		    "publish: no room for %u jobs in the segment of %zu bytes: a larger `publish_size` or a shorter "
		    "`publish_keep` shows all",
		    left_out, publish->vars.size);
	publish->full = left_out > 0;
}

static void write_changes(struct publish *publish)
{
	struct ym_sem mutex;
	struct ym_err err;
	int result;

	if (!take(publish, &mutex))
		return;
	result = mirror_write(&publish->shown.mirror, &publish->vars, ym_now_ns() + WRITE_NS, &err);
	if (result == 0)
		write_about(publish);
	else if (result < 0)
		mend(publish, &err);
	ym_sem_release(&mutex, NULL);
	note_full(publish);
}

/* ---- the timer ------------------------------------------------------------------------------- */

static bool is_written(const struct publish *publish)
{
	return mirror_is_written(&publish->shown.mirror) && publish->left_out == publish->shown.left_out;
}

static void look(struct publish *publish)
{
	uint64_t now = ym_now_ns();

	if (shown_look(&publish->shown, now + LOOK_NS))
		publish->changed = now;
	/* Taken away meanwhile, it is made again at the next round. */
	if (!is_written(publish) && fits(publish, find(publish)))
		write_changes(publish);
}

static void tick(struct publish *publish);

static void timer_fired(uv_timer_t *timer)
{
	tick(timer->data);
}

static bool is_busy(const struct publish *publish)
{
	return !is_written(publish) || ym_now_ns() - publish->changed < QUIET_NS;
}

/* Until the next job goes that is over, or somebody wakes us. */
static void sleep_on(struct publish *publish)
{
	uint64_t now = ym_now_ns(), next = shown_next(&publish->shown);

	uv_timer_stop(&publish->timer);
	if (next != YM_NEVER)
		uv_timer_start(&publish->timer, timer_fired, next > now ? (next - now) / 1000000u + 1 : 0, 0);
}

static void tick(struct publish *publish)
{
	publish->ticking = false;
	if (publish->vars.id < 0)
		return;
	look(publish);
	if (!is_busy(publish)) {
		/* A job that comes from now on rings the bell; one that came before is seen by another look. */
		atomic_store(&publish->instance->table->watched, 1);
		look(publish);
	}
	if (!is_busy(publish)) {
		sleep_on(publish);
		return;
	}
	publish->ticking = true;
	uv_timer_start(&publish->timer, timer_fired, TICK_MS, 0);
}

/* ---- the whole ------------------------------------------------------------------------------- */

struct publish *publish_open(uv_loop_t *loop, struct instance *instance, const struct cfg_instance *config)
{
	struct publish *publish = calloc(1, sizeof(*publish));

	if (!publish) {
		log_line(LOG_ERROR, "publish: no progress for PHP: out of memory");
		return NULL;
	}
	publish->instance = instance;
	publish->config = config;
	publish->vars.id = -1;
	uv_timer_init(loop, &publish->timer);
	publish->timer.data = publish;
	return publish;
}

void publish_configure(struct publish *publish, const struct cfg_instance *config)
{
	if (!publish)
		return;
	publish->config = config;
	publish->shown.keep_ns = (uint64_t)config->publish_keep_ms * 1000000u;
	publish_look(publish);
}

void publish_look(struct publish *publish)
{
	if (publish && prepare(publish) && !publish->ticking)
		tick(publish);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void publish_close(struct publish *publish)
{
	if (!publish)
		return;
	shown_close(&publish->shown);
	detach(publish);
	uv_close((uv_handle_t *)&publish->timer, on_closed);
}
