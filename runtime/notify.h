/*
 * notify.h - tell a service manager how we are: the protocol of sd_notify(3), one datagram to $NOTIFY_SOCKET.
 */
#ifndef YM_RUNTIME_NOTIFY_H
#define YM_RUNTIME_NOTIFY_H

#include <uv.h>

/* Find out whether anybody listens; takes NOTIFY_SOCKET and WATCHDOG_* out of the environment, so no child speaks for us. */
void notify_open(uv_loop_t *loop);
/* Once: everything is up. */
void notify_ready(void);
/* One line for `systemctl status`. Sent only when it has changed. */
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A reload begins (with MONOTONIC_USEC, as Type=notify-reload wants it); notify_ready() ends it. */
void notify_reloading(void);
void notify_stopping(void);
/* The loop turns: called by who knows that it does useful work; sends WATCHDOG=1 when half of the interval has passed. */
void notify_alive(void);
/* What was taken out of the environment, to be put back for a new image of this program (upgrade). */
void notify_restore_environment(void);
void notify_close(void);

#endif
