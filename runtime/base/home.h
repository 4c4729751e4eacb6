/* Where a user's own files are, as the XDG base directories have it. */
#ifndef HARP_BASE_HOME_H
#define HARP_BASE_HOME_H

/*
 * The path of a name below $XDG_STATE_HOME/harp (~/.local/state/harp) or
 * $XDG_CONFIG_HOME/harp (~/.config/harp); a variable counts when it is an
 * absolute path. The caller frees it; NULL when there is no home.
 */
char *home_state(const char *name);
char *home_config(const char *name);

/* Makes the directories above a path, for the user alone; -1 and errno. */
int home_make_above(char *path);

#endif
