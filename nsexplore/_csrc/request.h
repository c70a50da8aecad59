/* What a start is asked for, as Python says it. */
#ifndef NSEXPLORE_REQUEST_H
#define NSEXPLORE_REQUEST_H

#include <Python.h>

#include "spawn.h"

/* What a request points to; zeroed at first. */
struct request_store {
    PyObject *arguments; /* owns the texts */
    char **argv, **envp;
    char **paths;
    int *files;
    gid_t *groups;
    struct spawn_join *joins;
};

/* Fill a request from the arguments of Spawn(). 0, or -1 with an exception set. */
int request_fill(struct spawn_request *q, struct request_store *store, PyObject *args);

void request_clear(struct request_store *store);

#endif
