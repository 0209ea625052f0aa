/*
 * order.h - what a job is to do: the payload, as clients write it and tasks read it.
 *
 *     "NUMBER KIND MS UNTIL BYTES\n" and so many bytes of a pattern
 *
 * It does its bad deed in attempts 1 to UNTIL, later ones take MS milliseconds and are good. The result is
 * "result NUMBER\n" and the same bytes again.
 */
#ifndef YM_TESTS_ORDER_H
#define YM_TESTS_ORDER_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ORDER_GOOD  'g'
#define ORDER_RETRY 'r' /* asks for another attempt */
#define ORDER_CRASH 'c' /* kills its own process */
#define ORDER_SLOW  's' /* goes on until it is asked to stop */
#define ORDER_HANG  'h' /* goes on until it is killed */

#define ORDER_BYTES_MAX 60000
#define ORDER_SIZE_MAX  (ORDER_BYTES_MAX + 128)

/* A run that should have been stopped or killed by its timeout gives up after this. */
#define ORDER_HANG_MS 6000
#define ORDER_STEP_MS 2

struct order {
	unsigned number;
	char kind;
	unsigned ms, until, bytes;
};

/* Whoever needs to be stopped has a timeout. */
#define ORDER_TIMEOUT_MS 40

static inline bool order_is_timed(char kind)
{
	return kind == ORDER_SLOW || kind == ORDER_HANG;
}

static inline char order_byte(unsigned number, unsigned i)
{
	return (char)('a' + (number + i / 7u) % 26u);
}

static inline size_t order_fill(char *to, const struct order *order, size_t head)
{
	for (unsigned i = 0; i < order->bytes; i++)
		to[head + i] = order_byte(order->number, i);
	return head + order->bytes;
}

/* Both return how many of ORDER_SIZE_MAX bytes they wrote. */
static inline size_t order_write(char *to, const struct order *order)
{
	return order_fill(
	    to, order,
	    (size_t)sprintf(to, "%u %c %u %u %u\n", order->number, order->kind, order->ms, order->until, order->bytes));
}

static inline size_t order_result(char *to, const struct order *order)
{
	return order_fill(to, order, (size_t)sprintf(to, "result %u\n", order->number));
}

/* False when it is not what order_write() wrote. `payload` is followed by a NUL. */
static inline bool order_read(const char *payload, size_t size, struct order *order)
{
	const char *end = memchr(payload, '\n', size < 80 ? size : 80);
	size_t head = end ? (size_t)(end - payload) + 1 : 0;

	if (!end ||
	    sscanf(payload, "%u %c %u %u %u", &order->number, &order->kind, &order->ms, &order->until, &order->bytes) !=
	        5 ||
	    size != head + order->bytes)
		return false;
	for (unsigned i = 0; i < order->bytes; i++)
		if (payload[head + i] != order_byte(order->number, i))
			return false;
	return true;
}

#endif
