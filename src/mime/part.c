/* part.c - walking a part tree and finding what a section names; see part.h. */
#include "mime/part.h"

const struct mime_part *
mime_part_next(const struct mime_part *part)
{
	if (part->first_child != NULL)
		return part->first_child;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part != NULL ? part->next : NULL;
}

struct str
mime_param_find(const struct mime_param *params, struct str name)
{
	for (; params != NULL; params = params->next)
		if (str_eq_nocase(params->name, name))
			return params->value;
	return STR_NONE;
}

enum mime_encoding
mime_encoding_parse(struct str name)
{
	static const struct {
		struct str name;
		enum mime_encoding encoding;
	} names[] = {
		{ STR_INIT("7bit"), MIME_ENC_7BIT },
		{ STR_INIT("8bit"), MIME_ENC_8BIT },
		{ STR_INIT("binary"), MIME_ENC_BINARY },
		{ STR_INIT("quoted-printable"), MIME_ENC_QP },
		{ STR_INIT("base64"), MIME_ENC_BASE64 },
		{ STR_INIT("x-uuencode"), MIME_ENC_UUENCODE },
		{ STR_INIT("uuencode"), MIME_ENC_UUENCODE },
		{ STR_INIT("x-uue"), MIME_ENC_UUENCODE },
		/* Seen in mail, and they can mean nothing else. */
		{ STR_INIT("7-bit"), MIME_ENC_7BIT },
		{ STR_INIT("8-bit"), MIME_ENC_8BIT },
	};

	if (name.n == 0)
		return MIME_ENC_7BIT;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(names[i].name, name))
			return names[i].encoding;
	return MIME_ENC_UNKNOWN;
}

/*
 * One step down (RFC 9051 6.4.5.1): numbers count the parts of a multipart; a part that holds a
 * message is seen through to that message; what is neither has itself as its part 1.
 */
static const struct mime_part *
step_down(const struct mime_part *part, bool is_message_root, uint32_t number)
{
	const struct mime_part *child;

	if (part->kind == MIME_KIND_MESSAGE) {
		if (is_message_root)
			return number == 1 ? part : NULL;
		part = part->first_child;
		if (part->kind != MIME_KIND_MULTIPART)
			return number == 1 ? part : NULL;
	} else if (part->kind != MIME_KIND_MULTIPART) {
		return is_message_root && number == 1 ? part : NULL;
	}
	if (number == 0 || number > part->child_count)
		return NULL;
	for (child = part->first_child; child != NULL && number > 1; number--)
		child = child->next;
	return child;
}

/*
 * The part that a path names. A message root that is no multipart is reached by "1" from its
 * message and has no parts of its own but, when it is itself a message/rfc822, those of the message
 * inside.
 */
const struct mime_part *
mime_part_find(const struct mime_message *msg, const uint32_t *path, size_t path_count)
{
	const struct mime_part *part = msg->root;
	bool is_root = true;

	for (size_t i = 0; i < path_count && part != NULL; i++) {
		part = step_down(part, is_root, path[i]);
		is_root = false;
	}
	return part;
}

enum err
mime_section_find(const struct mime_message *msg, const uint32_t *path, size_t path_count,
    enum mime_section section, struct mime_range *range_out, const struct mime_part **part_out)
{
	const struct mime_part *part = mime_part_find(msg, path, path_count);

	if (part == NULL)
		return ERR_NOTFOUND;
	switch (section) {
	case MIME_SECTION_WHOLE:
		*range_out = path_count == 0 ? (struct mime_range){ 0, msg->size } : part->body;
		break;
	case MIME_SECTION_HEADER:
	case MIME_SECTION_TEXT:
		if (path_count > 0) {
			if (part->kind != MIME_KIND_MESSAGE)
				return ERR_NOTFOUND;
			part = part->first_child;
		}
		*range_out = section == MIME_SECTION_HEADER ? part->header : part->body;
		break;
	case MIME_SECTION_MIME:
		if (path_count == 0)
			return ERR_NOTFOUND;
		*range_out = part->header;
		break;
	}
	if (part_out != NULL)
		*part_out = part;
	return ERR_OK;
}
