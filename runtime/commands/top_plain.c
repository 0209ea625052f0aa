/* top_plain.c - `top` where one cannot write anywhere on the screen, or there is none. */
#include <stdio.h>
#include <time.h>

#include "status.h"
#include "top.h"

/* Who scrolls has to read. */
#define PLAIN_DELAY_NS UINT64_C(2000000000)

static void print_moment(void)
{
	time_t now = time(NULL);
	struct tm parts;
	char text[32];

	localtime_r(&now, &parts);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
	printf("---- %s\n", text);
}

int top_plain(struct top *top, uint64_t delay_ns, struct ym_err *err)
{
	struct model *model = &top->model;

	if (!args_value(top->args, "delay"))
		delay_ns = PLAIN_DELAY_NS;
	fprintf(stderr, "yardmaster: %s: a table every %.1f s\n", err->text, (double)delay_ns / 1e9);
	for (;;) {
		if (model_refresh(model, err) < 0)
			return -1;
		print_moment();
		if (model->there)
			status_print(&model->snapshot);
		else
			printf("instance %s is not running\n", model->instance.name);
		printf("\n");
		if (fflush(stdout) != 0)
			return 0;
		ym_nap((long)delay_ns);
	}
}
