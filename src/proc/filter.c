/*
 * filter.c - see filter.h. The filter answers a call that is not allowed with SIGSYS, and the
 * handler decides: it runs in the thread that called, wherever it was, so it takes no lock and no
 * memory.
 */
#include "proc/filter.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code */
#endif

enum { CALLS_MAX = 512, ARGS_MAX = 2 };

struct rule {
	unsigned groups;
	int call;
	unsigned arg_count;
	struct scmp_arg_cmp args[ARGS_MAX];
};

/*
 * A handler can be given nothing: what it needs is written before the filter is entered, and
 * told_calls by atomic steps.
 */
static const char *call_names[CALLS_MAX];
static bool is_intruders[CALLS_MAX];
static atomic_bool told_calls[CALLS_MAX];

/* The value that the call seems to have returned. */
static bool
set_result(ucontext_t *u, int err)
{
#if defined(__x86_64__)
	u->uc_mcontext.gregs[REG_RAX] = -err;
	return true;
#elif defined(__aarch64__)
	u->uc_mcontext.regs[0] = (unsigned long long)-err;
	return true;
#else
	(void)u;
	(void)err;
	return false;
#endif
}

static void
on_denied(int sig, siginfo_t *info, void *context)
{
	unsigned call = (unsigned)info->si_syscall;
	bool is_known = call < CALLS_MAX, is_intruder;
	int before = errno;

	if (info->si_code != SYS_SECCOMP)
		return;
	is_intruder = (is_known && is_intruders[call]) || !set_result(context, EPERM);
	if (!is_known || !atomic_exchange(&told_calls[call], true) || is_intruder)
		log_in_handler(is_intruder ? LOG_ERROR : LOG_WARNING, "sandbox-denied", "call",
		    is_known && call_names[call] != NULL ? call_names[call] : "unknown", "result",
		    is_intruder ? "killed" : "EPERM");
	if (is_intruder) {
		signal(sig, SIG_DFL);
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
	}
	errno = before;
}

/*
 * The handler may be asked on any thread, also on one that blocks signals: a blocked SIGSYS would
 * kill.
 */
static bool
handle(void)
{
	struct sigaction sa = { .sa_sigaction = on_denied,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };
	sigset_t set;

	for (int i = 0; i < CALLS_MAX; i++)
		call_names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
	sigemptyset(&sa.sa_mask);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	return sigaction(SIGSYS, &sa, NULL) == 0 && sigprocmask(SIG_UNBLOCK, &set, NULL) == 0;
}

static bool
is_allowed(const struct rule *rules, size_t count, unsigned groups, int call)
{
	for (size_t i = 0; i < count; i++)
		if (rules[i].call == call && (rules[i].groups & groups) != 0)
			return true;
	return false;
}

/* Calls that this machine's architecture does not have are left out by the library (EDOM). */
static bool
add(scmp_filter_ctx ctx, uint32_t action, const struct rule *r)
{
	int rc = seccomp_rule_add_array(ctx, action, r->call, r->arg_count, r->args);

	return rc == 0 || rc == -EDOM;
}

static bool
add_all(scmp_filter_ctx ctx, unsigned groups)
{
	const struct rule rules[] = {
#define CALL(group, name) { .groups = CALLS_##group, .call = SCMP_SYS(name) },
#define CALL_IF(group, name, ...)                                                                  \
	{ .groups = CALLS_##group,                                                                 \
		.call = SCMP_SYS(name),                                                            \
		.arg_count =                                                                       \
		    sizeof((struct scmp_arg_cmp[]){ __VA_ARGS__ }) / sizeof(struct scmp_arg_cmp),  \
		.args = { __VA_ARGS__ } },
#define INTRUDER(name)
#define EXPECTED(name, err)
#include "proc/calls.def"
#undef CALL
#undef CALL_IF
#undef INTRUDER
#undef EXPECTED
	};

	static const struct {
		int call, err;
	} refused[] = {

#define CALL(group, name)
#define CALL_IF(group, name, ...)
#define INTRUDER(name) { SCMP_SYS(name), 0 },
#define EXPECTED(name, err) { SCMP_SYS(name), err },
#include "proc/calls.def"
#undef CALL
#undef CALL_IF
#undef INTRUDER
#undef EXPECTED
	};
	bool ok = true;

	for (size_t i = 0; ok && i < ARRAY_LEN(rules); i++)
		ok = (rules[i].groups & groups) == 0 || add(ctx, SCMP_ACT_ALLOW, &rules[i]);
	for (size_t i = 0; ok && i < ARRAY_LEN(refused); i++) {
		struct rule r = { .call = refused[i].call };

		if (refused[i].err == 0 && r.call >= 0 && r.call < CALLS_MAX)
			is_intruders[r.call] = true;
		if (refused[i].err != 0)
			ok = add(ctx, SCMP_ACT_ERRNO((unsigned)refused[i].err), &r);
		else if ((groups & CALLS_START) != 0
		    && !is_allowed(rules, ARRAY_LEN(rules), groups, r.call))
			ok = add(ctx, SCMP_ACT_TRAP, &r);
	}
	return ok;
}

bool
filter_enter(unsigned groups)
{
	/*
	 * A child inherits the filter but not the handler, and what its libraries try before it is
	 * confined must not end it: there the unforeseen is refused silently.
	 */
	scmp_filter_ctx ctx =
	    seccomp_init((groups & CALLS_START) != 0 ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_TRAP);
	bool ok = ctx != NULL
	    && seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0
	    && seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 && add_all(ctx, groups)
	    && handle() && seccomp_load(ctx) == 0;

	if (ctx != NULL)
		seccomp_release(ctx);
	return ok;
}
