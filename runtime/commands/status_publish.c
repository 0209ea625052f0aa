/* status_publish.c - a line of `yardmaster status`. */
#include "status_publish.h"

#include <stdio.h>

#include "../published.h"
#include "../text.h"

void status_publish_print(const struct instance *instance)
{
	struct published published;
	char used[TEXT_MAX];

	if (!published_read(instance, &published))
		return;
	printf("progress for PHP in segment 0x%08x: %llu jobs, %s", (unsigned)published.key,
	       (unsigned long long)published.jobs,
	       text_fraction(published.size - published.free, published.size, true, used));
	if (published.left_out)
		printf(", NO ROOM for %llu more (publish_size)", (unsigned long long)published.left_out);
	printf("\n");
}
