/* sys.c - the real system calls, and semop with a deadline. */
#include "sys.h"

#include <errno.h>

static int real_semctl(int id, int member, int cmd, union ym_semun arg)
{
	return semctl(id, member, cmd, arg);
}

struct ym_sys ym_sys = {
    .semget = semget,
    .semtimedop = semtimedop,
    .semctl = real_semctl,
    .shmget = shmget,
    .shmat = shmat,
    .shmdt = shmdt,
    .shmctl = shmctl,
    .msgget = msgget,
    .msgsnd = msgsnd,
    .msgrcv = msgrcv,
    .msgctl = msgctl,
};

int ym_semop_or_signal(int id, struct sembuf *ops, size_t nops, uint64_t deadline)
{
	struct timespec left, *timeout = NULL;

	if (deadline != YM_NEVER) {
		uint64_t now = ym_now_ns(), ns = deadline > now ? deadline - now : 0;

		left = (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
		timeout = &left;
	}
	return ym_sys.semtimedop(id, ops, nops, timeout) == 0 ? 0 : errno;
}

int ym_semop_until(int id, struct sembuf *ops, size_t nops, uint64_t deadline)
{
	int sys;

	do
		sys = ym_semop_or_signal(id, ops, nops, deadline);
	while (sys == EINTR);
	return sys;
}
