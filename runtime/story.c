/* story.c - write and read what became of the attempts of a job. */
#include "story.h"

#include <string.h>

static const char *const words[STORY_ENDS] = {
#define X(name, word) [STORY_##name] = word,
    STORY_END_MAP(X)
#undef X
};

const char *story_end_word(unsigned end)
{
	return end < STORY_ENDS ? words[end] : "?";
}

static uint32_t milliseconds(struct timeval time)
{
	return (uint32_t)(time.tv_sec * 1000 + time.tv_usec / 1000);
}

void story_tell(struct story_sh *story, uint32_t gen, const struct story_attempt *attempt,
                const struct story_process *process)
{
	struct story_attempt *to;

	if (atomic_load_explicit(&story->gen, memory_order_relaxed) != gen) {
		memset(story, 0, sizeof(*story));
		atomic_store_explicit(&story->gen, gen, memory_order_relaxed);
	}
	to = &story->attempts[story->count++ % STORY_ATTEMPTS];
	*to = *attempt;
	to->status = -1;
	if (!process)
		return;
	to->status = process->status;
	to->rss_kib = (uint32_t)process->usage.ru_maxrss;
	to->user_ms = milliseconds(process->usage.ru_utime);
	to->system_ms = milliseconds(process->usage.ru_stime);
	memcpy(story->note, process->note, sizeof(story->note));
	memcpy(story->output, process->output, sizeof(story->output));
}

unsigned story_read(const struct story_sh *story, uint32_t gen, struct story_attempt *out)
{
	unsigned n = story->count < STORY_ATTEMPTS ? story->count : STORY_ATTEMPTS;

	if (atomic_load_explicit(&story->gen, memory_order_relaxed) != gen)
		return 0;
	for (unsigned i = 0; i < n; i++)
		out[i] = story->attempts[(story->count - n + i) % STORY_ATTEMPTS];
	return n;
}
