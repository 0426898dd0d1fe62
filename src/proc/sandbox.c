/*
 * sandbox.c - see sandbox.h. The order matters: capabilities that nobody keeps leave the bounding
 * set while we may still say so, then the user changes, then Landlock and seccomp, which need
 * no_new_privs. All hold for the threads to come.
 */
#include "proc/sandbox.h"

#include "base/sanitized.h"
#include "proc/filter.h"
#include "proc/landlock.h"

#include <elf.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <link.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define CAP_BIT(cap) (1ull << (cap))
#define SUPERVISOR_CAPS                                                                            \
	(CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_KILL)      \
	    | CAP_BIT(CAP_DAC_READ_SEARCH))

static void
say(struct buf *why, const char *what)
{
	if (why->n > 0)
		buf_lit(why, "; ");
	buf_printf(why, "%s: %s", what, strerror(errno));
}

void
sandbox_hide_memory(void)
{
	const struct rlimit none = { 0, 0 };

	if (IS_SANITIZED)
		return;
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* What is open already may have higher numbers. */
static bool
limit_files(rlim_t most)
{
	struct rlimit rl;

	if (most == 0)
		return true;
	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return false;
	rl.rlim_max = MIN(rl.rlim_max, most);
	rl.rlim_cur = MIN(rl.rlim_cur, rl.rlim_max);
	return setrlimit(RLIMIT_NOFILE, &rl) == 0;
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

/*
 * No program that is executed from here on can have more than these. Only root may say so, and only
 * root needs to.
 */
static void
bound_caps(uint64_t keep)
{
	for (int cap = 0; cap <= 63; cap++)
		if ((keep & CAP_BIT(cap)) == 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0
		    && errno == EINVAL)
			break; /* the kernel's last one was before */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* What is kept is at most what is there. */
static enum err
keep_caps(uint64_t keep, struct buf *why)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &head, data) != 0) {
		say(why, "capget");
		return ERR_NOPERM;
	}
	for (size_t i = 0; i < ARRAY_LEN(data); i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) != 0) {
		say(why, "capset");
		return ERR_NOPERM;
	}
	return ERR_OK;
}

/*
 * What libraries read once, while they still can: the time zone for the engine's own log, OpenSSL's
 * configuration.
 */
static void
read_ahead(void)
{
	tzset();
	OPENSSL_init_ssl(0, NULL);
}

static bool
confine_child_files(bool has_folder)
{
	const struct landlock_rule rules[] = {
		{ ".", LANDLOCK_WRITE }, /* the first: see below */
		/* What they read later. */
		{ "/dev/urandom", LANDLOCK_READ },
		{ "/dev/null", LANDLOCK_READ },
		{ "/sys/devices/system/cpu", LANDLOCK_READ },
		/* sanitizers: programs and libraries, for the names in reports */
		{ "/", LANDLOCK_READ },
	};

	return landlock_enter(rules + !has_folder, ARRAY_LEN(rules) - !IS_SANITIZED - !has_folder,
	    false);
}

/*
 * The folder of the program that maps libraries, which comes before ours whenever that is executed.
 */
static int
find_interpreter(struct dl_phdr_info *info, unused_arg size_t size, void *out)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		char *slash;

		if (h->p_type != PT_INTERP
		    || realpath((const char *)(info->dlpi_addr + h->p_vaddr), out) == NULL)
			continue;
		slash = strrchr(out, '/');
		*(slash == out ? slash + 1 : slash) = '\0';
	}
	return 1; /* the program is the first, and all that we want */
}

static bool
confine_supervisor_files(const struct config *c)
{
	char libraries[PATH_MAX] = "/lib";
	const struct landlock_rule rules[] = {
		{ "/", LANDLOCK_READ }, /* the configuration and the keys may be anywhere */
		{ c->data_dir.p, LANDLOCK_WRITE },
		{ c->run_dir.p, LANDLOCK_WRITE },
		{ "/proc/self/exe", LANDLOCK_EXECUTE },
		{ libraries, LANDLOCK_EXECUTE },
	};

	dl_iterate_phdr(find_interpreter, libraries);
	return landlock_enter(rules, ARRAY_LEN(rules), true);
}

/* @files  Landlock has been entered */
static enum err
finish(const struct config *c, bool files, unsigned groups, struct buf *why)
{
	if (!files)
		say(why, "Landlock");
	if (IS_SANITIZED)
		groups |= CALLS_SANITIZER | CALLS_FILES;
	if (!filter_enter(groups))
		say(why, "seccomp");
	return why->n > 0 && c->sandbox == SANDBOX_REQUIRE ? ERR_NOPERM : ERR_OK;
}

static enum err
forbid_new_privileges(struct buf *why)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return ERR_OK;
	say(why, "no_new_privs");
	return ERR_NOPERM;
}

enum err
sandbox_enter(enum role role, const struct config *c, struct buf *why)
{
	struct str user = role_user(role, c);
	enum err e = ERR_OK;

	read_ahead();
	if (!limit_files(role_table[role].files)) {
		say(why, "the limit of descriptors");
		e = ERR_NOPERM;
	}
	bound_caps(0);
	if (e == ERR_OK && geteuid() == 0 && user.n > 0 && !str_eq(user, STR("root")))
		e = become(user.p, why);
	if (e == ERR_OK)
		e = keep_caps(0, why);
	if (e == ERR_OK)
		e = forbid_new_privileges(why);
	sandbox_hide_memory(); /* another user: the kernel has forgotten it */
	if (e != ERR_OK || c->sandbox == SANDBOX_OFF)
		return e;
	return finish(c, confine_child_files((role_table[role].calls & CALLS_FILES) != 0),
	    role_table[role].calls, why);
}

enum err
sandbox_enter_supervisor(const struct config *c, struct buf *why)
{
	enum err e;

	bound_caps(SUPERVISOR_CAPS);
	e = keep_caps(SUPERVISOR_CAPS, why);
	if (e == ERR_OK)
		e = forbid_new_privileges(why);
	if (e != ERR_OK || c->sandbox == SANDBOX_OFF)
		return e;
	return finish(c, confine_supervisor_files(c), CALLS_COMMON | CALLS_FILES | CALLS_START,
	    why);
}
