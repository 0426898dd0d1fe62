/* roles.c - see roles.h. */
#include "proc/roles.h"

#include "proc/filter.h"

const struct role_row role_table[ROLE_COUNT] = {
#define ROLE(id, name_, user_, folder_, calls_, files_, what)                                      \
	[ROLE_##id] = { .name = (name_),                                                           \
		.user_option = offsetof(struct config, user_),                                     \
		.folder = (folder_),                                                               \
		.calls = (calls_),                                                                 \
		.files = (files_) },
#include "proc/roles.def"
#undef ROLE
};

const char *const service_names[SERVICE_COUNT] = {
#define SERVICE(id, name, option) [SERVICE_##id] = (name),
#include "proc/services.def"
#undef SERVICE
	[SERVICE_CONTROL] = "control",
};

enum role
role_find(const char *name)
{
	unsigned i = 0;

	while (i < ROLE_COUNT && strcmp(role_table[i].name, name) != 0)
		i++;
	return i;
}

const char *
role_folder(struct arena *a, enum role role, const struct config *c)
{
	return arena_printf(a, "%.*s/%s", STR_F(c->data_dir), role_table[role].folder).p;
}

struct str
role_user(enum role role, const struct config *c)
{
	return *(const struct str *)(const void *)((const char *)c + role_table[role].user_option);
}

const struct config_list *
service_addresses(enum service service, const struct config *c)
{
	static const size_t offsets[] = {
#define SERVICE(id, name, option) [SERVICE_##id] = offsetof(struct config, option),
#include "proc/services.def"
#undef SERVICE
	};

	must(service < SERVICE_CONTROL);
	return (const struct config_list *)(const void *)((const char *)c + offsets[service]);
}
