/* pid.h - processes by pid and start time. */
#ifndef YM_IPC_PID_H
#define YM_IPC_PID_H

#include <stdint.h>
#include <sys/types.h>

/* Field 22 of /proc/PID/stat, 0 if there is no such process or it has ended: with the pid it names one for good. */
uint64_t ym_process_started(pid_t pid);

#endif
