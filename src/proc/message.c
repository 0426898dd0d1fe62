/* message.c - see message.h. */
#include "proc/message.h"

bool
proc_message_fits(const struct proc_message *m)
{
	const size_t length = 4; /* of a text, in front of it */
	size_t n = FRAME_HEAD + 1 + length + m->client_ca.n;

	for (size_t i = 0; i < m->cert_count; i++)
		n += 2 * length + m->certs[i].cert.n + m->certs[i].key.n;
	return n <= FRAME_MAX;
}

void
proc_message_add(struct buf *b, const struct proc_message *m)
{
	size_t at = frame_begin(b, (uint8_t)m->type);

	switch (m->type) {
	case MESSAGE_CONFIG:
		frame_add_str(b, m->text);
		break;
	case MESSAGE_TLS:
		frame_add_u8(b, (uint8_t)m->cert_count);
		for (size_t i = 0; i < m->cert_count; i++) {
			frame_add_str(b, m->certs[i].cert);
			frame_add_str(b, m->certs[i].key);
		}
		frame_add_str(b, m->client_ca);
		break;
	case MESSAGE_LISTEN:
		frame_add_u8(b, (uint8_t)m->service);
		break;
	case MESSAGE_PEER:
		frame_add_u8(b, (uint8_t)m->role);
		frame_add_u8(b, m->number);
		break;
	case MESSAGE_GO:
	case MESSAGE_STOP:
	case MESSAGE_READY:
		break;
	}
	frame_end(b, at);
}

static void
tls_read(struct frame *f, struct proc_message *m)
{
	m->cert_count = frame_u8(f);
	if (m->cert_count > MESSAGE_CERTS_MAX)
		f->is_bad = true;
	for (size_t i = 0; i < m->cert_count && !f->is_bad; i++) {
		m->certs[i].cert = frame_str(f, MESSAGE_PEM_MAX);
		m->certs[i].key = frame_str(f, MESSAGE_PEM_MAX);
	}
	m->client_ca = frame_str(f, MESSAGE_PEM_MAX);
}

enum err
proc_message_next(struct str in, bool for_child, struct proc_message *out, size_t *used_out)
{
	struct proc_message m = { 0 };
	struct frame f;
	uint8_t n;
	enum err e = frame_next(in, &f, used_out);

	if (e != ERR_OK)
		return e;
	m.type = f.type;
	switch (m.type) {
	case MESSAGE_CONFIG:
		m.text = frame_str(&f, CONFIG_TEXT_MAX);
		break;
	case MESSAGE_TLS:
		tls_read(&f, &m);
		break;
	case MESSAGE_LISTEN:
		n = frame_u8(&f);
		f.is_bad |= n >= SERVICE_COUNT;
		m.service = n;
		break;
	case MESSAGE_PEER:
		n = frame_u8(&f);
		f.is_bad |= n >= ROLE_COUNT;
		m.role = n;
		m.number = frame_u8(&f);
		break;
	case MESSAGE_GO:
	case MESSAGE_STOP:
	case MESSAGE_READY:
		break;
	default:
		return ERR_CORRUPT;
	}
	if ((m.type != MESSAGE_READY) != for_child || frame_finish(&f) != ERR_OK)
		return ERR_CORRUPT;
	*out = m;
	return ERR_OK;
}
