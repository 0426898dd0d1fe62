/* sandbox.c - see sandbox.h. Landlock confines files and TCP, seccomp the system calls; both hold for all threads to come. */
#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitizers trace and read more than a server may. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

static void
say(struct buf *why, const char *what)
{
	if (why->n > 0)
		buf_lit(why, "; ");
	buf_printf(why, "%s: %s", what, strerror(errno));
}

static enum err
become(const char *user, struct buf *why)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL) {
		buf_printf(why, "there is no user \"%s\"", user);
		return ERR_NOPERM;
	}
	if (setgroups(1, &pw->pw_gid) != 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0
	    || setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0) {
		say(why, "can't become another user");
		return ERR_NOPERM;
	}
	/* There is no way back. */
	if (pw->pw_uid != 0 && setuid(0) == 0) {
		buf_lit(why, "root could be regained");
		return ERR_NOPERM;
	}
	return ERR_OK;
}

/* Rights of Landlock's first ABI and of the third; what a newer kernel knows beyond stays allowed. */
enum { READ_RIGHTS = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR };
#define FS_V1 ((1ull << 13) - 1)
#define FS_REFER (1ull << 13)
#define FS_TRUNCATE (1ull << 14)
#define NET_TCP 3ull	/* bind and connect; ABI 4 */

struct ruleset_attr_v4 {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
};

static bool
allow_path(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights };
	bool ok;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return false;
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

static bool
confine_files(const char *folder)
{
	/* What libraries read while running: time zones, randomness, their own process. */
	static const char *const readable[] = { "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/random", "/proc" };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attr_v4 attr = { .handled_access_fs = FS_V1 };
	bool ok;
	int ruleset;

	if (abi < 1)
		return false;
	if (abi >= 2)
		attr.handled_access_fs |= FS_REFER;
	if (abi >= 3)
		attr.handled_access_fs |= FS_TRUNCATE;
	if (abi >= 4)
		attr.handled_access_net = NET_TCP;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, abi >= 4 ? sizeof(attr) : sizeof(uint64_t), 0);
	if (ruleset < 0)
		return false;
	ok = allow_path(ruleset, folder, attr.handled_access_fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE);
	/* /dev/null and files are no folders: only the rights of files may be given to them. */
	if (!allow_path(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE))
		ok = false;
	for (size_t i = 0; i < ARRAY_LEN(readable); i++)
		if (!allow_path(ruleset, readable[i], READ_RIGHTS))
			allow_path(ruleset, readable[i], LANDLOCK_ACCESS_FS_READ_FILE);
	ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	close(ruleset);
	return ok;
}

/* Ways out of a process that has been taken over, none of which a server uses once it runs. */
static const int forbidden[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_open), SCMP_SYS(kcmp),
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
	SCMP_SYS(setgroups), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(capset),
	SCMP_SYS(chroot), SCMP_SYS(pivot_root), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
	SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(unshare),
	SCMP_SYS(setns), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(quotactl),
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
	SCMP_SYS(acct), SCMP_SYS(syslog), SCMP_SYS(personality), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt),
	SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname), SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at), SCMP_SYS(fanotify_init),
	SCMP_SYS(lookup_dcookie), SCMP_SYS(vhangup), SCMP_SYS(memfd_secret),
};

static bool
confine_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	bool ok = ctx != NULL;

	for (size_t i = 0; ok && i < ARRAY_LEN(forbidden); i++)
		ok = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0) == 0;
	/* Threads, but no processes: clone3's flags can't be looked at, so the C library is sent back to clone. */
	ok = ok && seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0
	    && seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0
	    && seccomp_load(ctx) == 0;
	if (ctx != NULL)
		seccomp_release(ctx);
	return ok;
}

enum err
sandbox_enter(const struct sandbox *s, struct buf *why)
{
	if (s->user != NULL) {
		enum err e = become(s->user, why);

		if (e != ERR_OK)
			return e;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		say(why, "no_new_privs");
		return ERR_NOPERM;
	}
	if (IS_SANITIZED) {
		buf_lit(why, "built with a sanitizer: not confined");
		return ERR_OK;
	}
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		say(why, "dumpable");
	if (!s->is_confined) {
		buf_lit(why, "switched off in the configuration");
		return ERR_OK;
	}
	if (!confine_files(s->folder))
		say(why, "Landlock");
	errno = 0;
	if (!confine_calls())
		say(why, "seccomp");
	return ERR_OK;
}
