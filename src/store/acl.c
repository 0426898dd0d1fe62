/* acl.c - see acl.h. A stored entry is: bytes of the identifier (1), identifier, rights (2). */
#include "store/acl.h"

#include "base/bytes.h"

static const char letters[] = "lrswipkxtean";

bool
rights_parse(struct str text, unsigned *out)
{
	unsigned rights = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *at = text.p[i] != '\0' ? strchr(letters, text.p[i]) : NULL;

		if (at != NULL)
			rights |= 1u << (at - letters);
		else if (text.p[i] == 'c')
			rights |= RIGHT_K | RIGHT_X;
		else if (text.p[i] == 'd')
			rights |= RIGHT_E | RIGHT_T;
		else
			return false;
	}
	*out = rights;
	return true;
}

void
rights_format(unsigned rights, struct buf *out)
{
	for (unsigned i = 0; letters[i] != '\0'; i++) {
		if ((rights >> i & 1) != 0)
			buf_chr(out, letters[i]);
	}
	if ((rights & (RIGHT_K | RIGHT_X)) != 0)
		buf_chr(out, 'c');
	if ((rights & (RIGHT_E | RIGHT_T)) != 0)
		buf_chr(out, 'd');
}

bool
acl_next(struct str *list, struct str *identifier_out, unsigned *rights_out)
{
	size_t n;

	if (list->n == 0)
		return false;
	n = (uint8_t)list->p[0];
	if (n == 0 || n + 3 > list->n)
		return false;
	*identifier_out = str_sub(*list, 1, 1 + n);
	*rights_out = get_le16(list->p + 1 + n) & RIGHTS_ALL;
	*list = str_sub(*list, n + 3, list->n);
	return true;
}

bool
acl_is_valid(struct str list)
{
	struct str identifier;
	unsigned rights;

	if (list.n > ACL_BYTES_MAX)
		return false;
	while (acl_next(&list, &identifier, &rights))
		;
	return list.n == 0;
}

bool
acl_find(struct str list, struct str identifier, unsigned *rights_out)
{
	struct str here;
	unsigned rights;

	while (acl_next(&list, &here, &rights)) {
		if (str_eq(here, identifier)) {
			*rights_out = rights;
			return true;
		}
	}
	return false;
}

static void
add(struct buf *out, struct str identifier, unsigned rights)
{
	char bits[2];

	put_le16(bits, (uint16_t)rights);
	buf_chr(out, (char)identifier.n);
	buf_str_add(out, identifier);
	buf_add(out, bits, sizeof(bits));
}

enum err
acl_set(struct str list, struct str identifier, unsigned rights, bool is_kept, struct buf *out)
{
	bool is_there = false;
	unsigned here_rights, count = 0;
	struct str here;

	if (identifier.n == 0 || identifier.n > ACL_IDENTIFIER_MAX)
		return ERR_LIMIT;
	while (acl_next(&list, &here, &here_rights)) {
		bool is_it = str_eq(here, identifier);

		is_there = is_there || is_it;
		if (is_it && !is_kept)
			continue;
		add(out, here, is_it ? rights : here_rights);
		count++;
	}
	if (!is_there && is_kept) {
		add(out, identifier, rights);
		count++;
	}
	return count > ACL_ENTRIES_MAX || out->is_over || out->n > ACL_BYTES_MAX ? ERR_LIMIT
										 : ERR_OK;
}

bool
acl_applies(struct str identifier, const struct identity *who)
{
	if (str_eq(identifier, who->user) || str_eq(identifier, STR("anyone")))
		return true;
	if (identifier.n < 2 || identifier.p[0] != '$')
		return false;
	for (size_t i = 0; i < who->group_count; i++) {
		if (str_eq(str_sub(identifier, 1, identifier.n), who->groups[i]))
			return true;
	}
	return false;
}

unsigned
acl_rights(struct str list, struct str owner, const struct identity *who)
{
	bool is_owner = str_eq(owner, who->user), is_named = false;
	unsigned given = 0, taken = 0, rights;
	struct str identifier;

	if (is_owner && list.n == 0)
		return RIGHTS_ALL;
	while (acl_next(&list, &identifier, &rights)) {
		is_named = is_named || (is_owner && str_eq(identifier, owner));
		if (identifier.p[0] == '-') {
			if (acl_applies(str_sub(identifier, 1, identifier.n), who))
				taken |= rights;
		} else if (acl_applies(identifier, who)) {
			given |= rights;
		}
	}
	if (!is_owner)
		return given & ~taken;
	return ((is_named ? given : RIGHTS_ALL) & ~taken) | RIGHTS_OWNER;
}
