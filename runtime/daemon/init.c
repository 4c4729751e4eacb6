#include "daemon/init.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "daemon/certificate.h"
#include "daemon/settings.h"
#include "daemon/trust.h"
#include "host/config.h"

#define HOST_NAME 256           /* bytes of a machine's name, with its NUL */
#define DIRECTORY_MODE 0755

struct identity {
    char *certificate;
    char *key;
};

/* The rest of the configuration may not be good yet. */
static int read_identity(struct identity *identity, const char *path,
                         struct harp_error *error)
{
    struct config *config = NULL;

    if (path && (trust_file(path, false, error) != 0
                 || !(config = config_load(path, error))))
        return -1;
    identity->certificate = memory_string(
        config ? config_string(config, "certificate", DAEMON_CERTIFICATE)
               : DAEMON_CERTIFICATE);
    identity->key = memory_string(
        config ? config_string(config, "key", DAEMON_KEY) : DAEMON_KEY);
    config_free(config);
    return 0;
}

/* All the directories that a file is in. */
static int make_directories(const char *file, struct harp_error *error)
{
    char *path = memory_string(file);
    int status = 0;

    for (char *at = strchr(path + 1, '/'); at && status == 0;
         at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(path, DIRECTORY_MODE) != 0 && errno != EEXIST)
            status = error_set(error, USAGE_ERROR, "certificate",
                               "cannot make the directory %s: %s", path,
                               strerror(errno));
        *at = '/';
    }
    free(path);
    return status;
}

static int make(const struct identity *identity, const char *name,
                struct harp_error *error)
{
    if (make_directories(identity->certificate, error) != 0
        || make_directories(identity->key, error) != 0
        || certificate_create(identity->certificate, identity->key, name,
                              error) != 0)
        return -1;
    printf("made %s and %s\n", identity->certificate, identity->key);
    return 0;
}

static int tell(const struct identity *identity, const char *name,
                struct harp_error *error)
{
    char pin[PIN_SIZE];

    if (certificate_pin(identity->certificate, pin, error) != 0)
        return -1;
    printf("pin %s\n\n"
           "A dispatcher finds this daemon by an entry of its hosts, with a "
           "user and a\npassword that the daemon knows:\n\n"
           "  [\"%s\"] = { address = \"%s\", user = \"…\", password = \"…\",\n"
           "    pin = \"%s\" },\n", pin, name, name, pin);
    return 0;
}

static int init(const struct identity *identity, struct harp_error *error)
{
    char name[HOST_NAME] = "localhost";
    bool there = access(identity->certificate, F_OK) == 0
              && access(identity->key, F_OK) == 0;

    gethostname(name, sizeof name - 1);
    if (!there && (access(identity->certificate, F_OK) == 0
                   || access(identity->key, F_OK) == 0))
        return error_set(error, USAGE_ERROR, "certificate", "of %s and %s "
                         "one is there and one is not: move it away, or put "
                         "the other one beside it", identity->certificate,
                         identity->key);
    if (there)
        printf("%s and %s are there, and stay\n", identity->certificate,
               identity->key);
    else if (make(identity, name, error) != 0)
        return -1;
    return tell(identity, name, error);
}

int daemon_init(const char *config, struct harp_error *error)
{
    struct identity identity = { NULL, NULL };
    int status = read_identity(&identity, config, error);

    if (status == 0)
        status = init(&identity, error);
    free(identity.certificate);
    free(identity.key);
    return status;
}
