/*
 * key_main.c - the process that keeps the private keys: it signs handshakes for the mail process,
 * and does nothing else. It opens no file and sees nothing that came from the network but what
 * io/sign_wire.h describes.
 */
#include "base/log.h"
#include "daemon/roles.h"
#include "io/sign_server.h"
#include "proc/child.h"

#include <unistd.h>

struct key_process {
	struct child child;
	struct loop *loop;
	struct sign_server *server;
	size_t loop_count; /* of the mail process */
};

/* On any thread. */
static void
on_refused(void *ctx, const char *why)
{
	(void)ctx;
	log_event(LOG_WARNING, "sign-refused", F_C("detail", why));
}

static enum err
take_keys(struct key_process *p)
{
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	struct str pems[MESSAGE_CERTS_MAX];
	enum err e;

	for (size_t i = 0; i < p->child.tls.count; i++)
		pems[i] = p->child.tls.certs[i].key;
	e = sign_server_replace(p->server, pems, p->child.tls.count, &why);
	child_forget_tls(&p->child);
	if (e != ERR_OK)
		log_event(LOG_ERROR, "keys", F_ERR(e), F_STR("detail", buf_str(&why)));
	return e;
}

static void
on_configured(struct child *ch)
{
	(void)ch; /* no business of ours */
}

static void
on_certified(struct child *ch)
{
	/*
	 * Without the new keys the new certificates would be of no use: the supervisor waits for
	 * our word.
	 */
	if (take_keys(container_of(ch, struct key_process, child)) == ERR_OK)
		child_ready(ch);
}

static void
on_peer(struct child *ch, const struct child_peer *peer)
{
	struct key_process *p = container_of(ch, struct key_process, child);
	/* Behind the loops come the doors, where a crowd may be. */
	const bool is_door = peer->number >= p->loop_count;
	enum err e = ERR_OK;

	if (peer->who == ROLE_MAIL)
		e = sign_server_attach(p->server, peer->fd,
		    is_door ? THREAD_MODEST : THREAD_STEADY);
	else
		close(peer->fd);
	if (e != ERR_OK)
		log_event(LOG_ERROR, "attach", F_ERR(e));
}

static void
on_stop(struct child *ch)
{
	loop_stop(container_of(ch, struct key_process, child)->loop);
}

int
key_main(void)
{
	static const struct child_events events = { on_configured, on_certified, on_peer, on_stop };
	struct key_process p;
	struct arena a = ARENA_NONE;
	int status = 1;

	if (child_open(&p.child, ROLE_KEY) != ERR_OK)
		return 1;
	p.loop_count = config_loops(p.child.config); /* which reads a file */
	if (child_confine(&p.child, role_folder(&a, ROLE_KEY, p.child.config)) != ERR_OK)
		return 1;
	p.loop = loop_new(clock_system());
	p.server = sign_server_new(on_refused, NULL);
	if (take_keys(&p) == ERR_OK) {
		child_watch(&p.child, p.loop, &events);
		child_ready(&p.child);
		loop_run(p.loop);
		status = 0;
	}
	sign_server_free(p.server);
	child_close(&p.child);
	loop_free(p.loop);
	arena_done(&a);
	return status;
}
