/* verify_text.c - a finding in words, and as JSON. */
#include "store/verify.h"

static const struct {
	const char *name, *text;
} kinds[VERIFY_KINDS] = {

#define VERIFY(code, name, is_lost, text) { name, text },
#include "store/verify.def"
#undef VERIFY
};

const char *
verify_kind_name(enum verify_kind kind)
{
	return kinds[kind].name;
}

/*
 * Names are UTF-8 without control characters, but what is found may be anything: that is written as
 * \xNN.
 */
static void
plain(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 0x7F)
			buf_printf(out, "\\x%02x", c);
		else
			buf_chr(out, (char)c);
	}
}

static void
uids_text(const struct verify_finding *f, struct buf *out)
{
	if (f->uid_first == f->uid_last)
		buf_printf(out, " UID %u", f->uid_first);
	else
		buf_printf(out, " UIDs %u to %u", f->uid_first, f->uid_last);
}

void
verify_finding_text(const struct verify_finding *f, struct buf *out)
{
	buf_printf(out, "%s: %s:",
	    f->is_repaired   ? "repaired"
		: f->is_lost ? "lost"
			     : "wrong",
	    kinds[f->kind].name);
	if (f->file.n > 0) {
		buf_lit(out, " file ");
		plain(out, f->file);
	}
	if (f->account.v != 0) {
		buf_lit(out, " account ");
		if (f->user.n > 0)
			plain(out, f->user);
		else
			buf_printf(out, "number %llu", (unsigned long long)f->account.v);
	}
	if (f->mailbox.v != 0) {
		buf_lit(out, " mailbox \"");
		plain(out, f->mailbox_name);
		buf_printf(out, "\" (%llu)", (unsigned long long)f->mailbox.v);
	}
	if (f->uid_first != 0)
		uids_text(f, out);
	if (f->is_expunged)
		buf_lit(out, " (expunged, kept for undelete)");
	if (f->msgno.v != 0)
		buf_printf(out, " message %u", f->msgno.v);
	if (out->n > 0 && out->p[out->n - 1] != ':')
		buf_chr(out, ':');
	buf_printf(out, " %s", kinds[f->kind].text);
	if (f->detail.n > 0) {
		buf_lit(out, "; ");
		plain(out, f->detail);
	}
}

static void
json_text(struct buf *out, const char *key, struct str s)
{
	buf_printf(out, ",\"%s\":\"", key);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7F)
			buf_printf(out, "\\u%04x", c);
		else
			buf_chr(out, (char)c);
	}
	buf_chr(out, '"');
}

void
verify_finding_json(const struct verify_finding *f, struct buf *out)
{
	buf_printf(out, "{\"finding\":\"%s\",\"lost\":%s,\"repaired\":%s", kinds[f->kind].name,
	    f->is_lost ? "true" : "false", f->is_repaired ? "true" : "false");
	if (f->file.n > 0)
		json_text(out, "file", f->file);
	if (f->account.v != 0) {
		buf_printf(out, ",\"account\":%llu", (unsigned long long)f->account.v);
		json_text(out, "user", f->user);
	}
	if (f->mailbox.v != 0) {
		buf_printf(out, ",\"mailbox_id\":%llu", (unsigned long long)f->mailbox.v);
		json_text(out, "mailbox", f->mailbox_name);
	}
	if (f->uid_first != 0)
		buf_printf(out, ",\"uid_first\":%u,\"uid_last\":%u", f->uid_first, f->uid_last);
	if (f->msgno.v != 0)
		buf_printf(out, ",\"message\":%u", f->msgno.v);
	if (f->is_expunged)
		buf_lit(out, ",\"expunged\":true");
	json_text(out, "text", str_c(kinds[f->kind].text));
	if (f->detail.n > 0)
		json_text(out, "detail", f->detail);
	buf_chr(out, '}');
}
