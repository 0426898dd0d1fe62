/* control.c - see control.h. */
#include "daemon/control.h"

#include "auth/client.h"
#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "daemon/admin.h"
#include "daemon/control_line.h"
#include "io/loop.h"
#include "session/server.h"
#include "store/sharing.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512, REQUESTS_MAX = 64, WHO_MAX_BYTES = 64 << 20 };

struct control {
	struct loop *loop;
	int fd;
	struct server *server;
	struct store *store;
	struct auth_client *auth;
	struct admin *admin;
	struct loop_fd readable;
	struct list requests;
	size_t count;
};

/* A connection that has not become a session. */
struct request {
	struct list node;
	struct control *control;
	int fd;
	struct loop_fd readable, writable;
	struct buf line, answer;
	struct auth_lookup *lookup;
	bool is_delete;
	char *user;
	struct waiter waiter;
	struct loop_task again;
};

static void
request_free(struct request *r)
{
	list_remove(&r->node);
	r->control->count--;
	if (r->lookup != NULL)
		auth_lookup_cancel(r->lookup);
	waiter_cancel(&r->waiter);
	loop_task_cancel(r->control->loop, &r->again);
	loop_fd_off(&r->readable);
	loop_fd_off(&r->writable);
	if (r->fd >= 0)
		close(r->fd);
	buf_done(&r->line);
	buf_done(&r->answer);
	free(r->user);
	free(r);
}

static void
on_writable(struct loop_fd *f)
{
	struct request *r = container_of(f, struct request, writable);
	ssize_t n = send(r->fd, r->answer.p, r->answer.n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		buf_consume(&r->answer, (size_t)n);
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || r->answer.n == 0)
		request_free(r);
}

/* Sends what is in `answer`, then ends. */
static void
finish(struct request *r)
{
	loop_fd_off(&r->readable);
	loop_fd_on(&r->writable);
}

static void
refuse(struct request *r, enum err e)
{
	buf_printf(&r->answer, "ERROR %s %s\n", err_name(e),
	    e == ERR_UNKNOWN ? "There is no such user." : err_text(e));
	finish(r);
}

static void
delete_account(struct request *r)
{
	enum err e = store_account_delete(r->control->store, str_c(r->user), &r->waiter);

	if (e == ERR_WAIT)
		return;
	if (e != ERR_OK && e != ERR_NOTFOUND) {
		refuse(r, e);
		return;
	}
	log_event(LOG_INFO, "account-deleted", F_C("user", r->user));
	buf_lit(&r->answer, "OK\n");
	finish(r);
}

static void
become_session(struct request *r)
{
	struct control *c = r->control;
	struct account *account;
	enum err e =
	    store_account_open(c->store, str_c(r->user), ACCOUNT_CREATE, &r->waiter, &account);
	int fd = r->fd;

	if (e == ERR_WAIT)
		return;
	if (e != ERR_OK) {
		refuse(r, e);
		return;
	}
	r->fd = -1;
	loop_fd_off(&r->readable);
	loop_fd_off(&r->writable);
	server_serve_preauth(c->server, c->loop, fd, str_c(r->user), account);
	request_free(r);
}

static void
go_on(struct request *r)
{
	if (r->is_delete)
		delete_account(r);
	else
		become_session(r);
}

static void
on_again(struct loop_task *t)
{
	go_on(container_of(t, struct request, again));
}

static void
on_wake(struct waiter *w)
{
	struct request *r = container_of(w, struct request, waiter);

	loop_post(r->control->loop, &r->again);
}

static void
on_found(void *arg, enum err e, struct str user)
{
	struct request *r = arg;

	r->lookup = NULL;
	/* Who may not log in has mail, too. */
	if (e != ERR_OK && e != ERR_CONTACTADMIN) {
		refuse(r, e);
		return;
	}
	free(r->user);
	r->user = xstrdup(user);
	go_on(r);
}

/* The thread that serves it from here on may block. */
static void
become_admin(struct request *r)
{
	enum err e;

	loop_fd_off(&r->writable);
	if (send(r->fd, "OK\n", 3, MSG_NOSIGNAL | MSG_DONTWAIT) != 3) {
		request_free(r);
		return;
	}
	e = admin_serve(r->control->admin, r->fd);
	if (e == ERR_OK)
		r->fd = -1;
	request_free(r);
}

static void
run_line(struct request *r, struct str line)
{
	struct control *c = r->control;
	enum control_verb verb;
	struct str user;

	/* Nothing more is read here: what follows belongs to the session. */
	loop_fd_off(&r->readable);
	if (!control_line_parse(line, &verb, &user)) {
		refuse(r, ERR_SYNTAX);
		return;
	}
	if (user.n > 0)
		r->user = xstrdup(user);
	switch (verb) {
	case CONTROL_WHO:
		server_who(c->server, &r->answer);
		if (r->answer.n == 0)
			request_free(r);
		else
			finish(r);
		break;
	case CONTROL_ADMIN:
		become_admin(r);
		break;
	case CONTROL_USER:
		if (str_eq(user, SHARED_USER))
			go_on(r); /* nobody's account, which nobody logs in to otherwise */
		else
			auth_lookup(c->auth, c->loop, user, on_found, r, &r->lookup);
		break;
	case CONTROL_DELETE:
		/* The tool has deleted the user already. */
		r->is_delete = true;
		go_on(r);
		break;
	}
}

static void
on_readable(struct loop_fd *f)
{
	struct request *r = container_of(f, struct request, readable);
	char c;
	ssize_t n;

	/*
	 * Byte by byte, so that nothing behind the line is taken from the session. It is a short
	 * line.
	 */
	while ((n = recv(r->fd, &c, 1, MSG_DONTWAIT)) == 1) {
		if (c == '\n') {
			run_line(r, buf_str(&r->line));
			return;
		}
		buf_chr(&r->line, c);
	}
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || n == 0 || buf_err(&r->line) != ERR_OK)
		request_free(r);
}

static void
on_connection(struct loop_fd *f)
{
	struct control *c = container_of(f, struct control, readable);
	int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct request *r;

	if (fd < 0)
		return;
	if (c->count >= REQUESTS_MAX) {
		close(fd);
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->control = c;
	r->fd = fd;
	r->line = BUF_MAX(LINE_MAX_BYTES);
	r->answer = BUF_MAX(WHO_MAX_BYTES);
	waiter_init(&r->waiter, on_wake);
	loop_task_init(&r->again, on_again);
	loop_fd_init(c->loop, &r->readable, fd, false, on_readable);
	loop_fd_init(c->loop, &r->writable, fd, true, on_writable);
	loop_fd_on(&r->readable);
	list_add_tail(&c->requests, &r->node);
	c->count++;
}

struct control *
control_new(struct loop *loop, int fd, struct server *server, struct store *store,
    struct auth_client *auth, struct admin *admin)
{
	struct control *c = xcalloc(1, sizeof(*c));

	*c = (struct control){ .loop = loop,
		.fd = fd,
		.server = server,
		.store = store,
		.auth = auth,
		.admin = admin };
	list_init(&c->requests);
	loop_fd_init(loop, &c->readable, fd, false, on_connection);
	loop_fd_on(&c->readable);
	return c;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	list_each(&c->requests, r, struct request, node) request_free(r);
	loop_fd_off(&c->readable);
	free(c);
}
