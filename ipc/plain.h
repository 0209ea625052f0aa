/* plain.h - values as text that is not serialized: what PHP's msg_send() puts into a message with $serialize false. */
#ifndef YM_IPC_PLAIN_H
#define YM_IPC_PLAIN_H

#include "buffer.h"
#include "value.h"

/*
 * Append a string as it is, an integer in decimal, a float with six decimals (INF and -INF: "inf", NAN: "nan"), a bool
 * as "1" or "0". 0, or -1: YM_ERR_USAGE for null, arrays and objects, as PHP refuses them, YM_ERR_LIMIT (out of memory).
 */
int ym_plain_add(struct ym_buffer *out, const struct ym_value *value, struct ym_err *err);

#endif
