#include "host/config_users.h"

#include "base/error.h"
#include "host/config.h"
#include "net/users.h"

static void add_user(struct config *config, const char *name, void *context)
{
    const char *secret = config_value(config);

    if (!name || !secret || !*secret)
        config_complain(config, "users",
                        "must map names to passwords, none of them empty");
    else
        users_add(context, name, secret);
}

void config_users(struct config *config, struct users *users)
{
    const char *path = config_string(config, "password_file", NULL);
    struct harp_error error;

    config_each(config, "users", add_user, users);
    if (path && users_read(users, path, &error) != 0)
        config_complain(config, "password_file", error.message);
}
