/* capability.c - see capability.h: which capabilities a session is told (RFC 9051 6.1.1, 7.2.2). */
#include "session/capability.h"

#include "auth/client.h"
#include "io/stream.h"
#include "session/core.h"
#include "session/quota.h"
#include "session/server.h"

enum { USUAL_BYTES = 1024 }; /* of all names */

static void
add(struct buf *b, enum capability c)
{
	if (b->n > 0 && b->p[b->n - 1] != ' ')
		buf_chr(b, ' ');
	buf_add(b, capabilities[c].name, capabilities[c].name_bytes);
}

static void
add_number(struct buf *b, enum capability c, uint64_t number)
{
	add(b, c);
	buf_u64(b, number);
}

static void
add_mechs(const struct session *s, struct buf *b)
{
	const struct server_options *o = server_options(s->server);
	SSL *ssl = stream_ssl(s->stream);
	struct arena a = ARENA_NONE;
	struct str name;
	bool has_cert = ssl != NULL && tls_peer_names(ssl, &a, &name, 1) > 0;
	const char *const *mechs =
	    auth_mechs(o->auth, session_may_send_password(s), ssl != NULL, has_cert);

	arena_done(&a);
	for (; *mechs != NULL; mechs++) {
		add(b, CAP_AUTH);
		buf_c(b, *mechs);
	}
}

/* Those that code decides about. */
static void
add_special(const struct session *s, enum capability c, struct buf *b)
{
	const struct server_options *o = server_options(s->server);
	bool is_before_login = s->account == NULL;

	switch (c) {
	case CAP_STARTTLS:
		if (is_before_login && o->tls != NULL && stream_ssl(s->stream) == NULL)
			add(b, c);
		break;
	case CAP_LOGINDISABLED:
		if (is_before_login && !session_may_send_password(s))
			add(b, c);
		break;
	case CAP_AUTH:
		if (is_before_login)
			add_mechs(s, b);
		break;
	case CAP_COMPRESS:
		if (!is_before_login && !stream_is_deflated(s->stream))
			add(b, c);
		break;
	case CAP_QUOTASET:
		if (!is_before_login && quota_may_set(s))
			add(b, c);
		break;
	case CAP_APPENDLIMIT:
		if (!is_before_login)
			add_number(b, c, session_append_limit(s));
		break;
	/* Who limits more than what is added tells the one instead of the other (RFC 9738 3). */
	case CAP_SAVELIMIT:
		if (!is_before_login && session_message_limit(s) == 0 && session_save_limit(s) > 0)
			add_number(b, c, session_save_limit(s));
		break;
	case CAP_MESSAGELIMIT:
		if (!is_before_login && session_message_limit(s) > 0)
			add_number(b, c, server_limits(s->server)->message_told);
		break;
	default:
		must(false);
	}
}

void
capability_format(const struct session *s, struct buf *b)
{
	buf_reserve(b, USUAL_BYTES);
	for (enum capability c = 0; c < CAP_COUNT; c++) {
		switch (capabilities[c].when) {
		case CAP_NEVER_SHOWN:
			break;
		case CAP_ALWAYS:
			add(b, c);
			break;
		case CAP_BEFORE_LOGIN:
			if (s->account == NULL)
				add(b, c);
			break;
		case CAP_AFTER_LOGIN:
			if (s->account != NULL)
				add(b, c);
			break;
		case CAP_SPECIAL:
			add_special(s, c, b);
			break;
		}
	}
}
