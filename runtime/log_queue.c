/* log_queue.c - the ring. */
#include "log_queue.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "log_sink.h"

#define ALIGN 16u

/*
 * Empty, and in its second half: back to the beginning. Until the consumer has passed what is left out, only what lies
 * before it can be filled: that must be much.
 */
#define WARM_PART 2

int log_queue_init(struct log_queue *queue, size_t size, struct ym_err *err)
{
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return ym_fail_sys(err, errno, "mmap(%zu bytes) for the queue of the log", size);
	*queue = (struct log_queue){.bytes = bytes, .size = size};
	return 0;
}

void log_queue_free(struct log_queue *queue)
{
	munmap(queue->bytes, queue->size);
}

static struct log_record *at(const struct log_queue *queue, uint64_t place)
{
	return (struct log_record *)(void *)(queue->bytes + (place & (queue->size - 1)));
}

struct log_record *log_queue_reserve(struct log_queue *queue, size_t size)
{
	uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), tail = atomic_load(&queue->tail);
	size_t span = (sizeof(struct log_record) + size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	size_t offset = (size_t)(head & (queue->size - 1)), left = queue->size - offset;
	bool skip = left < span || (head == tail && offset >= queue->size / WARM_PART);
	struct log_record *record;

	if (queue->size - (size_t)(head - tail) < span + (skip ? left : 0))
		return NULL;
	/* A skipped end may be shorter than a record: the consumer knows that one does not fit there. */
	if (skip && left >= sizeof(*record))
		*at(queue, head) = (struct log_record){.span = (uint32_t)left};
	queue->start = skip ? head + left : head;
	record = at(queue, queue->start);
	record->span = (uint32_t)span;
	record->size = (uint32_t)size;
	return record;
}

void log_queue_commit(struct log_queue *queue, const struct log_record *record)
{
	/* In one order with the consumer's "I am going to sleep", see log_writer.c. */
	atomic_store(&queue->head, queue->start + record->span);
}

struct log_record *log_queue_next(const struct log_queue *queue, uint64_t *place, uint64_t end)
{
	while (*place != end) {
		size_t left = queue->size - (size_t)(*place & (queue->size - 1));
		struct log_record *record = at(queue, *place);

		if (left < sizeof(*record)) {
			*place += left;
			continue;
		}
		*place += record->span;
		if (record->voice)
			return record;
	}
	return NULL;
}
