/*
 * notify.h - tell a service manager how we are: the protocol of sd_notify(3), one datagram to $NOTIFY_SOCKET.
 *
 * Nothing here blocks or fails the caller. Without NOTIFY_SOCKET every call does nothing; what goes wrong later is said
 * once in the log.
 */
#ifndef YM_RUNTIME_NOTIFY_H
#define YM_RUNTIME_NOTIFY_H

#include <stdint.h>
#include <uv.h>

/*
 * Find out whether anybody listens; takes NOTIFY_SOCKET and WATCHDOG_* out of the environment, so that no child speaks
 * for us. Before the first child is started.
 */
void notify_open(uv_loop_t *loop);

/*
 * Everything is up; also the end of a reload, be it applied or refused. Without MAINPID=: systemd would learn our pid
 * while the one who detached us still lives; a main process that is not its own child it does not wait for, and with
 * KillMode=mixed it sends SIGKILL right behind SIGTERM. For -d there is Type=forking with PIDFile=.
 */
void notify_ready(void);
/* One line for `systemctl status`. Sent only when it has changed. */
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A reload begins (with MONOTONIC_USEC, as Type=notify-reload wants it); notify_ready() ends it. */
void notify_reloading(void);
void notify_stopping(void);
/* Starting or stopping takes up to so much longer from now on; what the manager would wait anyway is never cut short. */
void notify_extend(uint64_t usec);

/*
 * The loop turns and does useful work: called by who does it. Half of the watchdog's interval after the last sign of
 * life another one is sent, if this was called in between; otherwise as soon as it is.
 */
void notify_alive(void);
/* notify_alive() must come at least this often; UINT64_MAX if there is no watchdog. */
uint64_t notify_alive_ms(void);

/* Put back what was taken out of the environment, for a new image of this program (upgrade). */
void notify_restore_environment(void);
/* ... and take it out again: there is no new image after all. */
void notify_hide_environment(void);

void notify_close(void);

#endif
