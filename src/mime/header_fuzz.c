/*
 * header_fuzz.c - header blocks: fields, addresses, envelopes, message-ids, base subjects, picking
 * fields.
 */
#include "base/arena.h"
#include "mime/address.h"
#include "mime/envelope.h"
#include "mime/header.h"
#include "mime/limits.h"
#include "mime/msgid.h"
#include "mime/sortkeys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_addresses(struct arena *a, struct str value)
{
	const struct mime_address *addr = mime_address_parse(a, value);
	bool is_in_group = false;
	size_t count = 0;

	for (; addr != NULL; addr = addr->next, count++) {
		must((addr->kind != MIME_ADDR_GROUP) || !is_in_group);
		must((addr->kind != MIME_ADDR_GROUP_END) || is_in_group);
		if (addr->kind != MIME_ADDR_MAILBOX)
			is_in_group = addr->kind == MIME_ADDR_GROUP;
	}
	must(!is_in_group && count <= 2 * MIME_MAX_ADDRESSES);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str names[] = { STR_INIT("From"), STR_INIT("subject"), STR_INIT("x") };
	struct arena a = ARENA_NONE;
	struct str header = str_make(data, size), rest = header;
	BUF_CLEAN struct buf some = BUF_MAX(1 << 26), others = BUF_MAX(1 << 26),
			     text = BUF_MAX(1 << 26), id = BUF_MAX(1 << 20);
	struct mime_envelope env;
	struct mime_sortkeys keys, again;
	struct mime_field f;
	size_t total = 0;

	while (mime_header_next(&rest, &f)) {
		total += f.all.n;
		check_addresses(&a, f.value);
		buf_clear(&text);
		mime_value_text(f.value, &text);
		must(str_is_utf8(buf_str(&text)));
		while (mime_msgid_next(&f.value, &id))
			must(id.n > 0);
	}
	must(total + rest.n == size);
	mime_header_pick(header, names, ARRAY_LEN(names), false, &some);
	mime_header_pick(header, names, ARRAY_LEN(names), true, &others);
	must(some.n + others.n >= total);
	mime_envelope_parse(&a, header, &env);
	buf_clear(&text);
	mime_envelope_format(&env, &text);
	mime_sortkeys_parse(&a, header, &keys);
	buf_clear(&text);
	mime_sortkeys_encode(&keys, &text);
	must(mime_sortkeys_decode(&a, buf_str(&text), &again) == ERR_OK);
	must(str_eq(keys.subject, again.subject) && keys.reference_count == again.reference_count);
	ignore_err(mime_sortkeys_decode(&a, header, &again),
	    "damaged keys may be refused, but must not hurt");
	arena_done(&a);
	return 0;
}
