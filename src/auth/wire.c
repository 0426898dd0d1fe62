/* wire.c - see wire.h. */
#include "auth/wire.h"

enum { CERT_NAME_MAX = 1024, BINDING_MAX = 256, WORD_MAX = 64 };

static void
start_add(struct buf *b, const struct auth_start *s)
{
	frame_add_str(b, s->mech);
	frame_add_u8(b, s->has_initial);
	frame_add_str(b, s->initial);
	frame_add_str(b, s->user);
	frame_add_str(b, s->password);
	frame_add_str(b, s->service);
	frame_add_str(b, s->peer);
	frame_add_u8(b, s->is_secure);
	frame_add_str(b, s->tls_unique);
	frame_add_str(b, s->tls_exporter);
	frame_add_u8(b, (uint8_t)s->cert_name_count);
	for (size_t i = 0; i < s->cert_name_count; i++)
		frame_add_str(b, s->cert_names[i]);
}

static void
start_read(struct frame *f, struct auth_start *s)
{
	s->mech = frame_str(f, WORD_MAX);
	s->has_initial = frame_bool(f);
	s->initial = frame_str(f, AUTH_MESSAGE_MAX);
	s->user = frame_str(f, AUTH_MESSAGE_MAX);
	s->password = frame_str(f, AUTH_MESSAGE_MAX);
	s->service = frame_str(f, WORD_MAX);
	s->peer = frame_str(f, WORD_MAX);
	s->is_secure = frame_bool(f);
	s->tls_unique = frame_str(f, BINDING_MAX);
	s->tls_exporter = frame_str(f, BINDING_MAX);
	s->cert_name_count = frame_u8(f);
	if (s->cert_name_count > AUTH_CERT_NAMES_MAX)
		f->is_bad = true;
	for (size_t i = 0; i < s->cert_name_count && !f->is_bad; i++)
		s->cert_names[i] = frame_str(f, CERT_NAME_MAX);
}

static enum err
err_read(struct frame *f)
{
	uint8_t e = frame_u8(f);

	f->is_bad |= e >= ERR_COUNT;
	return f->is_bad ? ERR_BUG : (enum err)e;
}

bool
wire_fits(const struct wire_message *m)
{
	const struct auth_start *s = &m->start;
	bool fits = s->mech.n <= WORD_MAX && s->service.n <= WORD_MAX && s->peer.n <= WORD_MAX
	    && s->tls_unique.n <= BINDING_MAX && s->tls_exporter.n <= BINDING_MAX
	    && s->initial.n <= AUTH_MESSAGE_MAX && s->user.n <= AUTH_MESSAGE_MAX
	    && s->password.n <= AUTH_MESSAGE_MAX && m->data.n <= AUTH_MESSAGE_MAX
	    && m->result.data.n <= AUTH_MESSAGE_MAX && m->result.user.n <= AUTH_USER_MAX
	    && m->result.groups.n <= AUTH_GROUPS_MAX && s->cert_name_count <= AUTH_CERT_NAMES_MAX;

	for (size_t i = 0; fits && i < s->cert_name_count; i++)
		fits = s->cert_names[i].n <= CERT_NAME_MAX;
	return fits;
}

void
wire_add(struct buf *b, const struct wire_message *m)
{
	size_t at = frame_begin(b, (uint8_t)m->type);

	_Static_assert(ERR_COUNT <= 256, "errors travel in a byte");
	frame_add_u64(b, m->id);
	switch (m->type) {
	case WIRE_BEGIN:
		start_add(b, &m->start);
		break;
	case WIRE_RESPONSE:
	case WIRE_LOOKUP:
		frame_add_str(b, m->data);
		break;
	case WIRE_CANCEL:
		break;
	case WIRE_RESULT:
		frame_add_u8(b, (uint8_t)m->result.outcome);
		frame_add_u8(b, (uint8_t)m->result.err);
		frame_add_str(b, m->result.data);
		frame_add_str(b, m->result.user);
		frame_add_str(b, m->result.groups);
		break;
	case WIRE_FOUND:
		frame_add_u8(b, (uint8_t)m->result.err);
		frame_add_str(b, m->result.user);
		break;
	}
	frame_end(b, at);
}

enum err
wire_next(struct str in, bool for_server, struct wire_message *out, size_t *used_out)
{
	struct wire_message m = { 0 };
	struct frame f;
	uint8_t outcome;
	enum err e = frame_next(in, &f, used_out);

	if (e != ERR_OK)
		return e;
	m.type = f.type;
	m.id = frame_u64(&f);
	switch (m.type) {
	case WIRE_BEGIN:
		start_read(&f, &m.start);
		break;
	case WIRE_RESPONSE:
	case WIRE_LOOKUP:
		m.data = frame_str(&f, AUTH_MESSAGE_MAX);
		break;
	case WIRE_CANCEL:
		break;
	case WIRE_RESULT:
		outcome = frame_u8(&f);
		f.is_bad |= outcome > AUTH_FAIL;
		m.result.outcome = outcome;
		m.result.err = err_read(&f);
		m.result.data = frame_str(&f, AUTH_MESSAGE_MAX);
		m.result.user = frame_str(&f, AUTH_USER_MAX);
		m.result.groups = frame_str(&f, AUTH_GROUPS_MAX);
		break;
	case WIRE_FOUND:
		m.result.err = err_read(&f);
		m.result.user = frame_str(&f, AUTH_USER_MAX);
		break;
	default:
		return ERR_CORRUPT;
	}
	if ((m.type <= WIRE_LOOKUP) != for_server || frame_finish(&f) != ERR_OK)
		return ERR_CORRUPT;
	*out = m;
	return ERR_OK;
}
