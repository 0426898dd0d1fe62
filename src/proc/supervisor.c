/* supervisor.c - see supervisor.h. */
#include "proc/supervisor.h"

#include "base/log.h"
#include "proc/folders.h"
#include "proc/kid_int.h"
#include "proc/notify.h"
#include "proc/sandbox.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	STOP_TIMEOUT_MS = 10000, /* then SIGKILL */
	AGAIN_MS = 1000,
	CERTS_POLL_MS = 30000,
};

static void
fail_start(struct supervisor *sup, const char *event, struct str detail)
{
	log_event(LOG_ERROR, event, F_STR("detail", str_trim(detail)));
	sup->status = 1;
}

/* --- Ending and reloading --- */

static void
stop(struct supervisor *sup)
{
	if (sup->is_stopping) {
		/*
		 * Asked again by somebody who has waited, and not by the same signal sent to the
		 * process and to its group: at once.
		 */
		if (loop_now_ms(sup->loop) - sup->stopping_ms < AGAIN_MS)
			return;
		sup->is_killing = true;
		for (unsigned i = 0; i < ROLE_COUNT; i++)
			if (sup->kids[i].pid != 0)
				kill(sup->kids[i].pid, SIGKILL);
		return;
	}
	log_event(LOG_INFO, "stopping");
	notify_state("STOPPING=1");
	sup->is_stopping = true;
	sup->stopping_ms = loop_now_ms(sup->loop);
	loop_timer_cancel(sup->loop, &sup->certs_poll);
	loop_timer_set(sup->loop, &sup->deadline, STOP_TIMEOUT_MS);
	kids_stop_next(sup);
}

static void
on_term(struct loop_signal *s)
{
	stop(container_of(s, struct supervisor, term));
}

static void
on_interrupt(struct loop_signal *s)
{
	stop(container_of(s, struct supervisor, interrupt));
}

static void
on_deadline(struct loop_timer *t)
{
	struct supervisor *sup = container_of(t, struct supervisor, deadline);

	log_event(LOG_WARNING, "stopping",
	    F_C("detail", "children did not end in time and are killed"));
	stop(sup);
	loop_timer_set(sup->loop, &sup->deadline, STOP_TIMEOUT_MS);
}

static void
reload_certs(struct supervisor *sup)
{
	BUF_CLEAN struct buf why = BUF_MAX(4096);
	struct certs fresh;

	if (certs_load(sup->config, &fresh, &why) != ERR_OK) {
		log_event(LOG_ERROR, "certificates", F_STR("detail", buf_str(&why)),
		    F_C("result", "the old ones stay"));
		return;
	}
	certs_done(&sup->certs);
	sup->certs = fresh;
	sup->is_mail_behind = true;
	kid_send(&sup->kids[ROLE_KEY], &sup->certs.keys, -1);
	log_event(LOG_INFO, "certificates", F_C("result", "loaded"));
}

static void
on_certs_poll(struct loop_timer *t)
{
	struct supervisor *sup = container_of(t, struct supervisor, certs_poll);

	if (certs_have_changed(&sup->certs, sup->config))
		reload_certs(sup);
	loop_timer_set(sup->loop, t, CERTS_POLL_MS);
}

/*
 * The configuration after a reload: options that are only looked at when a process starts keep
 * their value, and a line says so.
 */
static struct config *
merge_reloaded(const struct config *old, struct config *fresh)
{
	BUF_CLEAN struct buf text = BUF_MAX(CONFIG_TEXT_MAX), errors = BUF_MAX(4096);
	struct config *merged;

	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		BUF_CLEAN struct buf a = BUF_MAX(CONFIG_TEXT_MAX), b = BUF_MAX(CONFIG_TEXT_MAX),
				     def = BUF_MAX(CONFIG_TEXT_MAX);
		struct str value;

		config_format_value(old, o, &a);
		config_format_value(fresh, o, &b);
		config_format_default(o, &def);
		if (!o->can_reload && !str_eq(buf_str(&a), buf_str(&b)))
			log_event(LOG_WARNING, "reload", F_C("option", o->name),
			    F_C("result", "needs a restart"));
		value = buf_str(o->can_reload ? &b : &a);
		if (!str_eq(value, buf_str(&def)))
			buf_printf(&text, "%s = %.*s\n", o->name, STR_F(value));
	}
	config_free(fresh);
	/* Else what did not fit would have its default from now on. */
	if (buf_err(&text) != ERR_OK)
		return NULL;
	return config_parse("reload", buf_str(&text), &merged, &errors) == ERR_OK ? merged : NULL;
}

static void
on_hup(struct loop_signal *s)
{
	struct supervisor *sup = container_of(s, struct supervisor, hup);
	BUF_CLEAN struct buf errors = BUF_MAX(4096);
	struct config *fresh;

	if (sup->is_stopping)
		return;
	if (sup->options->config_path != NULL) {
		if (config_load(sup->options->config_path, &fresh, &errors) != ERR_OK) {
			log_event(LOG_ERROR, "reload", F_STR("detail", str_trim(buf_str(&errors))),
			    F_C("result", "the old one stays"));
			return;
		}
		fresh = merge_reloaded(sup->config, fresh);
		if (fresh == NULL) {
			log_event(LOG_ERROR, "reload", F_C("detail", "too long"),
			    F_C("result", "the old one stays"));
			return;
		}
		config_free(sup->config);
		sup->config = fresh;
		log_setup(fresh->log_level, "supervisor");
	}
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		kid_send_config(&sup->kids[i]);
	reload_certs(sup);
	log_event(LOG_INFO, "reload", F_C("result", "done"));
}

/* --- Life --- */

static void
on_chld(struct loop_signal *s)
{
	struct supervisor *sup = container_of(s, struct supervisor, chld);
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < ROLE_COUNT; i++)
			if (sup->kids[i].pid == pid)
				kid_ended(&sup->kids[i], status);
}

static void
raise_limits(const struct config *c)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rlim_t want =
		    MAX(rl.rlim_max, (rlim_t)(geteuid() == 0 ? c->connections_max + 4096 : 0));

		rl.rlim_cur = rl.rlim_max = want;
		if (setrlimit(RLIMIT_NOFILE, &rl) != 0 && getrlimit(RLIMIT_NOFILE, &rl) == 0) {
			rl.rlim_cur = rl.rlim_max;
			setrlimit(RLIMIT_NOFILE, &rl);
		}
	}
}

static void
watch(struct supervisor *sup)
{
	loop_signal_on(sup->loop, &sup->chld, SIGCHLD, on_chld);
	loop_signal_on(sup->loop, &sup->hup, SIGHUP, on_hup);
	loop_signal_on(sup->loop, &sup->term, SIGTERM, on_term);
	loop_signal_on(sup->loop, &sup->interrupt, SIGINT, on_interrupt);
	loop_timer_init(&sup->certs_poll, on_certs_poll);
	loop_timer_init(&sup->deadline, on_deadline);
	loop_timer_set(sup->loop, &sup->certs_poll, CERTS_POLL_MS);
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		kid_init(&sup->kids[i], sup, i);
}

static void
confine(struct supervisor *sup)
{
	BUF_CLEAN struct buf why = BUF_MAX(1024);

	if (sandbox_enter_supervisor(sup->config, &why) != ERR_OK)
		fail_start(sup, "sandbox", buf_str(&why));
	else if (why.n > 0)
		log_event(LOG_WARNING, "sandbox", F_STR("detail", buf_str(&why)));
}

int
supervisor_run(const struct supervisor_options *o)
{
	struct supervisor sup = { .options = o, .config = o->config };
	BUF_CLEAN struct buf why = BUF_MAX(4096);

	log_setup(sup.config->log_level, "supervisor");
	signal(SIGPIPE, SIG_IGN);
	sandbox_hide_memory();
	raise_limits(sup.config);
	sockets_inherit(&sup.sockets);
	if (!folders_make(sup.config, &why))
		fail_start(&sup, "folders", buf_str(&why));
	else if (sockets_bind(&sup.sockets, sup.config, &why) != ERR_OK)
		fail_start(&sup, "listen", buf_str(&why));
	else if (certs_load(sup.config, &sup.certs, &why) != ERR_OK)
		fail_start(&sup, "certificates", buf_str(&why));
	else
		confine(&sup);
	if (sup.status == 0) {
		sup.loop = loop_new(clock_system());
		watch(&sup);
		kid_start(&sup.kids[ROLE_AUTH]);
		kid_start(&sup.kids[ROLE_KEY]);
		kid_start(&sup.kids[ROLE_MAIL]);
		loop_run(sup.loop);
		loop_signal_off(&sup.chld);
		loop_signal_off(&sup.hup);
		loop_signal_off(&sup.term);
		loop_signal_off(&sup.interrupt);
		loop_free(sup.loop);
	}
	sockets_close(&sup.sockets);
	certs_done(&sup.certs);
	config_free(sup.config);
	return sup.status;
}
