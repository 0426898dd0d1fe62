/* row_key.c - the keys of rows: see row.h. */
#include "store/row.h"

#include "base/bytes.h"

static struct row_key
key(char letter)
{
	struct row_key k = { .n = 1 };

	k.bytes[0] = letter;
	return k;
}

static struct row_key
key_u64(char letter, uint64_t a)
{
	struct row_key k = key(letter);

	put_be64(k.bytes + 1, a);
	k.n = 9;
	return k;
}

static struct row_key
key_u64_u64(char letter, uint64_t a, uint64_t b)
{
	struct row_key k = key_u64(letter, a);

	put_be64(k.bytes + 9, b);
	k.n = 17;
	return k;
}

struct row_key
row_key_account(void)
{
	return key('A');
}

struct row_key
row_key_mailbox(struct mailbox_id id)
{
	return key_u64('M', id.v);
}

struct row_key
row_key_status(struct mailbox_id id)
{
	return key_u64('S', id.v);
}

struct row_key
row_key_limits(void)
{
	return key('L');
}

struct row_key
row_key_private_sums(struct mailbox_id id, uint64_t user)
{
	return key_u64_u64('Q', id.v, user);
}

struct row_key
row_key_vanished(struct mailbox_id id, uint64_t version)
{
	return key_u64_u64('V', id.v, version);
}

struct row_key
row_key_undo(uint64_t version)
{
	return key_u64('U', version);
}

struct row_key
row_key_staged(uint64_t version)
{
	return key_u64('C', version);
}

struct row_key
row_key_clock(void)
{
	return key('T');
}

struct row_key
row_key_next_account(void)
{
	return key('N');
}

struct row_key
row_key_dying(uint64_t account)
{
	return key_u64('D', account);
}

struct row_key
row_key_page(struct mailbox_id id, uint32_t page)
{
	struct row_key k = key_u64('P', id.v);

	put_be32(k.bytes + 9, page);
	k.n = 13;
	return k;
}

struct row_key
row_key_notes(struct mailbox_id id, uint32_t uid)
{
	struct row_key k = row_key_page(id, uid / 64);

	k.bytes[k.n++] = (char)(uid % 64);
	return k;
}

struct row_key
row_key_private(struct mailbox_id id, uint64_t user, uint32_t page)
{
	struct row_key k = key_u64_u64('Q', id.v, user);

	put_be32(k.bytes + 17, page);
	k.n = 21;
	return k;
}

void
row_key_user(struct buf *out, struct str user)
{
	buf_chr(out, 'U');
	buf_str_add(out, user);
}

void
row_key_share(struct buf *out, struct str identifier, struct str owner)
{
	buf_chr(out, 'G');
	buf_str_add(out, identifier);
	buf_chr(out, '\0');
	buf_str_add(out, owner);
}

bool
row_key_parse_mailbox(struct str k, struct mailbox_id *id_out)
{
	if (k.n != 9)
		return false;
	id_out->v = get_be64(k.p + 1);
	return true;
}

bool
row_key_parse_page(struct str k, struct mailbox_id *id_out, uint32_t *page_out)
{
	if (k.n != 13 || k.p[0] != 'P')
		return false;
	id_out->v = get_be64(k.p + 1);
	*page_out = get_be32(k.p + 9);
	return *page_out <= UINT32_MAX / 64;
}

bool
row_key_parse_notes(struct str k, struct mailbox_id *id_out, uint32_t *uid_out)
{
	uint32_t page;

	if (k.n != 14 || !row_key_parse_page(str_sub(k, 0, 13), id_out, &page)
	    || (uint8_t)k.p[13] >= 64)
		return false;
	*uid_out = page * 64 + (uint8_t)k.p[13];
	return true;
}

bool
row_key_parse_private(struct str k, struct mailbox_id *id_out, uint64_t *user_out,
    uint32_t *page_out)
{
	if (k.n != 21 || k.p[0] != 'Q')
		return false;
	id_out->v = get_be64(k.p + 1);
	*user_out = get_be64(k.p + 9);
	*page_out = get_be32(k.p + 17);
	return *page_out <= UINT32_MAX / 64;
}

bool
row_key_parse_private_sums(struct str k, struct mailbox_id *id_out, uint64_t *user_out)
{
	if (k.n != 17 || k.p[0] != 'Q')
		return false;
	id_out->v = get_be64(k.p + 1);
	*user_out = get_be64(k.p + 9);
	return true;
}

bool
row_key_parse_vanished(struct str k, struct mailbox_id *id_out, uint64_t *version_out)
{
	if (k.n != 17 || k.p[0] != 'V')
		return false;
	id_out->v = get_be64(k.p + 1);
	*version_out = get_be64(k.p + 9);
	return true;
}

static bool
parse_u64(struct str k, char letter, uint64_t *out)
{
	if (k.n != 9 || k.p[0] != letter)
		return false;
	*out = get_be64(k.p + 1);
	return true;
}

bool
row_key_parse_undo(struct str k, uint64_t *version_out)
{
	return parse_u64(k, 'U', version_out);
}

bool
row_key_parse_staged(struct str k, uint64_t *version_out)
{
	return parse_u64(k, 'C', version_out);
}

bool
row_key_parse_dying(struct str k, uint64_t *account_out)
{
	return parse_u64(k, 'D', account_out);
}
