/* guardian.c - wait in the kernel for USAGE 0. */
#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "generation.h"
#include "procfs.h"
#include "sys.h"

/* The registry behind the group's key, NULL if there is none: made later, or removed by a remover that was killed. */
static struct ym_registry_sh *registry_of(struct ym_group *group)
{
	void *addr;
	int id;

	if (!ym_object_behind(YM_OBJECT_SEGMENT, group->key, &id) ||
	    ym_seg_attach(id, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, group->semid, false, &addr, NULL, NULL) < 0)
		return NULL;
	group->capacity = ((struct ym_registry_sh *)addr)->capacity;
	return addr;
}

int ym_group_guard(int semid, const struct ym_group_spec *spec, struct ym_err *err)
{
	struct sembuf all_gone[] = {
	    {YM_GROUP_USAGE, 0, 0},
	    {YM_GROUP_LOCK, 0, 0},
	    {YM_GROUP_LOCK, 1, SEM_UNDO},
	};
	struct ym_group group = {.spec = *spec, .semid = semid, .pid = getpid()};
	uid_t cuid;
	int sys, result = 0;

	/* Attached now: should somebody remove the registry by hand, its list of objects is still known. */
	if (!ym_object_identity(YM_OBJECT_SEMAPHORE, semid, &cuid, &group.key))
		return 0;
	group.reg = registry_of(&group);
	sys = ym_semop_until(semid, all_gone, 3, YM_NEVER);
	if (sys && ym_gone(sys) != EIDRM)
		result = ym_fail_sys(err, sys, "semop(id %d) to guard the group", semid);
	if (sys == 0) {
		/* Should the guardian be killed from here on, READY tells newcomers that there is something to repair. */
		ym_sys.semctl(semid, YM_GROUP_READY, SETVAL, (union ym_semun){.val = 0});
		/* There may be a newer one: a join has repaired what a killed remover had left, in the same set. */
		struct ym_registry_sh *now = registry_of(&group);

		if (now) {
			ym_seg_detach(group.reg);
			group.reg = now;
		}
		if (group.reg)
			result = ym_generation_remove(&group, err);
		else
			ym_sys.semctl(semid, 0, IPC_RMID, (union ym_semun){0});
	}
	ym_seg_detach(group.reg);
	return result;
}

/* ---- a guardian by fork ---------------------------------------------------------------------- */

/* Nothing of the program must reach the guardian: no terminal, no handler, no blocked signal, no descriptor but `told`. */
static void shed(int *told)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t none;
	int null;

	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "ym-guardian");
	/* The program may have closed its standard descriptors, so that the pipe took their place: out of the way first. */
	*told = fcntl(*told, F_DUPFD, STDERR_FILENO + 1);
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= STDERR_FILENO && null >= 0; fd++)
		dup2(null, fd);
	*told = dup2(*told, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0u, 0);
	if (chdir("/") < 0)
		_exit(1);
}

/* The child of a child, so that nobody has to reap it: enters itself, says so through the pipe, and sleeps. */
static void become_guardian(struct ym_group *group, int told)
{
	pid_t pid = fork();

	if (pid != 0)
		_exit(pid < 0);
	shed(&told);
	pid = getpid();
	atomic_store(&group->reg->guardian_started, ym_process_started(pid));
	atomic_store(&group->reg->guardian, pid);
	if (write(told, "!", 1) != 1)
		_exit(1);
	close(told);
	/* Else our own mapping would keep the registry alive after its removal. */
	ym_seg_detach(group->reg);
	_exit(ym_group_guard(group->semid, &group->spec, NULL) < 0);
}

static int fork_guardian(struct ym_group *group, struct ym_err *err)
{
	int told[2], status = 0;
	ssize_t n;
	char letter;
	pid_t pid;

	if (pipe2(told, O_CLOEXEC) < 0)
		return ym_fail_sys(err, errno, "pipe2() for the guardian");
	pid = fork();
	if (pid == 0)
		become_guardian(group, told[1]);
	close(told[1]);
	if (pid < 0) {
		close(told[0]);
		return ym_fail_sys(err, errno, "fork() of the guardian");
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	while ((n = read(told[0], &letter, 1)) < 0 && errno == EINTR)
		;
	close(told[0]);
	return n == 1 ? 0 : ym_fail(err, YM_ERR_SYSTEM, "the guardian of the group could not be forked");
}

int ym_group_guardian(struct ym_group *group, struct ym_err *err)
{
	pid_t pid;
	int result = 0;

	if (group->guest)
		return ym_fail(err, YM_ERR_PERMISSION,
		               "a guardian of ours could not remove the group of %s, which is another user's",
		               group->spec.directory);
	if (ym_group_registry(group, err) < 0 || ym_group_lock(group, err) < 0)
		return -1;
	pid = atomic_load(&group->reg->guardian);
	if (pid == 0 || ym_process_started(pid) != atomic_load(&group->reg->guardian_started))
		result = fork_guardian(group, err);
	ym_group_unlock(group);
	return result;
}
