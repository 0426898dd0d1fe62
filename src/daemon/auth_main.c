/* auth_main.c - the auth process: the server of auth/ on one loop, under the supervisor's hand. */
#include "auth/server.h"
#include "base/log.h"
#include "base/thread.h"
#include "daemon/roles.h"
#include "proc/child.h"

#include <unistd.h>

struct auth_process {
	struct child child;
	struct loop *loop;
	struct auth_server *server;
};

static void
on_event(void *arg, const struct auth_event *ev)
{
	(void)arg;
	/* The address before what the client chose: see share/fail2ban. */
	log_event(ev->err == ERR_OK ? LOG_INFO : err_level(ev->err), ev->event,
	    F_STR("peer", ev->peer), F_STR("service", ev->service), F_STR("mech", ev->mech),
	    F_ERR(ev->err), F_STR("user", ev->user),
	    F_C("detail", ev->detail != NULL ? ev->detail : ""));
}

static struct auth_settings
settings(const struct config *c, const char *users_path)
{
	return (struct auth_settings){
		.users_path = users_path,
		.workers = c->auth_workers,
		.cache_ms = c->auth_cache_time,
		.failure_delay_ms = c->auth_failure_delay,
		.cost = { .memory_bytes = c->password_hash_memory,
		    .passes = c->password_hash_passes,
		    .scram_iterations = c->scram_iterations,
		    .make_scram = c->scram },
		.domains = c->mail_domains.v,
		.domain_count = c->mail_domains.n,
	};
}

static void
on_configured(struct child *ch)
{
	struct auth_process *p = container_of(ch, struct auth_process, child);
	struct auth_settings s = settings(ch->config, NULL);

	auth_server_configure(p->server, &s);
}

static void
on_certified(struct child *ch)
{
	(void)ch; /* no business of ours */
}

static void
on_peer(struct child *ch, const struct child_peer *peer)
{
	struct auth_process *p = container_of(ch, struct auth_process, child);

	if (peer->who == ROLE_MAIL)
		auth_server_attach(p->server, peer->fd);
	else
		close(peer->fd);
}

static void
on_stop(struct child *ch)
{
	loop_stop(container_of(ch, struct auth_process, child)->loop);
}

int
auth_main(void)
{
	static const struct child_events events = { on_configured, on_certified, on_peer, on_stop };
	struct auth_process p;
	struct arena a = ARENA_NONE;
	struct auth_settings s;
	const char *folder;
	int status = 1;
	enum err e = child_open(&p.child, ROLE_AUTH);

	if (e != ERR_OK)
		return 1;
	folder = role_folder(&a, ROLE_AUTH, p.child.config);
	s = settings(p.child.config, "users.db");
	e = child_confine(&p.child, folder);
	if (e != ERR_OK)
		return 1;
	p.loop = loop_new(clock_system());
	e = auth_server_new(p.loop, &s, on_event, NULL, &p.server);
	if (e == ERR_OK) {
		child_watch(&p.child, p.loop, &events);
		child_ready(&p.child);
		thread_begin(NULL,
		    THREAD_PROMPT); /* the workers are there: none has it from here */
		loop_run(p.loop);
		auth_server_free(p.server);
		status = 0;
	} else {
		log_event(LOG_ERROR, "users", F_ERR(e), F_C("path", s.users_path));
	}
	child_close(&p.child);
	loop_free(p.loop);
	arena_done(&a);
	return status;
}
