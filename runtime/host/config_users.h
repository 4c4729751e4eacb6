/* The settings that say who may come in: `users` and `password_file`. */
#ifndef HARP_HOST_CONFIG_USERS_H
#define HARP_HOST_CONFIG_USERS_H

struct config;
struct users;

/* Adds those of the settings, or of the entry; complaints go to the config. */
void config_users(struct config *config, struct users *users);

#endif
